"""Endless, exactly resumable streams of training samples."""
