"""Models in GGUF files, converted once into folders that transformers and vLLM load."""
