"""Studies: tables of experiments, each run with several seeds."""
