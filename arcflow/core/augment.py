"""Augmentations: frozen data that turns a task into another view of it, and answers back.

Law: ``a.invert(a.apply_grid(grid))`` equals ``grid``, for every augmentation ``a``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from arcflow.core.class_path import class_path, import_class
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import N_COLORS, Grid
from arcflow.core.serialization import (
    check_bool,
    check_int,
    plain_fields,
    plain_json,
    plain_object,
    refuse,
)
from arcflow.core.task import Pair, Task


class Augmentation(ABC):
    """One view of a task; hashable, equal where its fields are, JSON both ways.

    A subclass of your own is a frozen dataclass of plain values and tuples. It is named by its
    class path in ``augment.extra``, sampled for each view by :meth:`sample`, and bound to the law
    above, with which the answer to a view is turned into the answer to the task.

    Attributes:
        kind: the name in JSON of a built-in augmentation; others go by their class path.
        keeps_programs: whether a program that solves the task solves the view too. Only then is
            it used where a program is shown or asked for, and :meth:`apply` must keep ``code``.
    """

    __slots__ = ()
    kind: ClassVar[str] = ""
    keeps_programs: ClassVar[bool] = False

    @classmethod
    def sample(cls, task: Task, rng: np.random.Generator) -> "Augmentation | None":
        """Return an augmentation of this class for one view.

        Args:
            task: in the view so far, its answers hidden where it is evaluated.
            rng: the only source of chance, so that views can be made again.

        Returns:
            None leaves the view as it is.
        """
        raise NotImplementedError(f"{class_path(cls)} has no method sample")

    @property
    @abstractmethod
    def name(self) -> str:
        """Short and stable: equal exactly for equal augmentations of one kind."""

    @abstractmethod
    def apply(self, task: Task) -> Task:
        """The whole task in this view; its id and source stay.

        Raises:
            DataError: the task does not have the pairs that the augmentation names.
        """

    def apply_grid(self, grid: Grid) -> Grid:
        """One grid in this view; may be a view of the same memory."""
        return grid

    def invert(self, grid: Grid) -> Grid:
        """Undo :meth:`apply_grid`: the answer to the task as it was."""
        return grid

    def to_json(self) -> dict[str, object]:
        """``{"kind": ..., field: value, ...}``, read by :func:`augmentation_from_json`."""
        cls = type(self)
        return plain_json(cls.kind if _KINDS.get(cls.kind) is cls else class_path(cls), self)


def map_grids(
    task: Task,
    inputs: Callable[[Grid], Grid] | None,
    outputs: Callable[[Grid], Grid] | None,
) -> Task:
    """The task with its grids changed; None leaves a side alone, hidden outputs stay hidden.

    ``code`` is dropped: it solves the task as it was.
    """

    def changed(pair: Pair) -> Pair:
        output = pair.output
        return Pair(
            pair.input if inputs is None else inputs(pair.input),
            output if outputs is None or output is None else outputs(output),
        )

    return Task(
        task.id, tuple(map(changed, task.train)), tuple(map(changed, task.test)), task.source
    )


@dataclass(frozen=True, slots=True)
class Dihedral(Augmentation):
    """One of the eight turns and flips of a square.

    Attributes:
        hflip: first mirror left-right.
        n_rot90: then this many quarter turns counter-clockwise, 0..3.
    """

    kind: ClassVar[str] = "dihedral"
    hflip: bool = False
    n_rot90: int = 0

    def __post_init__(self) -> None:
        check_bool(self.kind, "hflip", self.hflip)
        check_int(self.kind, "n_rot90", self.n_rot90, 0, 3)

    @property
    def name(self) -> str:
        """E.g. ``"rot90"``, ``"flip_rot270"``."""
        return f"{'flip_' if self.hflip else ''}rot{90 * self.n_rot90}"

    def apply(self, task: Task) -> Task:
        """Turn every grid."""
        return map_grids(task, self.apply_grid, self.apply_grid)

    def apply_grid(self, grid: Grid) -> Grid:
        """A view of the grid's memory; height and width change places for odd ``n_rot90``."""
        # Transposing after mirroring is turning once; two mirrorings are turning twice.
        if self.hflip:
            grid = grid[:, ::-1]
        if self.n_rot90 == 1:
            return grid.T[::-1]
        if self.n_rot90 == 2:
            return grid[::-1, ::-1]
        return grid.T[:, ::-1] if self.n_rot90 else grid

    def invert(self, grid: Grid) -> Grid:
        """Turn back, then mirror."""
        # A mirrored turn is its own inverse.
        n = self.n_rot90 if self.hflip else -self.n_rot90 % 4
        return Dihedral(self.hflip, n).apply_grid(grid)


