"""The loss of a batch, computed only where it is scored."""
