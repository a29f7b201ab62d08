"""Running solvers over many tasks: processes, time, journal and submission."""