@dataclass(frozen=True, slots=True)
class Recolor(Augmentation):
    """A permutation of the ten colours.

    Attributes:
        mapping: colour c becomes ``mapping[c]``.
    """

    kind: ClassVar[str] = "recolor"
    mapping: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_permutation(self.kind, "mapping", self.mapping, N_COLORS)

    @property
    def name(self) -> str:
        """E.g. ``"colors_0617832549"``: what colours 0..9 become."""
        return "colors_" + "".join(map(str, self.mapping))

    def apply(self, task: Task) -> Task:
        """Recolour every grid."""
        table = _table(self.mapping)

        def recolored(grid: Grid) -> Grid:
            return _translate(grid, table)

        return map_grids(task, recolored, recolored)

    def apply_grid(self, grid: Grid) -> Grid:
        """A recoloured copy."""
        return _translate(grid, _table(self.mapping))

    def invert(self, grid: Grid) -> Grid:
        """A copy in the colours of before."""
        return _translate(grid, _table([self.mapping.index(c) for c in range(N_COLORS)]))


def _table(mapping: Iterable[int]) -> bytes:
    return bytes(mapping).ljust(256, b"\0")


def _translate(grid: Grid, table: bytes) -> Grid:
    """Cell c becomes ``table[c]``; read-only, as the bytes under it are."""
    # bytes.translate is three times as fast as numpy's take, which casts the cells first; tobytes
    # is slow where the grid is not contiguous.
    cells = np.ascontiguousarray(grid).tobytes().translate(table)
    return np.ndarray(grid.shape, np.int8, cells)


@dataclass(frozen=True, slots=True)
class Reorder(Augmentation):
    """Another order of the train pairs.

    Attributes:
        order: the pair at place i is the one that was at ``order[i]``.
    """

    kind: ClassVar[str] = "reorder"
    keeps_programs: ClassVar[bool] = True
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_permutation(self.kind, "order", self.order, None)

    @property
    def name(self) -> str:
        """E.g. ``"order_2-0-1"``."""
        return "order_" + "-".join(map(str, self.order))

    def apply(self, task: Task) -> Task:
        """The same pairs in another order."""
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
    """A train pair and a test pair change places; the test pair's output must be known.

    Attributes:
        train_index: which train pair, from 0.
        test_index: which test pair, from 0.
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
        """E.g. ``"swap_2-0"``: train pair 2 with test pair 0."""
        return f"swap_{self.train_index}-{self.test_index}"

    def apply(self, task: Task) -> Task:
        """Exchange the two pairs."""
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
    """Augmentations one after the other.

    Attributes:
        parts: applied left to right, undone right to left; none of them for the task as it is.
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
        """The parts' names joined by ``+``; ``"identity"`` without any."""
        return "+".join([part.name for part in self.parts]) or "identity"

    def apply(self, task: Task) -> Task:
        """Apply all parts, left to right."""
        for part in self.parts:
            task = part.apply(task)
        return task

    def apply_grid(self, grid: Grid) -> Grid:
        """Apply all parts, left to right."""
        for part in self.parts:
            grid = part.apply_grid(grid)
        return grid

    def invert(self, grid: Grid) -> Grid:
        """Undo all parts, right to left."""
        for part in reversed(self.parts):
            grid = part.invert(grid)
        return grid

    def to_json(self) -> dict[str, object]:
        """``{"kind": "chain", "parts": [...]}``."""
        return {"kind": self.kind, "parts": [part.to_json() for part in self.parts]}


IDENTITY = Chain()
"""The task as it is."""

_KINDS: dict[str, type[Augmentation]] = {
    cls.kind: cls for cls in (Dihedral, Recolor, Reorder, SwapTrainTest, Chain)
}


def augmentation_from_json(obj: object, where: str = "augmentation") -> Augmentation:
    """Read what :meth:`Augmentation.to_json` wrote.

    The module of an augmentation that is named by its class path is imported.

    Args:
        obj: the decoded JSON.
        where: what it is, for messages.

    Raises:
        DataError: unknown kind, missing or unknown fields, wrong types or values.
    """
    kinds = dict(_KINDS)
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
    """Refuse all but a tuple with each of 0..n-1 once; n None for any length from 1."""
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
