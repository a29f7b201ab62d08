"""Detection of training tasks that are evaluated too.

A training task gives an evaluation task away if they share an id, or grids up to turns, flips and
colours.
"""

import logging
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from arcflow.core.errors import DataError
from arcflow.core.family_names import Families
from arcflow.core.grid import Grid
from arcflow.core.likeness import (
    MIN_DETAIL,
    MIN_OUTPUT_DETAIL,
    Figure,
    FigureIndex,
    color_counts,
    detail,
    figure_key,
    is_telling,
)
from arcflow.core.printable import printable
from arcflow.core.task import Task

_log = logging.getLogger(__name__)

Reason = Literal[
    "same id",
    "same pair up to turns and colours",
    "same test input up to turns and colours",
    "same pair with input and output exchanged",
    "test output as an input",
    "test output as an output",
    "test input as an output",
    "same family",
]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A training task, the evaluation task that it gives away, and the reason."""

    train_id: str
    evaluation_id: str
    reason: Reason
    train_source: str = ""

    def __str__(self) -> str:
        train_id = printable(self.train_id)
        if self.train_id == self.evaluation_id:
            return f"{train_id} ({self.reason})"
        return f"{train_id} ~ {printable(self.evaluation_id)} ({self.reason})"


class ScreenedTasks(Sequence[Task]):
    """A sequence of training tasks too long to inspect, which can list the likely conflicts."""

    @abstractmethod
    def suspects(self, names: Collection[str], keys: Collection[int]) -> Iterator[Task]:
        """Yield the tasks whose id or grids may match an evaluation task.

        Args:
            names: The ids to look for among each task id's
                :func:`~arcflow.core.family_names.names_in`.
            keys: The keys to look for among each task's :func:`screen_keys`.
        """


class Guarded:
    """The training tasks that :func:`guard` leaves, and what it left out.

    Args:
        train: The training tasks that the guard was given.
        dropped: The training tasks that were left out; ``conflicts`` says why.
        conflicts: The conflicts because of which tasks were left out.
        allowed: The conflicts that were allowed.
    """

    def __init__(
        self,
        train: Sequence[Task],
        dropped: tuple[Task, ...],
        conflicts: tuple[Conflict, ...],
        allowed: tuple[Conflict, ...],
    ) -> None:
        self._train = train
        self.dropped, self.conflicts, self.allowed = dropped, conflicts, allowed

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The training tasks to use, in their order; made at each access, as there may be many."""
        bad = {task.id for task in self.dropped}
        return tuple(task for task in self._train if task.id not in bad)


def find_contamination(train: Iterable[Task], evaluation: Iterable[Task]) -> tuple[Conflict, ...]:
    """Return every couple of a training and an evaluation task of which one gives the other away.

    They do if they have the same id; if any pair of the evaluation task (a train pair, or a test
    pair with a known output) is a pair of the training task; if a test input with at least
    :data:`~arcflow.core.likeness.MIN_DETAIL` cells off its commonest colour is an input of the
    training task; if a pair is one of it with input and output exchanged, or a test input or
    output is in another place of it, where the grids tell
    (:func:`~arcflow.core.likeness.is_telling`); or if their ids say that one is a variation of the
    other, or of its twin (:data:`~arcflow.core.family_names.TWINS`). Grids are the same if one of
    the eight turns and flips together with one exchange of colours, the same for input and output,
    leads from one to the other.

    Args:
        train: The training tasks, iterated over once.
        evaluation: The evaluation tasks, iterated over once.

    Returns:
        One conflict for each couple, with the first reason in the order above, in the order of the
        training tasks.
    """
    return tuple(conflict for _, found in _conflicts(train, evaluation) for conflict in found)


def _conflicts(
    train: Iterable[Task], evaluation: Iterable[Task]
) -> Iterator[tuple[Task, list[Conflict]]]:
    """Yield each training task that has conflicts, with these."""
    evaluated, families, grids = set[str](), Families(), _EvaluatedGrids()
    for task in evaluation:
        evaluated.add(task.id)
        families.add(task.id)
        grids.add(task)
    if isinstance(train, ScreenedTasks):
        train = train.suspects(families.names, grids.keys)
    for task in train:
        found: dict[str, Conflict] = {}
        if task.id in evaluated:
            found[task.id] = Conflict(task.id, task.id, "same id", task.source)
        for reason, other in grids.find(task):
            found.setdefault(other, Conflict(task.id, other, reason, task.source))
        for other in families.find(task.id):
            found.setdefault(other, Conflict(task.id, other, "same family", task.source))
        if found:
            yield task, list(found.values())


