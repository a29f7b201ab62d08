"""The largest memory that this process has taken so far."""

import sys


def peak_memory() -> int | None:
    """Return the process's peak resident memory in bytes; None if the system does not say."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
