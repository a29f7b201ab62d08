"""Files that are written whole or not at all, even if the writer is killed."""

import contextlib
import os
from pathlib import Path
from typing import IO


def write_whole(path: Path, data: bytes) -> None:
    """Replace the file at ``path`` by ``data`` in one atomic step, making its folder if needed.

    Args:
        path: The file to write.
        data: The whole new content.

    Raises:
        OSError: The file cannot be written; the previous file is left unchanged.
    """
    # The same folder, because os.replace is atomic only within one file system.
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
    """Move a file that was written under a temporary name to ``path`` in one atomic step.

    Args:
        file: The temporary file, open for writing; its content is flushed to the disk first.
        temporary: The name that the file has now.
        path: The name that the file gets, in the same folder.
    """
    file.flush()
    os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a new or renamed file survives a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