class _EvaluatedGrids:
    """The pairs and test grids of evaluation tasks, each in the places where it gives one away.

    Attributes:
        keys: The keys, among a training task's :func:`screen_keys`, of tasks to be looked at.
    """

    def __init__(self) -> None:
        self.keys = set[int]()
        self._indexes: dict[Reason, FigureIndex] = {reason: FigureIndex() for reason in _PLACES}

    def add(self, task: Task) -> None:
        """Add an evaluation task."""
        for pair in (*task.train, *task.test):
            if pair.output is None:
                continue
            self._add(task, "same pair up to turns and colours", pair.input, pair.output)
            if detail(pair.input) + detail(pair.output) >= MIN_DETAIL:
                self._add(
                    task, "same pair with input and output exchanged", pair.output, pair.input
                )
        for pair in task.test:
            if detail(pair.input) >= MIN_DETAIL:
                self._add(task, "same test input up to turns and colours", pair.input)
            if is_telling(pair.input):
                self._add(task, "test input as an output", pair.input)
            if pair.output is not None and is_telling(pair.output):
                self._add(task, "test output as an input", pair.output)
                if is_telling(pair.output, MIN_OUTPUT_DETAIL):
                    self._add(task, "test output as an output", pair.output)

    def _add(self, task: Task, reason: Reason, *figure: Grid) -> None:
        self._indexes[reason].add(figure, task.id)
        self.keys.add(figure_key(figure))

    def find(self, task: Task) -> Iterator[tuple[Reason, str]]:
        """Yield why a training task gives evaluation tasks away, and the ids of these."""
        if self.keys.isdisjoint(screen_keys(task)):
            return
        pairs = (*task.train, *task.test)
        figures: dict[str, list[Figure]] = {
            "pairs": [(pair.input, pair.output) for pair in pairs if pair.output is not None],
            "inputs": [(pair.input,) for pair in pairs],
            "outputs": [(pair.output,) for pair in pairs if pair.output is not None],
        }
        for reason, place in _PLACES.items():
            for figure in figures[place]:
                for other in self._indexes[reason].find(figure):
                    yield reason, other


_PLACES: dict[Reason, Literal["pairs", "inputs", "outputs"]] = {
    "same pair up to turns and colours": "pairs",
    "same test input up to turns and colours": "inputs",
    "same pair with input and output exchanged": "pairs",
    "test output as an input": "inputs",
    "test output as an output": "outputs",
    "test input as an output": "outputs",
}
"""Where in a training task each is looked for."""


def screen_keys(task: Task) -> list[int]:
    """Return 32-bit keys that tell which tasks' grids need to be compared in full.

    Tasks that share a pair, in whichever direction, or a telling grid, up to turns and colours
    share a key; others seldom do.
    """
    keys = []
    for pair in (*task.train, *task.test):
        counts = color_counts(pair.input)  # once, as counting is half of the guard's time
        if pair.input.size - max(counts) >= MIN_DETAIL:
            keys.append(figure_key((pair.input,), [counts]))
        if pair.output is not None:
            after = color_counts(pair.output)
            keys.append(figure_key((pair.input, pair.output), [counts, after]))
            if pair.output.size - max(after) >= MIN_DETAIL:
                keys.append(figure_key((pair.output,), [after]))
    return keys


def guard(
    train: Sequence[Task],
    evaluation: Iterable[Task],
    allow: Collection[str] = (),
    on_conflict: Literal["drop", "refuse", "allow"] = "drop",
) -> Guarded:
    """Return the training tasks without evaluated ones, and log a warning that says what was done.

    Args:
        train: The tasks to learn from.
        evaluation: The tasks to be answered.
        allow: What may stay by name: ids of training or of evaluation tasks, or sources of training
            tasks such as ``"arc-agi-2/training"``.
        on_conflict: "drop" leaves such a training task out, "refuse" raises, "allow" keeps it.

    Raises:
        DataError: Conflicts are refused, or no task is left to train on.
    """
    acted: list[Conflict] = []
    allowed: list[Conflict] = []
    suspects: list[Task] = []
    for task, conflicts in _conflicts(train, evaluation):
        suspects.append(task)
        for conflict in conflicts:
            names = (conflict.train_id, conflict.evaluation_id, conflict.train_source)
            free = on_conflict == "allow" or any(name and name in allow for name in names)
            (allowed if free else acted).append(conflict)
    bad = {conflict.train_id for conflict in acted}
    if acted and on_conflict == "refuse":
        raise DataError(
            f"training tasks that are evaluated too: {len(bad)} of {len(train)}",
            value=_listed(acted),
            expected="training tasks that share no id and no grids with the evaluation tasks",
            next_step="Set contamination to 'drop' to leave them out, choose other tasks, or "
            "allow them by name.",
        )
    dropped = tuple(task for task in suspects if task.id in bad)
    if acted and len(dropped) == len(train):
        raise DataError(
            f"training tasks that are evaluated too: all {len(train)}",
            value=_listed(acted),
            expected="at least one training task that is not evaluated",
            next_step="Choose other training or evaluation tasks, or allow them by name.",
        )
    if acted:
        _log.warning(
            "Left out of training, because evaluated too: %d of %d tasks: %s.",
            len(bad),
            len(train),
            _listed(acted),
        )
    if allowed:
        _log.warning(
            "Kept in training, as allowed, although evaluated too: %d of %d tasks: %s. "
            "Their scores say nothing about new tasks.",
            len({conflict.train_id for conflict in allowed}),
            len(train),
            _listed(allowed),
        )
    return Guarded(train, dropped, tuple(acted), tuple(allowed))


def _listed(conflicts: Sequence[Conflict], most: int = 3) -> str:
    """Return the first conflicts in words, those of different ids first, as they surprise most."""
    ordered = sorted(conflicts, key=lambda conflict: conflict.reason == "same id")
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return "; ".join(map(str, ordered[:most])) + more
