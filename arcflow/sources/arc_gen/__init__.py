"""ARC-GEN: tasks from a clone of its generators, which run in a process of their own."""
