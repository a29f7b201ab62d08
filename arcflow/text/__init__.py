"""The way from grids to text and token ids, and back."""
