"""Pictures of grids and tasks."""
