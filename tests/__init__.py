"""Tests; a package so that `python -m tests.helpers.golden` works."""
