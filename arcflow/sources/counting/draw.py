"""What families draw with: numbers, colours, shapes, and grids on which nothing touches."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import MAX_SIDE

Cells = NDArray[np.int8]
"""A grid that is being made: writable, shape (H, W), 0 is black."""

Mask = NDArray[np.bool_]
"""Which cells of a box a figure takes, shape (H, W)."""

Turn = Callable[[Cells], Cells]
"""Turns or mirrors a grid; gives a view."""

T = TypeVar("T")

_COLORS = range(1, 10)


class NoRoomError(Exception):
    """Nothing more fits, or the draw makes no sense: the pair is drawn again."""


class Draw:
    """Draws for one task.

    Args:
        rng: where all randomness comes from.
        sides: shortest and longest side of a grid, in cells.
        difficulty: 0 to 1, on which numbers of things grow.
    """

    def __init__(self, rng: np.random.Generator, sides: tuple[int, int], difficulty: float) -> None:
        self.rng, self.sides, self.difficulty = rng, sides, difficulty

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        if high < low:
            raise NoRoomError
        return low + int(self.rng.random() * (high - low + 1))

    def number(self, low: int, high: int) -> int:
        """How many things there are: up to ``high`` at difficulty 1, to two over ``low`` at 0."""
        span = max(2, round((high - low) * self.difficulty))
        return self.between(low, min(high, low + span))

    def chance(self, p: float = 0.5) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < p)

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.between(0, len(options) - 1)]

    def some(self, options: Sequence[T], n: int) -> list[T]:
        """``n`` different ones, in random order."""
        if n > len(options):
            raise NoRoomError
        return [options[i] for i in self.rng.permutation(len(options))[:n].tolist()]

    def colors(self, n: int, but: Collection[int] = ()) -> list[int]:
        """``n`` different colours, none of them black or in ``but``."""
        return self.some([color for color in _COLORS if color not in but], n)

    def side(self, least: int = 1, most: int = MAX_SIDE) -> int:
        """The side of a grid, in cells; outside the task's range where a family needs it."""
        low = min(most, max(least, self.sides[0]))
        return self.between(low, max(low, min(most, self.sides[1])))

    def canvas(self, height: int = 1, width: int = 0) -> "Canvas":
        """An empty grid of at least these sides; ``width`` 0 is as ``height``."""
        return Canvas(self, self.side(height), self.side(width or height))

    def turn(self) -> Turn:
        """One of the four quarter turns: a direction drawn for the whole task."""
        return quarter(self.between(0, 3))

    def noise(self, shape: tuple[int, int], colors: Sequence[int], density: float) -> Cells:
        """Cells coloured at random, a share ``density`` of them; at least one."""
        coloured = self.rng.random(shape) < density
        if not coloured.any():
            coloured[self.between(0, shape[0] - 1), self.between(0, shape[1] - 1)] = True
        chosen = np.array(colors, dtype=np.int8)
        return np.where(coloured, chosen[self.rng.integers(len(colors), size=shape)], 0).astype(
            np.int8
        )

    def scatter(self, cells: Cells, colors: Sequence[int]) -> None:
        """Give each of these colours a black cell of its own.

        Raises:
            NoRoomError: there are fewer black cells.
        """
        free = np.flatnonzero(cells == 0)
        if len(colors) > len(free):
            raise NoRoomError
        cells.flat[self.rng.permutation(free)[: len(colors)]] = colors

    def shape(self, cells: int) -> Mask:
        """A connected figure of so many cells (edges touch), cropped to its box."""
        taken, edge = {(0, 0)}, [(0, 1), (1, 0), (0, -1), (-1, 0)]
        for u in self.rng.random(cells - 1).tolist():
            row, column = edge.pop(int(u * len(edge)))
            taken.add((row, column))
            for near in (
                (row, column + 1),
                (row + 1, column),
                (row, column - 1),
                (row - 1, column),
            ):
                if near not in taken and near not in edge:
                    edge.append(near)
        top, left = min(row for row, _ in taken), min(column for _, column in taken)
        bottom, right = max(row for row, _ in taken), max(column for _, column in taken)
        mask = np.zeros((bottom - top + 1, right - left + 1), dtype=np.bool_)
        for row, column in taken:
            mask[row - top, column - left] = True
        return mask

    def blob(self, color: int, low: int, high: int) -> Cells:
        """A connected figure of ``low`` to ``high`` cells in one colour."""
        return paint(self.shape(self.between(low, high)), color)


class Canvas:
    """A black grid on which figures are put apart from each other.

    Attributes:
        cells: the grid so far.
    """

    def __init__(self, draw: Draw, height: int, width: int) -> None:
        self.cells: Cells = np.zeros((height, width), dtype=np.int8)
        self._busy = np.zeros((height, width), dtype=np.bool_)
        self._draw = draw

    @property
    def area(self) -> int:
        """Number of cells."""
        return self.cells.size

    def spot(self, height: int, width: int, gap: int = 1) -> tuple[int, int]:
        """Top and left of a free box, ``gap`` cells from all others; it is taken then.

        Raises:
            NoRoomError: none was found.
        """
        below, beside = self.cells.shape[0] - height, self.cells.shape[1] - width
        if below < 0 or beside < 0:
            raise NoRoomError
        for u, v in self._draw.rng.random((12, 2)).tolist():
            top, left = int(u * (below + 1)), int(v * (beside + 1))
            near = self._busy[
                max(0, top - gap) : top + height + gap, max(0, left - gap) : left + width + gap
            ]
            if not near.any():
                self._busy[top : top + height, left : left + width] = True
                return top, left
        raise NoRoomError

    def put(self, patch: Cells, gap: int = 1) -> tuple[int, int]:
        """Draw a figure into a free box; gives its top and left.

        Raises:
            NoRoomError: it fits nowhere.
        """
        top, left = self.spot(patch.shape[0], patch.shape[1], gap)
        stamp(self.cells, patch, top, left)
        return top, left


def paint(mask: Mask, color: int) -> Cells:
    """A figure in one colour."""
    return mask.astype(np.int8) * np.int8(color)


def stamp(cells: Cells, patch: Cells, top: int, left: int) -> None:
    """Draw a figure over a grid, black cells left out; what hangs over is cut off."""
    up, before = max(0, -top), max(0, -left)
    bottom, right = max(0, top + patch.shape[0]), max(0, left + patch.shape[1])
    box = cells[max(0, top) : bottom, max(0, left) : right]
    patch = patch[up : up + box.shape[0], before : before + box.shape[1]]
    np.copyto(box, patch, where=patch != 0)


def full(height: int, width: int, color: int) -> Cells:
    """A rectangle of one colour."""
    return np.full((height, width), color, dtype=np.int8)


def frame(height: int, width: int, color: int) -> Cells:
    """A rectangle's outline, one cell thick."""
    patch = full(height, width, color)
    patch[1:-1, 1:-1] = 0
    return patch


def quarter(turns: int) -> Turn:
    """So many quarter turns counter-clockwise."""

    def turn(cells: Cells) -> Cells:
        return np.rot90(cells, turns)

    return turn


def images(cells: Cells) -> list[Cells]:
    """The eight turned and mirrored images: four quarter turns, then those of the transpose."""
    return [np.rot90(one, turns) for one in (cells, cells.T) for turns in range(4)]
