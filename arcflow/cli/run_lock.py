"""One ``fit`` at a time in a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arcflow.core.errors import ConfigError
from arcflow.core.file_lock import FileLock

LOCK = ".fit.lock"
"""The file in a run's folder that the ``fit`` which writes there has locked."""

_taken: list[FileLock] = []


def lock_run(root: str | Path) -> None:
    """Lock a run's folder for the ``fit`` of this process; of several processes the first does so.

    Args:
        root: The folder, which exists.

    Raises:
        ConfigError: Another ``fit`` is writing there.
    """
    if any(os.environ.get(name, "0") != "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
        return
    lock = FileLock.acquire(Path(root) / LOCK)
    if lock is None:
        raise ConfigError(
            "another fit is writing this folder",
            value=str(root),
            expected="one fit at a time in a folder",
            next_step="Wait until it has ended, or give this run another folder "
            "(--trainer.default_root_dir).",
        )
    _taken.append(lock)


@contextmanager
def run_locks() -> Iterator[None]:
    """Release the locks that were taken in the block at its end."""
    before = len(_taken)
    try:
        yield
    finally:
        while len(_taken) > before:
            _taken.pop().release()
