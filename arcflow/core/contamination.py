"""Detection of training tasks that are evaluated too.

A training task gives an evaluation task away if they share an id, or grids up to turns, flips and
colours.
"""

import logging
import re
import zlib
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import N_COLORS, Grid
from arcflow.core.printable import printable
from arcflow.core.task import Task, family_of

_log = logging.getLogger(__name__)

Reason = Literal[
    "same id",
    "same pair up to turns and colours",
    "same test input up to turns and colours",
    "same family",
]

TWINS = (
    ("070dd51e", "40853293"),
    ("50a16a69", "caa06a1f"),
    ("55783887", "db695cfb"),
    ("27a28665", "44f52bb0"),
    ("8be77c9e", "c9e6f938"),
)
"""Pairs of published tasks that follow one rule up to turns and colours.

A variation of one of them counts as a variation of the other.
"""

MIN_DETAIL = 8
"""The number of cells off an input's commonest colour from which the input alone identifies a task.

Unrelated published tasks share inputs of at most 6 such cells (tiny shapes, single dots) and one
figure of nested frames; the duplicates' test inputs have 10 and more.
"""

_Figure = tuple[Grid, ...]
_Key = tuple[object, ...]


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
            names: The ids to look for among the :func:`names_in` each task's id.
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
    :data:`MIN_DETAIL` cells off its commonest colour is an input of the training task; or if their
    ids say that one is a variation of the other, or of its twin (:data:`TWINS`). Grids are the same
    if one of the eight turns and flips together with one exchange of colours, the same for input
    and output, leads from one to the other.

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
    pairs, inputs, families = _Index(), _Index(), _Families()
    evaluated, keys = set[str](), set[int]()
    for task in evaluation:
        evaluated.add(task.id)
        families.add(task.id)
        for pair in _pairs(task):
            pairs.add(pair, task.id)
            keys.add(_key(b"pair", pair))
        for test in task.test:
            if _detail(test.input) >= MIN_DETAIL:
                inputs.add((test.input,), task.id)
                keys.add(_key(b"input", (test.input,)))
    if isinstance(train, ScreenedTasks):
        train = train.suspects(families.names, keys)
    for task in train:
        found: dict[str, Conflict] = {}
        if task.id in evaluated:
            found[task.id] = Conflict(task.id, task.id, "same id", task.source)
        same: list[tuple[Reason, _Index, Iterable[_Figure]]] = [
            ("same pair up to turns and colours", pairs, _pairs(task)),
            (
                "same test input up to turns and colours",
                inputs,
                ((pair.input,) for pair in (*task.train, *task.test)),
            ),
        ]
        if keys.isdisjoint(screen_keys(task)):
            same = []
        for reason, index, figures in same:
            for figure in figures:
                for other in index.find(figure):
                    found.setdefault(other, Conflict(task.id, other, reason, task.source))
        for other in families.find(task.id):
            found.setdefault(other, Conflict(task.id, other, "same family", task.source))
        if found:
            yield task, list(found.values())


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


_PUBLISHED = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{8}(?![0-9A-Za-z])")
_NUMBERED = re.compile(r"(.+?)[-_.](?:v|var|aug|copy)?[0-9]+")


def names_in(task_id: str) -> set[str]:
    """Return the ids of the tasks that a task's own id suggests it may be a variation of.

    For ``"a/b/3"`` these are the id itself, ``"a/b"`` and ``"a"``. Further ones are the part after
    the last ``/``, if it is more than a number; ``"a"`` for ids such as ``"a_v2"``, ``"a-3"`` or
    ``"a.1"``; and a published task's id (eight hexadecimal digits) anywhere, as in
    ``"re-arc-00d62c1b-17"``.
    """
    return _family_names(task_id) | _loose_names(task_id)


def _family_names(task_id: str) -> set[str]:
    """Return the related ids that cannot be a chance likeness."""
    found = {task_id, family_of(task_id), *_PUBLISHED.findall(task_id)}
    if "/" in task_id[1:]:
        parts = task_id.split("/")
        found.update("/".join(parts[:n]) for n in range(2, len(parts)))
    return found


