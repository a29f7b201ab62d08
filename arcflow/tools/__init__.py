"""Command-line tools that import no torch."""
