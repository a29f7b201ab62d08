"""Training tasks that are evaluated too: the same id, or the same grids turned and recoloured."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import N_COLORS, Grid
from arcflow.core.task import Task

_log = logging.getLogger(__name__)

Reason = Literal[
    "same id", "same pair up to turns and colours", "same test input up to turns and colours"
]

MIN_DETAIL = 8
"""Cells off an input's commonest colour from which it alone, without its output, is telling.

Unrelated published tasks share inputs of at most 6 such cells (tiny shapes, single dots) and
one figure of nested frames; the duplicates' test inputs have 10 and more.
"""

_Figure = tuple[Grid, ...]
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A training task and the evaluation task it gives away."""

    train_id: str
    evaluation_id: str
    reason: Reason
    train_source: str = ""

    def __str__(self) -> str:
        if self.train_id == self.evaluation_id:
            return f"{self.train_id} ({self.reason})"
        return f"{self.train_id} ~ {self.evaluation_id} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Guarded:
    """What :func:`guard` leaves.

    Attributes:
        tasks: the training tasks to use, in their order.
        dropped: the training tasks left out, with ``conflicts`` saying why.
        conflicts: those that led to a drop.
        allowed: those that were let pass.
    """

    tasks: tuple[Task, ...]
    dropped: tuple[Task, ...]
    conflicts: tuple[Conflict, ...]
    allowed: tuple[Conflict, ...]


def find_contamination(train: Iterable[Task], evaluation: Iterable[Task]) -> tuple[Conflict, ...]:
    """Every (training, evaluation) couple of tasks where one gives the other away.

    They do if they have one id; or if any pair of the evaluation task (train, or test with a
    known output) is a pair of the training task; or if a test input with at least
    :data:`MIN_DETAIL` cells off its commonest colour is an input of the training task. Grids
    are the same if one of the eight turns and flips with one exchange of colours, the same for
    input and output, leads from one to the other.

    Returns:
        One conflict a couple, the first reason in the order above; by training task.
    """
    found: dict[tuple[str, str], Conflict] = {}
    train, evaluation = list(train), list(evaluation)
    evaluated = {task.id for task in evaluation}
    pairs, inputs = _Index(), _Index()
    for task in evaluation:
        for pair in _pairs(task):
            pairs.add(pair, task.id)
        for test in task.test:
            if _detail(test.input) >= MIN_DETAIL:
                inputs.add((test.input,), task.id)
    for task in train:
        if task.id in evaluated:
            found[task.id, task.id] = Conflict(task.id, task.id, "same id", task.source)
        same: list[tuple[Reason, _Index, Iterable[_Figure]]] = [
            ("same pair up to turns and colours", pairs, _pairs(task)),
            (
                "same test input up to turns and colours",
                inputs,
                ((pair.input,) for pair in (*task.train, *task.test)),
            ),
        ]
        for reason, index, figures in same:
            for figure in figures:
                for other in index.find(figure):
                    conflict = Conflict(task.id, other, reason, task.source)
                    found.setdefault((task.id, other), conflict)
    return tuple(found.values())


def guard(
    train: Sequence[Task],
    evaluation: Iterable[Task],
    allow: Collection[str] = (),
    on_conflict: Literal["drop", "refuse", "allow"] = "drop",
) -> Guarded:
    """Keep evaluated tasks out of training (law 7), and log a warning that says what was done.

    Args:
        train: tasks to learn from.
        evaluation: tasks to be answered.
        allow: what may stay by name: ids of training or of evaluation tasks, or sources of
            training tasks such as ``"arc-agi-2/training"``.
        on_conflict: "drop" leaves the training tasks out, "refuse" raises, "allow" keeps them.

    Raises:
        DataError: conflicts that are refused, or nothing left to train on.
    """
    acted: list[Conflict] = []
    allowed: list[Conflict] = []
    for conflict in find_contamination(train, evaluation):
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
    kept = tuple(task for task in train if task.id not in bad)
    if acted and not kept:
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
    dropped = tuple(task for task in train if task.id in bad)
    return Guarded(kept, dropped, tuple(acted), tuple(allowed))


def canonical(figure: Sequence[Grid]) -> _Key:
    """A value equal exactly for grids that are equal up to turns, flips and colours.

    Args:
        figure: grids that are turned and recoloured together, e.g. (input, output).

    Each of the eight turns is written as shapes and cells with the colours numbered as they
    appear; the smallest is taken.
    """
    forms = []
    for flip in (False, True):
        for turns in range(4):
            turned = [np.rot90(np.fliplr(grid) if flip else grid, turns) for grid in figure]
            cells = b"".join(grid.tobytes() for grid in turned)
            table = bytearray(256)
            for number, color in enumerate(dict.fromkeys(cells)):
                table[color] = number
            forms.append((*(grid.shape for grid in turned), cells.translate(bytes(table))))
    return min(forms)


class _Index:
    """Figures of evaluation tasks, found again up to turns and colours.

    A cheap invariant sorts out nearly all figures, so that few canonical forms are made.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[_Key, list[tuple[_Figure, str]]] = defaultdict(list)
        self._forms: dict[_Key, dict[_Key, list[str]]] = {}

    def add(self, figure: _Figure, task_id: str) -> None:
        self._waiting[_invariant(figure)].append((figure, task_id))

    def find(self, figure: _Figure) -> Sequence[str]:
        """Ids of the tasks that have ``figure``."""
        key = _invariant(figure)
        if key not in self._waiting:
            return ()
        if key not in self._forms:
            forms: defaultdict[_Key, list[str]] = defaultdict(list)
            for known, task_id in self._waiting[key]:
                forms[canonical(known)].append(task_id)
            self._forms[key] = dict(forms)
        return self._forms[key].get(canonical(figure), ())


def _invariant(figure: _Figure) -> _Key:
    """What no turn and no exchange of colours changes: sides, and cells of each colour."""
    sides = tuple(tuple(sorted(grid.shape)) for grid in figure)
    counts = [_counts(grid) for grid in figure]
    return (sides, tuple(sorted(zip(*counts, strict=True))))


def _counts(grid: Grid) -> list[int]:
    cells = grid.tobytes()
    return [cells.count(color) for color in range(N_COLORS)]


def _detail(grid: Grid) -> int:
    return grid.size - max(_counts(grid))


def _pairs(task: Task) -> Iterator[_Figure]:
    for pair in (*task.train, *task.test):
        if pair.output is not None:
            yield (pair.input, pair.output)


def _listed(conflicts: Sequence[Conflict], most: int = 3) -> str:
    """The first few in words, those with other ids first: they are the least expected."""
    ordered = sorted(conflicts, key=lambda conflict: conflict.reason == "same id")
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return "; ".join(map(str, ordered[:most])) + more
