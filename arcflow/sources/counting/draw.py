"""Random building blocks of the families: numbers, colours, shapes, and grids to place them on."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import MAX_SIDE

Cells = NDArray[np.int8]
"""A writable grid that is being made, of shape (H, W); 0 is black."""

Mask = NDArray[np.bool_]
"""The cells of a box that a figure takes, of shape (H, W)."""

Turn = Callable[[Cells], Cells]
"""A function that turns or mirrors a grid and returns a view of it."""

T = TypeVar("T")

_COLORS = range(1, 10)


class NoRoomError(Exception):
    """An error for a pair that cannot be finished, so that it is made again with other choices."""


class Draw:
    """The random choices of one task.

    Args:
        rng: The only source of randomness.
        sides: The shortest and the longest side of a grid, in cells.
        difficulty: A number from 0 to 1, with which numbers of objects grow.
    """

    def __init__(self, rng: np.random.Generator, sides: tuple[int, int], difficulty: float) -> None:
        self.rng, self.sides, self.difficulty = rng, sides, difficulty

    def between(self, low: int, high: int) -> int:
        """Return a random integer, with both ends included.

        Raises:
            NoRoomError: The range is empty.
        """
        if high < low:
            raise NoRoomError
        return low + int(self.rng.random() * (high - low + 1))

    def number(self, low: int, high: int) -> int:
        """Return a number of objects: at most ``high`` at difficulty 1, at most ``low`` + 2 at 0.

        Raises:
            NoRoomError: ``high`` is below ``low``.
        """
        span = max(2, round((high - low) * self.difficulty))
        return self.between(low, min(high, low + span))

    def chance(self, p: float = 0.5) -> bool:
        """Return True with this probability."""
        return bool(self.rng.random() < p)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.between(0, len(options) - 1)]

    def some(self, options: Sequence[T], n: int) -> list[T]:
        """Return ``n`` different options, in random order.

        Raises:
            NoRoomError: There are fewer options.
        """
        if n > len(options):
            raise NoRoomError
        return [options[i] for i in self.rng.permutation(len(options))[:n].tolist()]

    def colors(self, n: int, but: Collection[int] = ()) -> list[int]:
        """Return ``n`` different colours, none of them black or in ``but``.

        Raises:
            NoRoomError: There are fewer colours.
        """
        return self.some([color for color in _COLORS if color not in but], n)

    def side(self, least: int = 1, most: int = MAX_SIDE) -> int:
        """Return the side of a grid in cells, outside the task's range if a family needs that."""
        low = min(most, max(least, self.sides[0]))
        return self.between(low, max(low, min(most, self.sides[1])))

    def canvas(self, height: int = 1, width: int = 0) -> "Canvas":
        """Return an empty grid of at least these sides; a ``width`` of 0 means ``height``."""
        return Canvas(self, self.side(height), self.side(width or height))

    def turn(self) -> Turn:
        """Return one of the four quarter turns, as a random direction of the task."""
        return quarter(self.between(0, 3))

    def noise(self, shape: tuple[int, int], colors: Sequence[int], density: float) -> Cells:
        """Return cells coloured at random.

        Args:
            shape: The height and width in cells.
            colors: The colours to choose from.
            density: The probability that a cell is coloured; at least one is.

        Returns:
            An array of this shape.
        """
        coloured = self.rng.random(shape) < density
        if not coloured.any():
            coloured[self.between(0, shape[0] - 1), self.between(0, shape[1] - 1)] = True
        chosen = np.array(colors, dtype=np.int8)
        return np.where(coloured, chosen[self.rng.integers(len(colors), size=shape)], 0).astype(
            np.int8
        )

    def scatter(self, cells: Cells, colors: Sequence[int]) -> None:
        """Give each of these colours a random black cell of its own, in place.

        Raises:
            NoRoomError: There are fewer black cells.
        """
        free = np.flatnonzero(cells == 0)
        if len(colors) > len(free):
            raise NoRoomError
        cells.flat[self.rng.permutation(free)[: len(colors)]] = colors

    def shape(self, cells: int) -> Mask:
        """Return a connected figure of so many cells (edges touch), cropped to its box."""
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
        """Return a connected figure of ``low`` to ``high`` cells in one colour, cropped to its box.

        Raises:
            NoRoomError: ``high`` is below ``low``.
        """
        return paint(self.shape(self.between(low, high)), color)


class Canvas:
    """A black grid on which figures are placed apart from each other.

    Attributes:
        cells: The grid so far, of shape (H, W).
    """

    def __init__(self, draw: Draw, height: int, width: int) -> None:
        self.cells: Cells = np.zeros((height, width), dtype=np.int8)
        self._busy = np.zeros((height, width), dtype=np.bool_)
        self._draw = draw

    @property
    def area(self) -> int:
        """The number of cells."""
        return self.cells.size

    def spot(self, height: int, width: int, gap: int = 1) -> tuple[int, int]:
        """Reserve a free box and return its top and left.

        Args:
            height: The height of the box in cells.
            width: The width of the box in cells.
            gap: The least number of cells between this box and all others.

        Raises:
            NoRoomError: No free box was found.
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
        """Place a figure in a free box and return its top and left.

        Raises:
            NoRoomError: No free box was found.
        """
        top, left = self.spot(patch.shape[0], patch.shape[1], gap)
        stamp(self.cells, patch, top, left)
        return top, left


def paint(mask: Mask, color: int) -> Cells:
    """Return a figure in one colour."""
    return mask.astype(np.int8) * np.int8(color)


def stamp(cells: Cells, patch: Cells, top: int, left: int) -> None:
    """Copy a figure's coloured cells onto a grid, in place; what hangs over the edge is cut off.

    Args:
        cells: The grid to change.
        patch: The figure, in which black cells are transparent.
        top: The row of the figure's first row, which may be negative.
        left: The column of the figure's first column, which may be negative.
    """
    up, before = max(0, -top), max(0, -left)
    bottom, right = max(0, top + patch.shape[0]), max(0, left + patch.shape[1])
    box = cells[max(0, top) : bottom, max(0, left) : right]
    patch = patch[up : up + box.shape[0], before : before + box.shape[1]]
    np.copyto(box, patch, where=patch != 0)


def full(height: int, width: int, color: int) -> Cells:
    """Return a rectangle of one colour, of shape (height, width)."""
    return np.full((height, width), color, dtype=np.int8)


def frame(height: int, width: int, color: int) -> Cells:
    """Return a rectangle's outline, one cell thick, of shape (height, width)."""
    patch = full(height, width, color)
    patch[1:-1, 1:-1] = 0
    return patch


def quarter(turns: int) -> Turn:
    """Return the function that makes so many quarter turns counter-clockwise."""

    def turn(cells: Cells) -> Cells:
        return np.rot90(cells, turns)

    return turn


def images(cells: Cells) -> list[Cells]:
    """Return the eight images of a grid: four quarter turns, then those of the transpose."""
    return [np.rot90(one, turns) for one in (cells, cells.T) for turns in range(4)]
