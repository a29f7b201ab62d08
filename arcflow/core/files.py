"""Files that are whole at any moment, whoever is killed."""

import contextlib
import os
from pathlib import Path
from typing import IO


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of what is at ``path``, at one moment; its folder is made.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    # In the same folder: os.replace is atomic only within one file system.
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            put_in_place(file, temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def put_in_place(file: IO[bytes], temporary: Path, path: Path) -> None:
    """Put a file that was written under another name of its folder at ``path``, at one moment.

    Args:
        file: open for writing; it is brought to the disk first.
        temporary: its name so far.
        path: its name from now on, in the same file system.
    """
    file.flush()
    os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a new or renamed file's name to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
