"""A search over programs: sequences of grid functions, and pieces stacked on each other."""