def _loose_names(task_id: str) -> set[str]:
    """Return the ids that are related only if the other task's whole id is exactly this."""
    found = set()
    numbered = _NUMBERED.fullmatch(task_id)
    if numbered:
        found.add(numbered[1])
    last = task_id.rpartition("/")[2]
    if last != task_id and not last.isdigit():
        found.add(last)
    return found


class _Families:
    """An index of evaluation tasks by the ids of their possible variations."""

    def __init__(self) -> None:
        self._sure: defaultdict[str, list[str]] = defaultdict(list)
        self._loose: defaultdict[str, list[str]] = defaultdict(list)

    @property
    def names(self) -> set[str]:
        """All ids by which an evaluation task can be found."""
        return {*self._sure, *self._loose}

    def add(self, task_id: str) -> None:
        names = _family_names(task_id)
        for twins in TWINS:
            if not names.isdisjoint(twins):
                names.update(twins)
        for name in names:
            self._sure[name].append(task_id)
        for name in _loose_names(task_id):
            self._loose[name].append(task_id)

    def find(self, task_id: str) -> Iterator[str]:
        for name in _family_names(task_id):
            yield from self._sure.get(name, ())
            yield from self._loose.get(name, ())
        for name in _loose_names(task_id):
            yield from self._sure.get(name, ())


def screen_keys(task: Task) -> list[int]:
    """Return 32-bit keys that tell which tasks' grids need to be compared in full.

    Tasks that share a pair, or a telling input, up to turns and colours share a key; others seldom
    do.
    """
    keys = []
    for pair in (*task.train, *task.test):
        counts = _counts(pair.input)  # once, as counting is half of the guard's time
        if pair.output is not None:
            figure = (pair.input, pair.output)
            keys.append(_key(b"pair", figure, [counts, _counts(pair.output)]))
        if pair.input.size - max(counts) >= MIN_DETAIL:
            keys.append(_key(b"input", (pair.input,), [counts]))
    return keys


def _key(what: bytes, figure: _Figure, counts: Sequence[Sequence[int]] = ()) -> int:
    return zlib.crc32(repr(_invariant(figure, counts)).encode(), zlib.crc32(what))


def canonical(figure: Sequence[Grid]) -> _Key:
    """Return a value that is equal exactly for grids that are equal up to turns, flips and colours.

    It is the smallest of the eight turns, written as shapes and cells with the colours numbered in
    the order of their appearance.

    Args:
        figure: The grids that are turned and recoloured together, e.g. an input and its output.
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
    """An index of the figures of evaluation tasks, found again up to turns and colours.

    A cheap invariant sorts out nearly all figures, so that few canonical forms are made.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[_Key, list[tuple[_Figure, str]]] = defaultdict(list)
        self._forms: dict[_Key, dict[_Key, list[str]]] = {}

    def add(self, figure: _Figure, task_id: str) -> None:
        self._waiting[_invariant(figure)].append((figure, task_id))

    def find(self, figure: _Figure) -> Sequence[str]:
        """Return the ids of the tasks that have ``figure``."""
        key = _invariant(figure)
        if key not in self._waiting:
            return ()
        if key not in self._forms:
            forms: defaultdict[_Key, list[str]] = defaultdict(list)
            for known, task_id in self._waiting[key]:
                forms[canonical(known)].append(task_id)
            self._forms[key] = dict(forms)
        return self._forms[key].get(canonical(figure), ())


def _invariant(figure: _Figure, counts: Sequence[Sequence[int]] = ()) -> _Key:
    """Return what no turn and no exchange of colours changes: the sides and the colour counts."""
    sides = tuple(tuple(sorted(grid.shape)) for grid in figure)
    counts = counts or [_counts(grid) for grid in figure]
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
    """Return the first conflicts in words, those of different ids first, as they surprise most."""
    ordered = sorted(conflicts, key=lambda conflict: conflict.reason == "same id")
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return "; ".join(map(str, ordered[:most])) + more
