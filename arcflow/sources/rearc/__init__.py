"""RE-ARC: variations of the 400 training tasks of ARC-AGI-1, made by their generators."""
