"""Pools: tasks generated once, in one checked file."""
