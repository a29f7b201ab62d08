"""Tasks in files of every form that people have."""
