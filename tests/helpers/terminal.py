"""``arcflow`` in a pseudo-terminal, as a person at a screen runs it."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence

from tests.helpers.paths import ROOT


def run_in_terminal(argv: Sequence[str], columns: int) -> str:
    """Run ``arcflow ARGV``, which must succeed, in a terminal of this width.

    Args:
        argv: The command and its options.
        columns: The width; 0 for a terminal that does not know its own.

    Returns:
        All that was written to the terminal, moves of the cursor included.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40 * bool(columns), columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    child = subprocess.Popen(
        [sys.executable, "-m", "arcflow", *argv],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=environment | {"TERM": "xterm-256color", "OMP_NUM_THREADS": "1"},
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # so does a terminal end on Linux
            break
        if not data:
            break
        parts.append(data)
    os.close(ours)
    text = b"".join(parts).decode("utf-8", "replace")
    assert child.wait() == 0, text
    return text
