"""Test-time fine-tuning: an adapter for each task, usable without a Trainer."""
