"""Sources of tasks: published collections, files, generators, pools and mixtures of these."""
