"""LoRA adapters that are attached, copied, loaded and removed; or all weights in their place."""
