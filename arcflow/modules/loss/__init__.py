"""The loss of a batch, computed only at the positions that are scored."""
