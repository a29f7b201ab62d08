"""The survey of a large file: what one reading finds about each line, stored beside the file."""

import contextlib
import io
import json
import logging
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from arcflow.core.contamination import ScreenedTasks, screen_keys
from arcflow.core.errors import DataError
from arcflow.core.family_names import names_in
from arcflow.core.files import write_whole
from arcflow.core.task import Task
from arcflow.sources.files.line_index import LineFile
from arcflow.sources.files.read import read_line

_log = logging.getLogger(__name__)

VERSION = 3
"""The version of the stored survey, to be raised when lines are read or screened differently."""


@dataclass(frozen=True)
class FileScan:
    """What is known of each of a file's n lines.

    Attributes:
        ids: The id of each line's task, "" if the line cannot be read.
        sides: The longest side of each task in cells, 0 if the line cannot be read, of shape (n,).
        keys: The screening keys of all tasks, one task after the other, of shape (k,), uint32.
        owners: The line that each key belongs to, of shape (k,).
        errors: What is wrong with the first few lines that cannot be read.
    """

    ids: tuple[str, ...]
    sides: NDArray[np.uint8]
    keys: NDArray[np.uint32]
    owners: NDArray[np.int32]
    errors: tuple[str, ...]

    @property
    def unreadable(self) -> int:
        """The number of lines that cannot be read."""
        return int((self.sides == 0).sum())


def survey(lines: LineFile) -> FileScan:
    """Return what is known of each line: read every line once, or load an earlier survey.

    The survey is stored beside the file if the folder can be written to.
    """
    kept = lines.path.with_name(f".{lines.path.name}.survey.npz")
    found = _load(kept, lines.digest)
    if found is None:
        _log.info("Reading %d lines of %s, once.", len(lines), lines.path)
        found = _read(lines)
        # If the folder cannot be written to, the file is merely read again the next time.
        with contextlib.suppress(OSError):
            _save(kept, lines.digest, found)
    return found


def _read(lines: LineFile) -> FileScan:
    ids, errors = list[str](), list[str]()
    sides = np.zeros(len(lines), np.uint8)
    keys, owners = list[int](), list[int]()
    for i, line in enumerate(lines):
        try:
            task = read_line(line, lines.path, int(lines.numbers[i]))
        except DataError as error:
            ids.append("")
            if len(errors) < 3:
                errors.append(str(error))
            continue
        ids.append(task.id)
        sides[i] = max(max(grid.shape) for grid in task.grids())
        found = screen_keys(task)
        keys.extend(found)
        owners.extend([i] * len(found))
    return FileScan(
        tuple(ids), sides, np.array(keys, np.uint32), np.array(owners, np.int32), tuple(errors)
    )


def _save(path: Path, digest: str, found: FileScan) -> None:
    out = io.BytesIO()
    np.savez(
        out,
        text=np.frombuffer(json.dumps([VERSION, digest, found.ids, found.errors]).encode(), "u1"),
        sides=found.sides,
        keys=found.keys,
        owners=found.owners,
    )
    write_whole(path, out.getvalue())


def _load(path: Path, digest: str) -> FileScan | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            version, of, ids, errors = json.loads(kept["text"].tobytes())
            if (version, of) != (VERSION, digest):
                return None
            return FileScan(tuple(ids), kept["sides"], kept["keys"], kept["owners"], tuple(errors))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # a missing or damaged survey is made again


class LineTasks(ScreenedTasks):
    """The tasks of some lines, each read when it is accessed, without unreadable lines.

    Args:
        lines: The file.
        chosen: The numbers of the lines.
        found: The file's survey.
    """

    def __init__(self, lines: LineFile, chosen: Sequence[int], found: FileScan) -> None:
        self._lines, self._survey = lines, found
        self._chosen = [i for i in chosen if found.ids[i]]

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        if isinstance(index, slice):
            return LineTasks(self._lines, self._chosen[index], self._survey)
        return self._task(self._chosen[index])

    def __iter__(self) -> Iterator[Task]:
        return map(self._task, self._chosen)

    def suspects(self, names: Collection[str], keys: Collection[int]) -> Iterator[Task]:
        """Yield the tasks with one of these names in their id, or with one of these keys.

        Args:
            names: The ids to look for among :func:`~arcflow.core.family_names.names_in`.
            keys: The keys to look for among :func:`~arcflow.core.contamination.screen_keys`.
        """
        hit = np.isin(self._survey.keys, np.fromiter(keys, np.uint32, len(keys)))
        lines = set(self._survey.owners[hit].tolist())
        wanted = frozenset(names)
        for i in self._chosen:
            if i in lines or not wanted.isdisjoint(names_in(self._survey.ids[i])):
                yield self._task(i)

    def _task(self, line: int) -> Task:
        return read_line(self._lines[line], self._lines.path, int(self._lines.numbers[line]))
