"""Engines, which write the answers to prompts: one protocol, several implementations."""
