"""JsonLines: a source that reads single tasks from a file too large to be held in memory."""

import hashlib
import logging
from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.seeds import rng
from arcflow.core.task import Task
from arcflow.sources.base import Passes, Source
from arcflow.sources.files.line_index import LineFile
from arcflow.sources.files.read import read_line
from arcflow.sources.files.scan import FileScan, LineTasks, survey
from arcflow.sources.files.text import stem_of

_log = logging.getLogger(__name__)


class JsonLines(Source):
    """Tasks or rows of examples, one on each line of a file, of which every pass gives each once.

    Opening the file finds where its lines begin, which takes seconds for gigabytes. What needs all
    tasks (the guard, a selection) reads each line once and keeps what it found in
    ``.NAME.survey.npz`` beside the file, so that the next time takes seconds too.

    Args:
        path: An uncompressed file. Each line is ``{"examples": [[input, output], ...], "source":
            program}``, as in BARC's rows, or ``{"train": ..., "test": ...}``, and may have an id
            under "id", "task_id", "uid" or "name".
        pairs: The number of train pairs of a task, at least 1, and one more as its test pair,
            chosen anew from the task's pairs each time; or "all", as the line has them, with the
            last of examples as the test pair.
        strict: Whether a line that cannot be read is an error; otherwise it is named in a warning
            and left out.
        duplicates: Whether an id that occurs on two lines is an error ("refuse"), found when all
            lines are read, or its first line is taken ("first").

    Raises:
        DataError: The file is missing or has no lines.
        ConfigError: ``pairs`` is out of its range.
    """

    def __init__(
        self,
        path: str,
        pairs: int | Literal["all"] = "all",
        strict: bool = False,
        duplicates: Literal["refuse", "first"] = "refuse",
    ) -> None:
        if pairs != "all" and pairs < 1:
            raise ConfigError(
                "JSON lines: bad pairs",
                value=pairs,
                expected="at least 1, or all",
                next_step="Correct pairs, or leave it out.",
            )
        self._lines = LineFile(path)
        self.name = stem_of(self._lines.path)
        self._pairs, self._strict, self._duplicates = pairs, strict, duplicates
        self._survey: FileScan | None = None
        self._keep(range(len(self._lines)))
        if duplicates == "first":
            repeated = set(_repeated(self.survey().ids))
            self._keep([i for i in range(len(self._lines)) if i not in repeated])

    def _keep(self, lines: Sequence[int]) -> None:
        self._kept = np.array(lines, np.int64)
        self._passes = Passes(max(1, len(lines)))

    def __len__(self) -> int:
        return len(self._kept)

    def task(self, seed: int, index: int) -> Task:
        """Return the task of a line, or of the next readable line if this one cannot be read.

        Raises:
            DataError: The line cannot be read and ``strict`` is set, or no line can be read.
        """
        place = self._passes.at(seed, index)
        first: DataError | None = None
        for ahead in range(len(self)):
            line = int(self._kept[(place + ahead) % len(self)])
            try:
                return self._chosen(self._read(line), seed, index)
            except DataError as error:
                if self._strict:
                    raise
                first = first or error
        raise first or _nothing_left(self.name)

    def _read(self, line: int) -> Task:
        return read_line(self._lines[line], self._lines.path, int(self._lines.numbers[line]))

    def _chosen(self, task: Task, seed: int, index: int) -> Task:
        if self._pairs == "all":
            return task
        known = [pair for pair in (*task.train, *task.test) if pair.output is not None]
        if len(known) < 2:
            return task
        order = rng(seed, "lines", index).permutation(len(known))[: self._pairs + 1]
        pairs = [known[i] for i in order.tolist()]
        return Task(task.id, tuple(pairs[:-1]), tuple(pairs[-1:]), task.source, task.code)

    def base_tasks(self) -> LineTasks:
        """Return all tasks in use, each read when it is accessed, and warn of unreadable lines.

        Raises:
            DataError: No line can be read, or one cannot and ``strict`` is set.
        """
        return LineTasks(self._lines, self._kept.tolist(), self.survey())

    def survey(self) -> FileScan:
        """Return what is known of each line, reading the whole file if that was never done.

        Raises:
            DataError: No line can be read, one cannot and ``strict`` is set, or an id occurs twice
                and ``duplicates`` is not "first".
        """
        if self._survey is None:
            self._survey = found = survey(self._lines)
            if self._duplicates == "refuse":
                self._refuse_repeated(found.ids)
            bad = found.unreadable
            if bad and (self._strict or bad == len(found.ids)):
                raise DataError(
                    f"{self._lines.path}: {bad} of {len(found.ids)} lines cannot be read",
                    value=found.errors[0],
                    expected="a task on every line" if self._strict else "tasks",
                    next_step="Correct the file"
                    + (", or leave strict out." if self._strict else "."),
                )
            if bad:
                _log.warning(
                    "Left out, because they cannot be read: %d of %d lines of %s. The others are "
                    "used. %s",
                    bad,
                    len(found.ids),
                    self._lines.path,
                    " ".join(found.errors),
                )
        return self._survey

    def _refuse_repeated(self, ids: Sequence[str]) -> None:
        repeated = _repeated(ids)
        if repeated:
            line = repeated[0]
            first = self._lines.numbers[ids.index(ids[line])]
            raise DataError(
                f"{self._lines.path}, line {self._lines.numbers[line]}: "
                f"an id that line {first} has too",
                value=ids[line],
                expected=f"every id once; {len(repeated)} lines repeat one",
                next_step="Rename or remove one of the two, or set duplicates to 'first' to take "
                "each id from the first line that has it.",
            )

    def exclude(self, ids: Collection[str]) -> "JsonLines":
        """Return the same source without the lines that have these ids."""
        return self._with(set(ids), False)

    def only(self, ids: Collection[str]) -> "JsonLines":
        """Return the same source with only the lines that have these ids."""
        return self._with(set(ids), True)

    def _with(self, ids: set[str], wanted: bool) -> "JsonLines":
        other = JsonLines.__new__(JsonLines)
        other.__dict__.update(self.__dict__)
        if ids or wanted:
            known = self.survey().ids
            other._keep([i for i in self._kept.tolist() if (known[i] in ids) == wanted])
        return other

    def fingerprint(self) -> dict[str, str]:
        """Return digests of the file and of the numbers of the lines in use, and the options."""
        return {
            "lines": self._lines.digest,
            "lines in use": hashlib.sha256(self._kept.tobytes()).hexdigest(),
            "pairs": str(self._pairs),
            "strict": str(self._strict),
        }

    def __getstate__(self) -> dict[str, Any]:
        # A worker reads single lines and does not need the survey of all of them.
        return {**vars(self), "_survey": None}


def _repeated(ids: Sequence[str]) -> list[int]:
    """Return the numbers of the lines whose id an earlier line has."""
    seen, repeated = set[str](), list[int]()
    for i, task_id in enumerate(ids):
        if task_id and task_id in seen:
            repeated.append(i)
        seen.add(task_id)
    return repeated


def _nothing_left(name: str) -> DataError:
    return DataError(
        f"{name}: no task is left",
        value=0,
        expected="at least one task",
        next_step="Loosen the selection of training tasks.",
    )
