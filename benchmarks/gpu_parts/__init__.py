"""The parts of gpu_check.py: each module's ``rows(place)`` yields the rows of its table."""
