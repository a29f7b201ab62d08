"""Files that are written whole or not at all, even if the writer is killed."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


class WholeFile:
    """The new content of a file, which takes the file's place once it is complete.

    Libraries that write to it may hide the error of a full disk behind one of their own: ``error``
    keeps the first.

    Attributes:
        error: The first error of the disk, or None.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.error: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        """Write all of the data, and return its length in bytes."""
        left = memoryview(data).cast("B")
        size = left.nbytes
        try:
            while left.nbytes:  # a disk that fills up takes only a part
                left = left[os.write(self._handle, left[: 1 << 30]) :]
        except OSError as error:
            self.error = self.error or error
            raise
        return size

    def flush(self) -> None:
        """Do nothing, as nothing is buffered."""


@contextlib.contextmanager
def replacing(path: Path, temporary_name: str = "") -> Iterator[WholeFile]:
    """Replace a file by what is written in the block, in one atomic step at the block's end.

    The new content lies beside the file until it is complete and on the disk, so the previous file
    survives a kill, a crash and a full disk.

    Args:
        path: The file to replace.
        temporary_name: The name of the new content until it is complete; empty takes one of this
            process. A fixed name leaves at most one such file after kills.

    Yields:
        The file to write to.

    Raises:
        OSError: The file cannot be written, and the previous one is unchanged; the error names
            ``path``.
    """
    # The same folder, because os.replace is atomic only within one file system.
    temporary = path.parent / (temporary_name or f".{path.name}.{os.getpid()}.tmp")
    file: WholeFile | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        handle = os.open(temporary, flags, 0o666)
        try:
            file = WholeFile(handle)
            yield file
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        cause = error if isinstance(error, OSError) else file.error if file is not None else None
        if cause is None or cause.errno is None:
            raise
        raise OSError(cause.errno, cause.strerror, str(path)) from error


def write_whole(path: Path, data: bytes) -> None:
    """Replace the file at ``path`` by ``data`` in one atomic step, making its folder if needed.

    Args:
        path: The file to write.
        data: The whole new content.

    Raises:
        OSError: The file cannot be written; the previous file is left unchanged.
    """
    with replacing(path) as file:
        file.write(data)


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
