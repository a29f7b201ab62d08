"""Lightning callbacks: test-time fine-tuning, evaluation, submission."""
