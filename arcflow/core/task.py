"""The frozen types Pair, FailedProgram and Task, and ARC's JSON form of a task."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, make_grid


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An input grid and its output, which is None if the answer is not known."""

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
        code: The program's text.
        feedback: What is wrong with the program, in words: an error, or the cells that differ.
    """

    code: str
    feedback: str


@dataclass(frozen=True, slots=True)
class Task:
    """One ARC task.

    Attributes:
        id: The id, unique within a source, e.g. ``"00d62c1b"``; that of a variation is
            ``"family/variation"``, e.g. ``"00d62c1b/3"``.
        train: The demonstration pairs, with known outputs.
        test: The pairs to solve, whose output is None if it is hidden.
        source: The source of the task, e.g. ``"arc-agi-1/training"``.
        code: The text of a program that solves the task, if one is known; it defines
            ``task(grid)``.
        attempt: A program that fails the task, if the task is to correct one.
        proposals: Outputs that are proposed for a test input, each with that input, if the task is
            to judge them.
    """

    id: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    source: str = ""
    code: str | None = None
    attempt: FailedProgram | None = None
    proposals: tuple[Pair, ...] = ()

    @property
    def family(self) -> str:
        """The id that all variations of the task have in common; see :func:`family_of`."""
        return family_of(self.id)

    def grids(self) -> Iterator[Grid]:
        """Yield every known grid: train pairs first, and input before output."""
        for pair in (*self.train, *self.test):
            yield pair.input
            if pair.output is not None:
                yield pair.output

    def without_answers(self) -> "Task":
        """Return the same task without test outputs and without what would tell them.

        That is, without its programs and without outputs that are proposed.

        Whatever makes prompts, views or adapters gets a task without answers.
        """
        test = tuple(Pair(pair.input, None) for pair in self.test)
        return replace(self, test=test, code=None, attempt=None, proposals=())

    def to_json(self) -> dict[str, Any]:
        """Return ``{"train": [{"input", "output"}], "test": [...]}`` without the hidden outputs."""

        def pairs(of: tuple[Pair, ...]) -> list[dict[str, Any]]:
            return [
                {"input": p.input.tolist()}
                | ({} if p.output is None else {"output": p.output.tolist()})
                for p in of
            ]

        return {"train": pairs(self.train), "test": pairs(self.test)}


def family_of(task_id: str) -> str:
    """Return the part of an id before its first ``/``, or the whole id if that part is empty.

    Tasks of one family are variations of each other and stay on one side of every split.
    """
    return task_id.partition("/")[0] or task_id


def task_from_json(task_id: str, obj: object, source: str = "") -> Task:
    """Return the task that JSON in ARC's form describes.

    Args:
        task_id: The id that the task gets.
        obj: ``{"train": [{"input": rows, "output": rows}], "test": [{"input": rows}]}``; test
            outputs may be missing.
        source: The source to record on the task.

    Raises:
        DataError: A key is missing, a type is wrong or a grid is bad; the message names task and
            pair.
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
    """Return the crc32 of the task's id, an index for random numbers that belong to the task."""
    return zlib.crc32(task.id.encode())
