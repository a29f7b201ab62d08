"""Signals of child processes, whatever shell runs the tests."""

import signal


def heed_interrupts() -> None:
    """Undo, in a new process, what a shell does to its background jobs: they ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
