"""LineFile: an index of where the lines of a file begin, so that each can be read alone."""

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError

_CHUNK = 1 << 24


class LineFile:
    """The lines of a text file that are not blank, numbered from 0; their text stays on the disk.

    Opening reads the file once, at the speed of its hash. The object is sent to other processes
    without its open file.

    Args:
        path: An uncompressed file that does not change while it is in use.

    Attributes:
        digest: The SHA-256 digest of the file, in hexadecimal.
        numbers: The line numbers that an editor shows, from 1, of shape (n,).

    Raises:
        DataError: The file is missing, unreadable, compressed, or has no lines.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix == ".gz":
            raise DataError(
                f"{path}: lines of a packed file cannot be read one by one",
                value=self.path.name,
                expected="a file that is not packed",
                next_step=f"Unpack it: gunzip --keep {path}",
            )
        digest, ends, size = hashlib.sha256(), [], 0
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    breaks = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
                    ends.append(breaks + size)
                    size += len(chunk)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read",
                value=error.strerror,
                expected="a readable file with a task a line",
                next_step="Check the path; relative paths start at the working directory.",
            ) from None
        self.digest = digest.hexdigest()
        stops = np.concatenate([*ends, np.array([size])]).astype(np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), stops[:-1] + 1])
        self._starts, self._stops, self._map = starts, stops, None
        short = np.flatnonzero(stops - starts < 8)  # blank or bad, as no task is so short
        blank = [i for i in short.tolist() if not self._bytes(i).strip()] if size else [0]
        kept = np.setdiff1d(np.arange(len(stops)), np.array(blank, np.int64))
        self.numbers: NDArray[np.int64] = kept + 1
        self._starts, self._stops = starts[kept], stops[kept]
        if not len(kept):
            raise DataError(
                f"{path}: no lines",
                value=f"{size} bytes",
                expected="a task a line",
                next_step="Check that the file holds ARC tasks.",
            )

    _map: mmap.mmap | None

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> bytes:
        """Return a line without its end."""
        return self._bytes(index)

    def __iter__(self) -> Iterator[bytes]:
        return (self._bytes(i) for i in range(len(self)))

    def _bytes(self, index: int) -> bytes:
        if self._map is None:
            with self.path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map[self._starts[index] : self._stops[index]]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_map"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _map=None)
