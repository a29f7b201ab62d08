"""A mistake of the user is reported once, though each process of a run meets it."""

import os
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 5.0
"""Seconds for which another process waits for the first one of its machine to say the same."""

_KEPT = 60.0
"""Seconds for which what was said counts; a run that is started again has its own say."""


def already_reported(message: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the machine's first process tells this message; it does so itself.

    The first one says so in a file for the others, who know it by who started it and them:
    torchrun, Slurm, or, under Lightning's own launcher, the first process itself. A process that
    waits in vain has met a mistake of its own and tells it.

    Args:
        message: what is to be told.
        environ: says which process this is.
    """
    rank = environ.get("LOCAL_RANK", environ.get("SLURM_LOCALID"))
    if rank is None:  # the only one
        return False
    try:
        if rank == "0":
            _tell(message)
            return False
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            said = _file(os.getppid(), message)
            if said.exists() and time.time() - said.stat().st_mtime < _KEPT:
                return True
            time.sleep(0.05)
    except OSError:  # no folder to write to: rather twice than not at all
        pass
    return False


def _tell(message: str) -> None:
    for old in Path(tempfile.gettempdir()).glob(f"arcflow-told-{os.getuid()}-*"):
        if time.time() - old.stat().st_mtime > _KEPT:
            old.unlink(missing_ok=True)
    for starter in (os.getpid(), os.getppid()):
        _file(starter, message).touch()


def _file(starter: int, message: str) -> Path:
    digest = zlib.crc32(message.encode(errors="replace"))
    return Path(tempfile.gettempdir()) / f"arcflow-told-{os.getuid()}-{starter}-{digest:08x}"
