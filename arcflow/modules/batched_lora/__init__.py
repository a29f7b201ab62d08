"""Many LoRA adapters trained in one forward pass, each as if it were trained alone."""
