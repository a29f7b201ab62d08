"""Pools: tasks that were generated once and are kept in one checksummed file."""
