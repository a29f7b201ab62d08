"""Grids, tasks, augmentations, votes and metrics: numpy and the standard library only."""
