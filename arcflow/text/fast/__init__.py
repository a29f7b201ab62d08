"""The fast path from grids to token ids: tables in place of a tokenizer."""
