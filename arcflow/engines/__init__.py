"""Who writes the answers: one protocol, several engines."""
