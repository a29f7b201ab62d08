"""Compositions: changes of only the inputs, or only the outputs, of all pairs, which make a new
task.

A task whose outputs are also mirrored follows another rule and is not another view of the same
task, so a composition has no inverse and serves training only.
"""

from abc import ABC, abstractmethod
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import ClassVar, Literal

import numpy as np

from arcflow.core.augment import Dihedral, map_grids
from arcflow.core.errors import DataError
from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.core.options import check_weights
from arcflow.core.serialization import check_int, plain_fields, plain_json, plain_object, refuse
from arcflow.core.task import Task

TRIES = 10
"""The number of compositions that are tried for a task before it is left as it is."""

MAX_BORDER = 5
"""The widest border that is sampled, in cells; :class:`Pad` takes any up to 14."""

MAX_FACTOR = 4
"""The largest factor that is sampled; :class:`Upscale` takes any up to 30."""


class GridChange(ABC):
    """A change that makes a grid larger: hashable, and convertible to and from JSON."""

    __slots__ = ()
    kind: ClassVar[str]

    @property
    @abstractmethod
    def name(self) -> str:
        """A short, stable name."""

    @abstractmethod
    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of the changed grid, in cells."""

    @abstractmethod
    def apply_grid(self, grid: Grid) -> Grid:
        """Return the changed grid, whose sides may exceed 30; check :meth:`shape` first."""

    def to_json(self) -> dict[str, object]:
        """Return ``{"kind": ..., field: value, ...}``."""
        return plain_json(self.kind, self)


@dataclass(frozen=True, slots=True)
class Pad(GridChange):
    """A border of one colour around a grid.

    Attributes:
        size: The number of rows above and below, and of columns left and right, each 0 to 14.
        color: The colour of the border, 0 to 9.
    """

    kind: ClassVar[str] = "pad"
    size: tuple[int, int]
    color: int

    def __post_init__(self) -> None:
        _check_two(self.kind, "size", self.size, 0, (MAX_SIDE - 1) // 2)
        check_int(self.kind, "color", self.color, 0, N_COLORS - 1)

    @property
    def name(self) -> str:
        """The size and colour of the border, e.g. ``"pad_1x2_color4"``."""
        return f"pad_{self.size[0]}x{self.size[1]}_color{self.color}"

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width with two borders added to each."""
        return height + 2 * self.size[0], width + 2 * self.size[1]

    def apply_grid(self, grid: Grid) -> Grid:
        """Return the grid within its border."""
        (height, width), (rows, columns) = grid.shape, self.size
        padded = np.full(self.shape(height, width), self.color, dtype=np.int8)
        padded[rows : rows + height, columns : columns + width] = grid
        return freeze(padded)


@dataclass(frozen=True, slots=True)
class Upscale(GridChange):
    """An enlargement in which every cell becomes a block.

    Attributes:
        scale: The block's height and width in cells, each 1 to 30.
    """

    kind: ClassVar[str] = "upscale"
    scale: tuple[int, int]

    def __post_init__(self) -> None:
        _check_two(self.kind, "scale", self.scale, 1, MAX_SIDE)

    @property
    def name(self) -> str:
        """The size of the blocks, e.g. ``"upscale_2x3"``."""
        return f"upscale_{self.scale[0]}x{self.scale[1]}"

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width, each multiplied by its factor."""
        return height * self.scale[0], width * self.scale[1]

    def apply_grid(self, grid: Grid) -> Grid:
        """Return the enlarged grid."""
        return freeze(grid.repeat(self.scale[0], axis=0).repeat(self.scale[1], axis=1))


@dataclass(frozen=True, slots=True)
class Mirror(GridChange):
    """A grid joined with its mirror image.

    Attributes:
        axis: 0 to stack the two vertically, 1 to put them side by side.
        position: 0 if the mirror image comes first, 1 if it comes last.
    """

    kind: ClassVar[str] = "mirror"
    axis: int
    position: int

    def __post_init__(self) -> None:
        check_int(self.kind, "axis", self.axis, 0, 1)
        check_int(self.kind, "position", self.position, 0, 1)

    @property
    def name(self) -> str:
        """The side on which the mirror image stands, e.g. ``"mirror_above"``."""
        return "mirror_" + (("above", "below"), ("left", "right"))[self.axis][self.position]

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width, one of them doubled."""
        return (height, 2 * width) if self.axis else (2 * height, width)

    def apply_grid(self, grid: Grid) -> Grid:
        """Return the grid and its mirror image as one grid."""
        mirrored = grid[:, ::-1] if self.axis else grid[::-1]
        both = (grid, mirrored) if self.position else (mirrored, grid)
        return freeze(np.concatenate(both, axis=self.axis))


Change = Dihedral | GridChange

_KINDS: dict[str, type[Dihedral] | type[GridChange]] = {
    cls.kind: cls for cls in (Dihedral, Pad, Upscale, Mirror)
}


