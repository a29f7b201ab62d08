"""The fast path from grids to token ids, which uses tables instead of a tokenizer."""
