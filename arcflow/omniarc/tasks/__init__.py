"""Programs that solve ARC-AGI-1's training tasks, a module for each concept."""