@dataclass(frozen=True, slots=True)
class Composition:
    """One change of all inputs, or of all outputs, of a task.

    Attributes:
        on: Which grids change, "inputs" or "outputs".
        change: The change: a turn (:class:`~arcflow.core.augment.Dihedral`), :class:`Pad`,
            :class:`Upscale` or :class:`Mirror`.
        keeps_programs: False: the task's program does not solve the new task.
    """

    keeps_programs: ClassVar[bool] = False
    on: Literal["inputs", "outputs"]
    change: Change

    def __post_init__(self) -> None:
        if self.on not in ("inputs", "outputs"):
            refuse("composition", "on", self.on, "'inputs' or 'outputs'")
        if not isinstance(self.change, Change):
            refuse("composition", "change", self.change, f"one of {', '.join(_KINDS)}")

    @property
    def name(self) -> str:
        """The grids that change and the change's name, e.g. ``"outputs_mirror_right"``."""
        return f"{self.on}_{self.change.name}"

    def apply(self, task: Task) -> Task | None:
        """Return the new task, or None if one of its grids would have a side over 30.

        The new task's id is ``"{id}+{name}"``; hidden outputs stay hidden.
        """
        change, inputs = self.change, self.on == "inputs"
        if isinstance(change, GridChange):
            for pair in (*task.train, *task.test, *task.proposals):
                grid = pair.input if inputs else pair.output
                if grid is not None and max(change.shape(*grid.shape)) > MAX_SIDE:
                    return None
        apply_grid = change.apply_grid
        new = map_grids(task, apply_grid if inputs else None, None if inputs else apply_grid)
        return replace(new, id=f"{task.id}+{self.name}")

    def to_json(self) -> dict[str, object]:
        """Return ``{"on": ..., "change": {"kind": ..., ...}}``."""
        return {"on": self.on, "change": self.change.to_json()}


def composition_from_json(obj: object, where: str = "composition") -> Composition:
    """Return the composition that :meth:`Composition.to_json` wrote.

    Args:
        obj: The decoded JSON.
        where: What the JSON is, for error messages.

    Raises:
        DataError: A key is missing or unknown, the kind is unknown, or a value is wrong.
    """
    if not isinstance(obj, Mapping) or set(obj) != {"on", "change"}:
        raise DataError(
            f"{where}: not a composition",
            value=obj,
            expected="an object with 'on' and 'change'",
            next_step="Correct the JSON.",
        )
    cls, fields = plain_fields(obj["change"], _KINDS, f"{where}, change")
    change = plain_object(cls, fields, f"{where}, change")
    return plain_object(Composition, {"on": obj["on"], "change": change}, where)


@dataclass(frozen=True)
class ComposeWeights:
    """The relative frequency with which each kind of composition is tried.

    Attributes:
        turn: The weight of the seven turns and flips that change a grid.
        pad: The weight of borders of 1 to 5 cells in any colour, in half the cases the same all
            around.
        upscale: The weight of enlargements to blocks of up to 4 x 4 cells, in half the cases
            square.
        mirror: The weight of mirror images above, below, left or right of the grid.
    """

    turn: float = 1.0
    pad: float = 1.0
    upscale: float = 1.0
    mirror: float = 1.0

    def __post_init__(self) -> None:
        weights = {name: getattr(self, name) for name in ("turn", "pad", "upscale", "mirror")}
        check_weights("compose_weights", weights, "Set compose to 0 to have no compositions.")


def sample_composition(weights: ComposeWeights, rng: np.random.Generator) -> Composition:
    """Return a random composition, without checking that it fits a task."""
    on: Literal["inputs", "outputs"] = "inputs" if rng.random() < 0.5 else "outputs"
    return Composition(on, _sample_change(weights, rng))


def _sample_change(weights: ComposeWeights, rng: np.random.Generator) -> Change:
    edges = list(accumulate((weights.turn, weights.pad, weights.upscale, weights.mirror)))
    kind = bisect(edges, rng.random() * edges[-1])
    if kind == 0:
        flip, n_rot90 = divmod(int(rng.integers(1, 8)), 4)
        return Dihedral(bool(flip), n_rot90)
    if kind == 1:
        return Pad(_sample_two(MAX_BORDER, 1, rng), int(rng.integers(N_COLORS)))
    if kind == 2:
        return Upscale(_sample_two(MAX_FACTOR, 2, rng))
    axis, position = divmod(int(rng.integers(4)), 2)
    return Mirror(axis, position)


def _sample_two(high: int, low: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return two numbers in 1..high, equal ones of at least ``low`` in half the cases.

    With ``low`` 2 they are never both 1.
    """
    if rng.random() < 0.5:
        n = int(rng.integers(low, high + 1))
        return n, n
    rows, columns = divmod(int(rng.integers(low - 1, high * high)), high)
    return rows + 1, columns + 1


def compose_task(weights: ComposeWeights, task: Task, rng: np.random.Generator) -> Task:
    """Return a new task by a random composition, sampled again until its grids fit.

    After :data:`TRIES` compositions that do not fit, the task itself is returned. Kinds that seldom
    fit are therefore rarer than their weight says.

    Args:
        weights: The relative frequency of each kind of composition.
        task: The task to change.
        rng: The only source of randomness.
    """
    for _ in range(TRIES):
        composed = sample_composition(weights, rng).apply(task)
        if composed is not None:
            return composed
    return task


def _check_two(kind: str, field: str, value: object, low: int, high: int) -> None:
    if (
        not isinstance(value, tuple)
        or len(value) != 2
        or not all(type(n) is int and low <= n <= high for n in value)
    ):
        refuse(kind, field, value, f"two integers {low}..{high}")
