"""When a run began, for limits that count from its start.

A process may hold several runs, one after the other: a notebook imports arcflow once and starts
runs for hours.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_started: list[float] = []


@contextmanager
def run_begins() -> Iterator[None]:
    """Let the run inside the block begin now; the command line does so before it loads anything."""
    _started.append(time.time())
    try:
        yield
    finally:
        _started.pop()


def run_started() -> float:
    """Return when the present run began, in seconds since 1970; now, if nothing has said so."""
    return _started[-1] if _started else time.time()
