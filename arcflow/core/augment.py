"""Augmentations: frozen data that turns a task into another view of it, and answers back.

Every augmentation ``a`` satisfies ``a.invert(a.apply_grid(grid)) == grid``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from arcflow.core.augmentation import BUILT_IN, Augmentation, map_grids
from arcflow.core.class_path import import_class
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import N_COLORS, Grid
from arcflow.core.serialization import (
    check_bool,
    check_int,
    plain_fields,
    plain_object,
    refuse,
)
from arcflow.core.task import Task

__all__ = [
    "IDENTITY",
    "Augmentation",
    "Chain",
    "Dihedral",
    "Recolor",
    "Reorder",
    "SwapTrainTest",
    "augmentation_from_json",
    "map_grids",
]


@dataclass(frozen=True, slots=True)
class Dihedral(Augmentation):
    """One of the eight turns and flips of a square (the dihedral group of order eight).

    Attributes:
        hflip: Whether the grid is first mirrored left-right.
        n_rot90: The number of quarter turns counter-clockwise that follow, 0 to 3.
    """

    kind: ClassVar[str] = "dihedral"
    hflip: bool = False
    n_rot90: int = 0

    def __post_init__(self) -> None:
        check_bool(self.kind, "hflip", self.hflip)
        check_int(self.kind, "n_rot90", self.n_rot90, 0, 3)

    @property
    def name(self) -> str:
        """The name of the turn, e.g. ``"rot90"`` or ``"flip_rot270"``."""
        return f"{'flip_' if self.hflip else ''}rot{90 * self.n_rot90}"

    def apply(self, task: Task) -> Task:
        """Return the task with every grid turned."""
        return map_grids(task, self.apply_grid, self.apply_grid)

    def apply_grid(self, grid: Grid) -> Grid:
        """Return a view of the grid's memory; an odd ``n_rot90`` exchanges height and width."""
        # A transposition after a mirroring is a quarter turn; two mirrorings are a half turn.
        if self.hflip:
            grid = grid[:, ::-1]
        if self.n_rot90 == 1:
            return grid.T[::-1]
        if self.n_rot90 == 2:
            return grid[::-1, ::-1]
        return grid.T[:, ::-1] if self.n_rot90 else grid

    def invert(self, grid: Grid) -> Grid:
        """Return the grid turned back, then mirrored back."""
        # A turn after a mirroring undoes itself when it is applied twice.
        n = self.n_rot90 if self.hflip else -self.n_rot90 % 4
        return Dihedral(self.hflip, n).apply_grid(grid)


@dataclass(frozen=True, slots=True)
class Recolor(Augmentation):
    """A permutation of the ten colours.

    Attributes:
        mapping: The new colour of each colour: colour ``c`` becomes ``mapping[c]``.
    """

    kind: ClassVar[str] = "recolor"
    mapping: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_permutation(self.kind, "mapping", self.mapping, N_COLORS)

    @property
    def name(self) -> str:
        """What colours 0 to 9 become, e.g. ``"colors_0617832549"``."""
        return "colors_" + "".join(map(str, self.mapping))

    def apply(self, task: Task) -> Task:
        """Return the task with every grid recoloured."""
        table = _table(self.mapping)

        def recolored(grid: Grid) -> Grid:
            return _translate(grid, table)

        return map_grids(task, recolored, recolored)

    def apply_grid(self, grid: Grid) -> Grid:
        """Return a recoloured copy of the grid."""
        return _translate(grid, _table(self.mapping))

    def invert(self, grid: Grid) -> Grid:
        """Return a copy of the grid in its original colours."""
        return _translate(grid, _table([self.mapping.index(c) for c in range(N_COLORS)]))


def _table(mapping: Iterable[int]) -> bytes:
    return bytes(mapping).ljust(256, b"\0")


def _translate(grid: Grid, table: bytes) -> Grid:
    """Return a read-only grid in which each cell ``c`` has become ``table[c]``."""
    # bytes.translate is three times as fast as numpy's take, which casts the cells first; tobytes
    # is slow if the grid is not contiguous.
    cells = np.ascontiguousarray(grid).tobytes().translate(table)
    return np.ndarray(grid.shape, np.int8, cells)


@dataclass(frozen=True, slots=True)
class Reorder(Augmentation):
    """Another order of the train pairs.

    Attributes:
        order: The old index of each pair: the new pair ``i`` is the old pair ``order[i]``.
    """

    kind: ClassVar[str] = "reorder"
    keeps_programs: ClassVar[bool] = True
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_permutation(self.kind, "order", self.order, None)

    @property
    def name(self) -> str:
        """The new order of the pairs, e.g. ``"order_2-0-1"``."""
        return "order_" + "-".join(map(str, self.order))

    def apply(self, task: Task) -> Task:
        """Return the task with its train pairs in the new order.

        Raises:
            DataError: The order is for another number of train pairs.
        """
        if len(self.order) != len(task.train):
            raise DataError(
                f"task {task.id}: an order for another number of train pairs",
                value=self.order,
                expected=f"a permutation of 0..{len(task.train) - 1}",
                next_step="Make the augmentation for this task.",
            )
        return replace(task, train=tuple([task.train[i] for i in self.order]))


