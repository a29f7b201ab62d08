"""ARC-GEN: tasks from a clone of its generators, run in a process of their own."""
