"""A lock ends with its process, and no child keeps it."""

import os
import signal
import time
from pathlib import Path

from arcflow.core.file_lock import FileLock


def test_one_at_a_time_and_again_after_release(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock.acquire(path)
    assert lock is not None
    assert FileLock.acquire(path) is None
    lock.release()
    lock.release()
    again = FileLock.acquire(path)
    assert again is not None
    del again  # a lock that nobody can release would keep others out
    assert FileLock.acquire(path) is not None


def test_a_child_that_outlives_its_killed_parent_does_not_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        lock = FileLock.acquire(path)
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        os.write(write, str(child).encode().ljust(10) if lock else b"-1".ljust(10))
        time.sleep(60)
    child = int(os.read(read, 10))
    assert child > 0
    assert FileLock.acquire(path) is None
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    try:
        assert FileLock.acquire(path) is not None
    finally:
        os.kill(child, signal.SIGKILL)
