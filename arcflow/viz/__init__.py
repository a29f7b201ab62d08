"""Pictures of grids and tasks, as files and on a terminal."""
