"""Evaluations as one self-contained HTML page: tasks, answers, votes, and what was right."""
