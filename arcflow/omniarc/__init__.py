"""Omni-ARC: ARC training tasks solved in code, each by one readable program."""
