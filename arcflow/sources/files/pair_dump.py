"""PairDump: a source of new prompts made of stored pairs by task, as RE-ARC dumps them."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import ConfigError, DataError, located
from arcflow.core.grid import freeze
from arcflow.core.json_file import read_bytes
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.sources.base import Passes, Source
from arcflow.sources.files.formats import read_pair, recognise
from arcflow.sources.files.read import find_files, name_files, read_rows, report_unreadable
from arcflow.sources.files.rows import group_pairs
from arcflow.sources.files.text import LINES, lines_of, read_text, read_value, stem_of


class PairDump(Source):
    """Tasks with many stored pairs, of which each prompt shows some in a random order.

    Every pass gives each task once. Grids are held in memory at one byte for each cell.

    Args:
        path: A file ``{id: [pair, ...]}``, a file ``[pair, ...]`` or of a pair a line, or a folder
            of these, as RE-ARC's ``tasks``; a pair is ``{"input": rows, "output": rows}``, and if
            it has a "task_id", "id" or "name", it belongs to the task of that id.
        pairs: The number of train pairs of a task, at least 1, and one more as its test pair; a
            task that has fewer gives those it has.
        strict: Whether a file or a pair that cannot be read is an error; otherwise it is named in a
            warning and left out.

    Raises:
        DataError: The file or folder is missing, or nothing in it can be read.
        ConfigError: ``pairs`` is out of its range.
    """

    def __init__(self, path: str, pairs: int = 3, strict: bool = False) -> None:
        if pairs < 1:
            raise ConfigError(
                "pair dump: bad pairs",
                value=pairs,
                expected="at least 1",
                next_step="Correct pairs, or leave it out.",
            )
        self.name, self._path, self._pairs = stem_of(Path(path)), str(path), pairs
        self._stored, self._digest = _read(Path(path), strict)
        self._keep(sorted(self._stored))

    def _keep(self, ids: Sequence[str]) -> None:
        self._ids = tuple(ids)
        self._passes = Passes(max(1, len(ids)))

    def __len__(self) -> int:
        return len(self._ids)

    def task(self, seed: int, index: int) -> Task:
        """Return some pairs of one task as a task, whose id is the stored one's with ``/index``.

        Raises:
            DataError: The source has no task.
        """
        if not self._ids:
            raise DataError(
                f"{self.name}: no task is left",
                value=0,
                expected="at least one task",
                next_step="Loosen the selection of training tasks.",
            )
        family = self._ids[self._passes.at(seed, index)]
        stored = self._stored[family]
        order = rng(seed, "dump", index).permutation(len(stored))[: self._pairs + 1]
        pairs = [stored.pair(i) for i in order.tolist()]
        return Task(f"{family}/{index}", tuple(pairs[:-1]), tuple(pairs[-1:]), self._path)

    def base_tasks(self) -> Sequence[Task]:
        """Return each task with all its stored pairs, as any of them may be in a prompt."""
        return _Whole(self._ids, self._stored, self._path)

    def exclude(self, ids: Collection[str]) -> "PairDump":
        """Return the same source without these tasks."""
        return self.only(set(self._ids) - set(ids))

    def only(self, ids: Collection[str]) -> "PairDump":
        """Return the same source with only these tasks."""
        other = PairDump.__new__(PairDump)
        other.__dict__.update(self.__dict__)
        other._keep([task_id for task_id in self._ids if task_id in ids])
        return other

    def fingerprint(self) -> dict[str, str]:
        """Return digests of the files and of the tasks in use, and the number of pairs."""
        return {
            "dump": self._digest,
            "tasks": hashlib.sha256(repr(self._ids).encode()).hexdigest(),
            "pairs": str(self._pairs),
        }


class _Stored:
    """The pairs of one task, with the cells of all grids in one array."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        grids = [g for pair in pairs for g in (pair.input, pair.output) if g is not None]
        shapes = np.array([grid.shape for grid in grids], np.int64)
        self._shapes: NDArray[np.uint8] = shapes.astype(np.uint8)
        self._starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(shapes.prod(1))])
        self._cells = freeze(np.concatenate([grid.ravel() for grid in grids]))

    def __len__(self) -> int:
        return len(self._shapes) // 2

    def pair(self, i: int) -> Pair:
        """Return a pair whose grids are views of the stored cells."""
        first, second = (
            self._cells[self._starts[k] : self._starts[k + 1]].reshape(self._shapes[k].tolist())
            for k in (2 * i, 2 * i + 1)
        )
        return Pair(first, second)


