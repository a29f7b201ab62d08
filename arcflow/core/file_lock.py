"""Locks on files that end with the process that holds them, however it ends."""

import contextlib
import errno
import fcntl
import logging
import os
import weakref
from pathlib import Path

_log = logging.getLogger(__name__)
_held: "weakref.WeakSet[FileLock]" = weakref.WeakSet()


class FileLock:
    """A lock that one process holds at a time; :meth:`acquire` takes it.

    The file stays when the lock is released: removing it would let two processes lock two files
    of the same name.
    """

    def __init__(self, handle: int) -> None:
        self._close = weakref.finalize(self, os.close, handle)
        _held.add(self)

    @classmethod
    def acquire(cls, path: Path) -> "FileLock | None":
        """Take the lock, without waiting for it.

        Where a file system has no locks, a warning is logged and nothing is locked.

        Args:
            path: The file to lock, which is made if it is missing.

        Returns:
            The lock, or None if another process holds it.

        Raises:
            OSError: The file cannot be opened.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                os.close(handle)
                if error.errno == errno.EWOULDBLOCK:
                    return None
                raise
            _log.warning("%s: its file system has no locks; let only one run write there.", path)
        return cls(handle)

    def release(self) -> None:
        """Release the lock; releasing it again does nothing."""
        self._close()


def _release_in_child() -> None:
    # A lock lasts as long as any process has the file open, so a worker that outlives a killed run
    # would keep the next one out.
    for lock in list(_held):
        with contextlib.suppress(OSError):
            lock.release()


os.register_at_fork(after_in_child=_release_in_child)
