"""The file of a pool: tasks as bytes that are read in place, all of them under checksums.

All numbers are little-endian. The parts follow each other::

    start      64 bytes: magic, version, size of a block, place of the description, checksums
    records    for each task: number of pairs n (1 byte); height and width of input and output of
               each pair (4 n bytes); the cells of each input and output, row by row, 1 byte each
    originals  the published tasks behind the families, JSON
    families   number of each task's family (uint32)
    offsets    where each task's record begins, and where the last one ends (uint64)
    checksums  CRC-32 of each block of the records (uint32)
    description  JSON: what the pool was made from, the families, where the parts lie

Nothing in the file depends on time, machine or the number of processes that made it.
"""

import hashlib
import json
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError
from arcflow.core.task import Pair

VERSION = 1
BLOCK = 1 << 18
"""The bytes of a block, which is checked when one of its tasks is first read, in 0.1 ms."""

_MAGIC = b"arcpool\n"
# Magic, version, block, offset, length and CRC-32 of the description, and CRC-32 of all these.
_START = struct.Struct("<8sIIQQII")
_START_BYTES = 64
_AGAIN = "Build the pool again with `arcflow pool build`."


class PoolWriter:
    """A writer of a pool, from front to back; :meth:`finish` makes it whole.

    Args:
        file: An empty, seekable file that is open for writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write(bytes(_START_BYTES))
        self._offsets = [_START_BYTES]
        self._families: list[int] = []
        self._sums: list[int] = []
        self._sum, self._room = 0, BLOCK
        self._digest = hashlib.sha256()

    def __len__(self) -> int:
        return len(self._families)

    def add(self, record: bytes, family: int) -> None:
        """Append a task.

        Args:
            record: The task's bytes, as :func:`record_of` makes them.
            family: The number of the task's family.
        """
        self._file.write(record)
        self._digest.update(record)
        self._offsets.append(self._offsets[-1] + len(record))
        self._families.append(family)
        rest = memoryview(record)
        while len(rest) >= self._room:
            self._sums.append(zlib.crc32(rest[: self._room], self._sum))
            rest = rest[self._room :]
            self._sum, self._room = 0, BLOCK
        self._sum, self._room = zlib.crc32(rest, self._sum), self._room - len(rest)

    def finish(self, about: Mapping[str, Any], base_tasks: Sequence[object]) -> None:
        """Write the other parts of the file.

        Args:
            about: Plain JSON values, which :attr:`PoolFile.about` gives back.
            base_tasks: Plain JSON values, which :meth:`PoolFile.base_tasks` gives back.
        """
        if self._room < BLOCK:
            self._sums.append(self._sum)
        parts, at = {}, self._offsets[-1]
        for name, data in (
            ("originals", _json(base_tasks)),
            ("families", np.array(self._families, "<u4").tobytes()),
            ("offsets", np.array(self._offsets, "<u8").tobytes()),
            ("checksums", np.array(self._sums, "<u4").tobytes()),
        ):
            self._file.write(data)
            parts[name] = [at, len(data), zlib.crc32(data)]
            at += len(data)
        tail = _json({"about": about, "parts": parts, "sha256": self._digest.hexdigest()})
        self._file.write(tail)
        start = _START.pack(_MAGIC, VERSION, BLOCK, at, len(tail), zlib.crc32(tail), 0)[:-4]
        self._file.seek(0)
        self._file.write(start + struct.pack("<I", zlib.crc32(start)))


class PoolFile:
    """A pool that is open for reading: mapped into memory, with grids that are views of the file.

    Opening checks everything but the records; a block of records is checked when it is first read.
    The object pickles as its path.

    Args:
        path: The file.

    Attributes:
        about: What the builder wrote down.
        families: The number of each task's family, of shape (tasks,).
        digest: The SHA-256 digest that identifies everything in the file, in hexadecimal.

    Raises:
        DataError: The file is missing, no pool, of another version, cut short or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self._map = _mapped(self.path)
        start = self._map[: _START.size]
        if start[: len(_MAGIC)] != _MAGIC:
            self._refuse("not a pool", start[: len(_MAGIC)], f"a file that begins with {_MAGIC!r}")
        if len(start) < _START.size:
            self._refuse("cut short", f"{len(self._map)} bytes", f"at least {_START_BYTES}")
        _, version, block, at, length, checksum, own = _START.unpack(start)
        if version != VERSION:
            self._refuse("a pool of another version", version, f"version {VERSION}")
        if own != zlib.crc32(start[:-4]) or block != BLOCK:
            self._damaged("its start")
        if len(self._map) < at + length:
            self._refuse("cut short", f"{len(self._map)} bytes", f"{at + length} bytes")
        if len(self._map) > at + length:
            self._refuse("too long", f"{len(self._map)} bytes", f"{at + length} bytes")
        tail = self._map[at : at + length]
        if zlib.crc32(tail) != checksum:
            self._damaged("its description")
        description = json.loads(tail)
        self.about: dict[str, Any] = description["about"]
        self.digest = hashlib.sha256(tail).hexdigest()
        self._parts: dict[str, list[int]] = description["parts"]
        self._sha256: str = description["sha256"]
        self.families = np.frombuffer(self._part("families"), "<u4")
        self._offsets = np.frombuffer(self._part("offsets"), "<u8")
        self._sums = np.frombuffer(self._part("checksums"), "<u4")
        self._unchecked = bytearray(b"\1" * len(self._sums))

    def __len__(self) -> int:
        return len(self.families)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.digest)

    def base_tasks(self) -> list[dict[str, Any]]:
        """Return the published tasks behind the families, as the builder wrote them down.

        Raises:
            DataError: This part of the file is damaged.
        """
        found: list[dict[str, Any]] = json.loads(self._part("originals"))
        return found

    def shapes(self, task: int) -> tuple[bytes, int]:
        """Return the shapes of a task's grids, and where its cells begin in the file.

        Returns:
            Four bytes for each pair (height and width of its input, height and width of its
            output), and the offset of the first cell in bytes.

        Raises:
            DataError: This part of the file is damaged.
        """
        begin, end = self._offsets[task : task + 2].tolist()
        for block in range((begin - _START_BYTES) // BLOCK, (end - 1 - _START_BYTES) // BLOCK + 1):
            if self._unchecked[block]:
                self._check_block(block)
        cells = begin + 1 + 4 * self._map[begin]
        return self._map[begin + 1 : cells], cells

    def pairs(self, task: int, chosen: Sequence[int]) -> list[Pair]:
        """Return some pairs of a task, whose grids are views of the file.

        Args:
            task: The number of the task.
            chosen: The numbers of the pairs, in the order to return.

        Raises:
            DataError: This part of the file is damaged.
        """
        shapes, at = self.shapes(task)
        places = []
        for i in range(0, len(shapes), 4):
            h, w, height, width = shapes[i : i + 4]
            places.append((at, at + h * w, h, w, height, width))
            at += h * w + height * width
        new, data, int8 = np.ndarray, self._map, np.int8
        pairs = []
        for one in chosen:
            first, second, h, w, height, width = places[one]
            pairs.append(
                Pair(new((h, w), int8, data, first), new((height, width), int8, data, second))
            )
        return pairs

    def check(self, progress: Callable[[int], None] | None = None) -> None:
        """Check every byte of the file.

        Args:
            progress: A function that is called with the number of bytes checked since its last
                call.

        Raises:
            DataError: Something is damaged; the message says where.
        """
        self._part("originals")
        digest = hashlib.sha256()
        end = int(self._offsets[-1])
        for block in range(len(self._sums)):
            self._check_block(block)
            at = _START_BYTES + block * BLOCK
            digest.update(self._map[at : min(at + BLOCK, end)])
            if progress is not None:
                progress(min(BLOCK, end - at))
        if digest.hexdigest() != self._sha256:
            self._damaged("its records")

    def records_bytes(self) -> int:
        """Return the length of the records, in bytes."""
        return int(self._offsets[-1]) - _START_BYTES

    def _part(self, name: str) -> bytes:
        at, length, checksum = self._parts[name]
        data: bytes = self._map[at : at + length]
        if zlib.crc32(data) != checksum:
            self._damaged(f"its {name}, bytes {at} to {at + length}")
        return data

    def _check_block(self, block: int) -> None:
        at = _START_BYTES + block * BLOCK
        end = min(at + BLOCK, int(self._offsets[-1]))
        if zlib.crc32(self._map[at:end]) != self._sums[block]:
            self._damaged(f"block {block}, bytes {at} to {end}")
        self._unchecked[block] = 0

    def _damaged(self, where: str) -> NoReturn:
        self._refuse(f"damaged, {where}", "another checksum", "what was written there")

    def _refuse(self, what: str, value: object, expected: str) -> NoReturn:
        raise DataError(f"{self.path}: {what}", value=value, expected=expected, next_step=_AGAIN)


def record_of(pairs: Sequence[Pair], where: str) -> bytes:
    """Return the bytes of a task.

    Args:
        pairs: 1 to 255 pairs with known outputs.
        where: What the pairs are, for error messages.

    Raises:
        DataError: A grid is not valid: its sides are not 1 to 30 or its cells not 0 to 9.
    """
    shapes, cells = bytearray(), []
    for number, pair in enumerate(pairs):
        for side, grid in (("input", pair.input), ("output", pair.output)):
            if grid is None or not _is_grid(grid):
                raise DataError(
                    f"{where}, pair {number}, {side}: not a grid",
                    value=None if grid is None else grid.tolist(),
                    expected="sides of 1 to 30 cells, cells 0 to 9",
                    next_step="Correct the source that the pool is built from.",
                )
            shapes += bytes(grid.shape)
            cells.append(grid.astype(np.int8, order="C").tobytes())
    return bytes((len(pairs),)) + bytes(shapes) + b"".join(cells)


def _is_grid(grid: NDArray[Any]) -> bool:
    return (
        grid.ndim == 2
        and grid.dtype.kind in "iu"
        and 1 <= min(grid.shape) <= max(grid.shape) <= 30
        and int(grid.min()) >= 0
        and int(grid.max()) <= 9
    )


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise DataError(
                    f"{path}: not a pool", value=b"", expected="a file with tasks", next_step=_AGAIN
                )
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise DataError(
            f"{path}: no pool can be opened",
            value=error.strerror,
            expected="a file made by `arcflow pool build`",
            next_step="Check the path; relative paths start at the working directory.",
        ) from error


def _reopen(path: Path, digest: str) -> PoolFile:
    """Open a pool as another process gets it, and refuse one that changed since."""
    file = PoolFile(path)
    if file.digest != digest:
        raise DataError(
            f"{path}: another pool lies there now",
            value=file.digest[:12],
            expected=digest[:12],
            next_step="Leave a pool where it is while it is in use; start the run again.",
        )
    return file


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
