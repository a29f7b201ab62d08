"""Votes, metrics, submissions, learning curves and the evaluation journal, in numpy alone."""