@dataclass(frozen=True, slots=True)
class SwapTrainTest(Augmentation):
    """An exchange of a train pair and a test pair; the test pair's output must be known.

    Attributes:
        train_index: The index of the train pair, from 0.
        test_index: The index of the test pair, from 0.
    """

    kind: ClassVar[str] = "swap_train_test"
    keeps_programs: ClassVar[bool] = True
    train_index: int
    test_index: int

    def __post_init__(self) -> None:
        check_int(self.kind, "train_index", self.train_index, 0)
        check_int(self.kind, "test_index", self.test_index, 0)

    @property
    def name(self) -> str:
        """The indices of the two pairs: ``"swap_2-0"`` exchanges train pair 2 and test pair 0."""
        return f"swap_{self.train_index}-{self.test_index}"

    def apply(self, task: Task) -> Task:
        """Return the task with the two pairs exchanged.

        Raises:
            DataError: The task has no pair at one of the indices, or the test pair's output is
                hidden.
        """
        for part, index, pairs in (
            ("train", self.train_index, task.train),
            ("test", self.test_index, task.test),
        ):
            if index >= len(pairs):
                raise DataError(
                    f"task {task.id}: no {part} pair to swap at this index",
                    value=index,
                    expected=f"an index below {len(pairs)}",
                    next_step="Make the augmentation for this task.",
                )
        shown, asked = task.train[self.train_index], task.test[self.test_index]
        if asked.output is None:
            raise DataError(
                f"task {task.id}: test pair {self.test_index} cannot become a train pair",
                value=None,
                expected="a test pair whose output is known",
                next_step="Do not swap train and test pairs of tasks with hidden answers.",
            )
        train, test = list(task.train), list(task.test)
        train[self.train_index], test[self.test_index] = asked, shown
        return replace(task, train=tuple(train), test=tuple(test))


@dataclass(frozen=True, slots=True)
class Chain(Augmentation):
    """A sequence of augmentations, applied one after the other.

    Attributes:
        parts: The augmentations, applied left to right and undone right to left; an empty chain
            leaves the task as it is.
    """

    kind: ClassVar[str] = "chain"
    parts: tuple[Augmentation, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.parts, tuple) or not all(
            isinstance(part, Augmentation) for part in self.parts
        ):
            refuse(self.kind, "parts", self.parts, "a list of augmentations")

    @property
    def keeps_programs(self) -> bool:  # type: ignore[override]
        """Whether all parts keep programs."""
        return all(part.keeps_programs for part in self.parts)

    @property
    def name(self) -> str:
        """The names of the parts joined by ``+``, or ``"identity"`` if there are none."""
        return "+".join([part.name for part in self.parts]) or "identity"

    def apply(self, task: Task) -> Task:
        """Return the task after all parts, applied left to right.

        Raises:
            DataError: The task lacks a pair that a part refers to.
        """
        for part in self.parts:
            task = part.apply(task)
        return task

    def apply_grid(self, grid: Grid) -> Grid:
        """Return the grid after all parts, applied left to right."""
        for part in self.parts:
            grid = part.apply_grid(grid)
        return grid

    def invert(self, grid: Grid) -> Grid:
        """Return the grid with all parts undone, right to left."""
        for part in reversed(self.parts):
            grid = part.invert(grid)
        return grid

    def to_json(self) -> dict[str, object]:
        """Return ``{"kind": "chain", "parts": [...]}``."""
        return {"kind": self.kind, "parts": [part.to_json() for part in self.parts]}


IDENTITY = Chain()
"""The augmentation that leaves a task as it is."""

BUILT_IN.update({cls.kind: cls for cls in (Dihedral, Recolor, Reorder, SwapTrainTest, Chain)})


def augmentation_from_json(obj: object, where: str = "augmentation") -> Augmentation:
    """Return the augmentation that :meth:`Augmentation.to_json` wrote.

    The module of an augmentation that is named by its class path is imported.

    Args:
        obj: The decoded JSON.
        where: What the JSON is, for error messages.

    Raises:
        DataError: The kind is unknown, a field is missing or unknown, or a value is wrong.
    """
    kinds = dict(BUILT_IN)
    path = obj.get("kind") if isinstance(obj, Mapping) else None
    if isinstance(path, str) and "." in path:
        try:
            kinds[path] = import_class(path, Augmentation, "kind")
        except ConfigError as error:
            raise DataError(
                f"{where}: {error.what}",
                value=error.value,
                expected=error.expected,
                next_step=error.next_step,
            ) from error
    cls, fields = plain_fields(obj, kinds, where)
    if cls is Chain and isinstance(fields.get("parts"), tuple):
        fields["parts"] = tuple(
            augmentation_from_json(part, f"{where}, part {i}")
            for i, part in enumerate(fields["parts"])
        )
    return plain_object(cls, fields, where)


def _check_permutation(kind: str, field: str, value: object, n: int | None) -> None:
    """Refuse any value but a tuple that holds each of 0..n-1 once.

    If ``n`` is None, a permutation of any length from 1 passes.
    """
    if n is None:
        n = max(len(value), 1) if isinstance(value, tuple) else 1
        what = "a permutation of 0..n-1 for n pairs"
    else:
        what = f"a permutation of 0..{n - 1}"
    if (
        not isinstance(value, tuple)
        or not all(type(i) is int for i in value)
        or sorted(value) != list(range(n))
    ):
        refuse(kind, field, value, what)