class _Whole(Sequence[Task]):
    """The tasks of a dump with all their pairs, each made when it is accessed."""

    def __init__(self, ids: Sequence[str], stored: Mapping[str, _Stored], source: str) -> None:
        self._ids, self._stored, self._source = ids, stored, source

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Whole(self._ids[index], self._stored, self._source)
        stored = self._stored[self._ids[index]]
        pairs = [stored.pair(i) for i in range(len(stored))]
        return Task(self._ids[index], tuple(pairs[:-1]), tuple(pairs[-1:]), self._source)

    def __iter__(self) -> Iterator[Task]:
        return (self[i] for i in range(len(self)))


def _read(path: Path, strict: bool) -> tuple[dict[str, _Stored], str]:
    """Return the pairs by task, and a digest of the files."""
    files = name_files(find_files(path), path) if path.is_dir() else [(path, stem_of(path))]
    digest, stored = hashlib.sha256(), dict[str, _Stored]()
    bad_tasks, bad_pairs, n_pairs = list[DataError](), list[DataError](), 0
    for file, task_id, items in _lists(files, digest, strict):
        try:
            if isinstance(items, DataError):
                raise items
            good, wrong = _pairs(items, f"{file}: task {task_id}")
            if wrong and (strict or len(good) < 2):
                raise wrong[0]
            if len(good) < 2 or task_id in stored:
                raise _no_use(file, task_id, task_id in stored)
        except DataError as error:
            if strict:
                raise
            bad_tasks.append(error)
            continue
        n_pairs += len(items)
        bad_pairs += wrong
        stored[task_id] = _Stored(good)
    report_unreadable(bad_tasks, len(bad_tasks) + len(stored), f"tasks in {path}")
    report_unreadable(bad_pairs, n_pairs, f"pairs in {path}")
    return stored, digest.hexdigest()


def _lists(
    files: Sequence[tuple[Path, str]], digest: "hashlib._Hash", strict: bool
) -> Iterator[tuple[Path, str, list[object] | DataError]]:
    """Yield each task's list of pairs, or why it has none, and add the files to ``digest``."""
    for file, name in files:
        try:
            digest.update(name.encode() + b"\0" + read_bytes(file))
            lists = _by_id(file, name, strict)
        except DataError as error:
            yield file, name, error
            continue
        for task_id, items in lists.items():
            if isinstance(items, list) and recognise(items) == "pairs":
                yield file, task_id, items
            else:
                yield file, task_id, _no_pairs(file, task_id, items)


def _by_id(file: Path, name: str, strict: bool) -> dict[str, object]:
    """Return what a file holds for each task: a list of pairs, if the file is a dump.

    Raises:
        DataError: The file cannot be read, or is one of a task.
    """
    if file.name.endswith(LINES):
        value: object = read_rows(lines_of(read_text(file)), file, strict)
    else:
        value = read_value(file)
    if recognise(value) == "task":
        raise DataError(
            f"{file}: one task, not pairs by task",
            value=sorted(value) if isinstance(value, dict) else None,
            expected='{"task id": [{"input": rows, "output": rows}, ...]}, or such a list',
            next_step="Set format to 'task' or 'auto', or name a file of pairs.",
        )
    if isinstance(value, list) and recognise(value) == "pairs":
        with located(str(file)):
            return dict(group_pairs(value, name))
    return value if isinstance(value, dict) and value else {name: value}


def _no_pairs(file: Path, task_id: str, items: object) -> DataError:
    return DataError(
        f"{file}: task {task_id}: no pairs",
        value=list(items)[:5] if isinstance(items, dict) else type(items).__name__,
        expected='a list [{"input": rows, "output": rows}, ...]',
        next_step="Name RE-ARC's folder tasks, or a file of pairs.",
    )


def _pairs(items: Sequence[object], where: str) -> tuple[list[Pair], list[DataError]]:
    good, bad = list[Pair](), list[DataError]()
    for i, item in enumerate(items):
        try:
            good.append(read_pair(item, f"{where}, pair {i}"))
        except DataError as error:
            bad.append(error)
    return good, bad


def _no_use(file: Path, task_id: str, twice: bool) -> DataError:
    return DataError(
        f"{file}: task {task_id}: {'in another file too' if twice else 'too few pairs'}",
        value=task_id,
        expected="every task once" if twice else "at least 2 pairs",
        next_step="Leave the file out.",
    )
