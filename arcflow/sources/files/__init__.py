"""Tasks in files and folders of every common format."""
