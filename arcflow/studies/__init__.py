"""Studies: tables of runs over seeds, with their report."""
