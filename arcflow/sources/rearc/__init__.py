"""RE-ARC: variations of the 400 training tasks from their generators."""
