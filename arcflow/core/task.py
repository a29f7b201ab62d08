"""Pair, Attempt and Task: frozen values; JSON as ARC publishes it."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, make_grid


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An input grid and its output; ``output`` is None where the answer is not known."""

    input: Grid
    output: Grid | None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pair):
            return NotImplemented
        if (self.output is None) != (other.output is None):
            return False
        return np.array_equal(self.input, other.input) and (
            self.output is None or other.output is None or np.array_equal(self.output, other.output)
        )

    def __hash__(self) -> int:
        return hash((self.input.tobytes(), None if self.output is None else self.output.tobytes()))


@dataclass(frozen=True, slots=True)
class FailedProgram:
    """A program that does not solve its task.

    Attributes:
        code: the program's text.
        feedback: what is wrong with it, in words: an error, or the cells that differ.
    """

    code: str
    feedback: str


@dataclass(frozen=True, slots=True)
class Task:
    """One ARC task.

    Attributes:
        id: unique within a source, e.g. ``"00d62c1b"``; a variation's is ``"family/variation"``,
            e.g. ``"00d62c1b/3"``.
        train: the demonstration pairs, outputs known.
        test: the pairs to solve; outputs None where they are hidden.
        source: where the task came from, e.g. ``"arc-agi-1/training"``.
        code: a program that solves it, where one is known: a text that defines ``task(grid)``.
        attempt: a program that was to solve it and does not, where one is to be corrected.
    """

    id: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    source: str = ""
    code: str | None = None
    attempt: FailedProgram | None = None

    @property
    def family(self) -> str:
        """What its variations have in common, see :func:`family_of`."""
        return family_of(self.id)

    def grids(self) -> Iterator[Grid]:
        """Every known grid: train pairs first, input before output."""
        for pair in (*self.train, *self.test):
            yield pair.input
            if pair.output is not None:
                yield pair.output

    def without_answers(self) -> "Task":
        """The same task with every test output hidden, and the program that would make them.

        Law 7: answers are never in reach.
        """
        test = tuple(Pair(pair.input, None) for pair in self.test)
        return replace(self, test=test, code=None, attempt=None)

    def to_json(self) -> dict[str, Any]:
        """``{"train": [{"input", "output"}], "test": [...]}``; hidden outputs are left out."""

        def pairs(of: tuple[Pair, ...]) -> list[dict[str, Any]]:
            return [
                {"input": p.input.tolist()}
                | ({} if p.output is None else {"output": p.output.tolist()})
                for p in of
            ]

        return {"train": pairs(self.train), "test": pairs(self.test)}


def family_of(task_id: str) -> str:
    """The part of an id before its first ``/``; all of it where there is none, or nothing before.

    Tasks of one family are variations of each other and stay on one side of every split.
    """
    return task_id.partition("/")[0] or task_id


def task_from_json(task_id: str, obj: object, source: str = "") -> Task:
    """Read one task in ARC's JSON form.

    Args:
        task_id: the id the task gets.
        obj: ``{"train": [{"input": rows, "output": rows}], "test": [{"input": rows}]}``;
            test outputs may be missing.
        source: recorded on the task.

    Raises:
        DataError: missing keys, wrong types or bad grids, naming task and pair.
    """
    if not isinstance(obj, Mapping):
        raise DataError(
            f"task {task_id}: wrong type",
            value=type(obj).__name__,
            expected="an object with keys 'train' and 'test'",
            next_step="Check that the file holds ARC tasks.",
        )
    for key in ("train", "test"):
        if key not in obj:
            raise DataError(
                f"task {task_id}: missing key {key!r}",
                value=sorted(map(str, obj)),
                expected="keys 'train' and 'test'",
                next_step="Check that the file holds ARC tasks.",
            )
    return Task(
        id=task_id,
        train=_pairs(task_id, "train", obj["train"], need_output=True),
        test=_pairs(task_id, "test", obj["test"], need_output=False),
        source=source,
    )


def _pairs(task_id: str, part: str, obj: object, need_output: bool) -> tuple[Pair, ...]:
    if not isinstance(obj, list) or not obj:
        raise DataError(
            f"task {task_id}: bad list of {part} pairs",
            value=obj,
            expected="a list of at least one pair",
            next_step="Check the task in its file.",
        )
    pairs = []
    for i, item in enumerate(obj):
        where = f"task {task_id}, {part} pair {i}"
        needed = ("input", "output") if need_output else ("input",)
        if not isinstance(item, Mapping) or any(key not in item for key in needed):
            raise DataError(
                f"{where}: incomplete pair",
                value=sorted(map(str, item)) if isinstance(item, Mapping) else item,
                expected=f"an object with {' and '.join(map(repr, needed))}",
                next_step="Check the task in its file.",
            )
        output = item.get("output")
        pairs.append(
            Pair(
                make_grid(item["input"], f"{where}, input"),
                None if output is None else make_grid(output, f"{where}, output"),
            )
        )
    return tuple(pairs)


def task_key(task: Task) -> int:
    """Return a number that seeds draws which belong to ``task``: the crc32 of its id."""
    return zlib.crc32(task.id.encode())
