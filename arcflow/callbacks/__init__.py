"""Lightning callbacks: evaluation, test-time fine-tuning, checkpoints, statistics, progress."""
