"""LoRA adapters: attached, saved, loaded; or all weights in their place."""
