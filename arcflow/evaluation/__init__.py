"""Evaluate tasks: requests, answers, votes, time, results; usable without a Trainer."""
