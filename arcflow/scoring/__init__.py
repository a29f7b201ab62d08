"""Votes, metrics, the journal and the submission: numpy and the standard library."""
