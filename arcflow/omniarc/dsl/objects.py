"""Objects: the shapes in a grid, found, compared, changed and drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arcflow.omniarc.dsl.colors import colors_of, recolor
from arcflow.omniarc.dsl.errors import DslError, check_color
from arcflow.omniarc.dsl.masks import label
from arcflow.omniarc.dsl.symmetry import eight_turns
from arcflow.omniarc.dsl.types import Grid, Mask, new_cells


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Object:
    """A shape at a place: which cells it has, in which colours. It is never altered.

    Two objects are equal if they have the same cells in the same colours at the same place.

    Attributes:
        patch: the colours in its box, shape (h, w), 0 at cells that are not its own; read-only.
        mask: which cells of the box are its own, shape (h, w); read-only.
        top: the box's first row.
        left: the box's first column.

    Raises:
        DslError: patch and mask differ in shape, or no cell is its own.

    Example:
        >>> obj = find_objects(to_grid([[0, 0, 3], [0, 3, 3]]))[0]
        >>> obj.top, obj.left, obj.height, obj.width, obj.size, obj.color
        (0, 1, 2, 2, 3, 3)
        >>> obj.moved(0, -1).cells
        [(0, 1), (1, 0), (1, 1)]
    """

    patch: Grid
    mask: Mask
    top: int
    left: int

    def __post_init__(self) -> None:
        mask: Mask = new_cells("Object", self.mask).astype(np.bool_)
        patch: Grid = new_cells("Object", self.patch).astype(np.int8)
        if patch.shape != mask.shape:
            raise DslError(f"Object: patch {patch.shape} and mask {mask.shape}, expected one shape")
        if not mask.any():
            raise DslError(f"Object: no True cell in a mask of {mask.shape}, expected one or more")
        _fill(self, patch * mask, mask, int(self.top), int(self.left))

    @property
    def height(self) -> int:
        """Rows of its box."""
        return self.mask.shape[0]

    @property
    def width(self) -> int:
        """Columns of its box."""
        return self.mask.shape[1]

    @property
    def bottom(self) -> int:
        """The box's last row, which belongs to it."""
        return self.top + self.mask.shape[0] - 1

    @property
    def right(self) -> int:
        """The box's last column, which belongs to it."""
        return self.left + self.mask.shape[1] - 1

    @property
    def size(self) -> int:
        """The number of its cells."""
        return int(np.count_nonzero(self.mask))

    @property
    def color(self) -> int:
        """The colour of most of its cells; of equally common ones the lowest."""
        return self.colors[0]

    @property
    def colors(self) -> list[int]:
        """Its colours, the commonest first; of equally common ones the lower first."""
        return colors_of(self.patch[self.mask])

    @property
    def cells(self) -> list[tuple[int, int]]:
        """The (row, column) of its cells in the grid, in reading order."""
        rows, columns = np.nonzero(self.mask)
        places = zip((rows + self.top).tolist(), (columns + self.left).tolist(), strict=True)
        return list(places)

    @property
    def center(self) -> tuple[float, float]:
        """The (row, column) of its box's middle; halves where a side is even."""
        return (self.top + self.bottom) / 2, (self.left + self.right) / 2

    @property
    def shape_key(self) -> Hashable:
        """Equal for objects with the same mask, whatever their colours and places."""
        return (*self.mask.shape, self.mask.tobytes())

    def moved(self, d_row: int, d_col: int) -> Object:
        """The object d_row further down and d_col further to the right; it may leave a grid."""
        return _object(self.patch, self.mask, self.top + int(d_row), self.left + int(d_col))

    def moved_to(self, top: int, left: int) -> Object:
        """The object with its box's first cell at (top, left)."""
        return _object(self.patch, self.mask, int(top), int(left))

    def recolored(self, color: int | Mapping[int, int]) -> Object:
        """The object in one colour, or its colours replaced all at once (old -> new).

        Raises:
            DslError: a colour is not 0 to 9.

        Example:
            >>> obj = find_objects(to_grid([[1, 2]]), by_color=False)[0]
            >>> obj.recolored({1: 2, 2: 1}).patch.tolist()
            [[2, 1]]
        """
        if isinstance(color, Mapping):
            return _object(recolor(self.patch, color) * self.mask, self.mask, self.top, self.left)
        check_color("recolored", color)
        return _object(self.mask * np.int8(color), self.mask, self.top, self.left)

    def turned(self, function: Callable[[Any], Any]) -> Object:
        """The object with patch and mask turned, e.g. by ``flip_left_right``; top and left stay.

        Args:
            function: grid -> grid, used on the patch and on the mask.

        Raises:
            DslError: patch and mask differ in shape afterwards, or no cell is left.

        Example:
            >>> find_objects(to_grid([[0, 0], [3, 0]]))[0].turned(lambda g: upscale(g, 2)).size
            4
        """
        return Object(function(self.patch), function(self.mask), self.top, self.left)

    def same_shape(self, other: Object, turns: bool = False) -> bool:
        """Whether both have the same mask, whatever their colours and places.

        Args:
            other: to compare with.
            turns: a mask turned or mirrored counts as the same.

        Example:
            >>> a, b = find_objects(to_grid([[1, 1, 0, 2], [0, 0, 0, 2]]))
            >>> a.same_shape(b), a.same_shape(b, turns=True)
            (False, True)
        """
        if not turns:
            return self.shape_key == other.shape_key
        if self.size != other.size:
            return False
        return any(np.array_equal(self.mask, mask) for mask in eight_turns(other.mask))

    def touches(self, other: Object, diagonal: bool = True) -> bool:
        """Whether a cell of one lies beside (or on) a cell of the other.

        Args:
            other: another object of the same grid.
            diagonal: to share only a corner is enough.

        Example:
            >>> a, b = find_objects(to_grid([[1, 0], [0, 2]]))
            >>> a.touches(b), a.touches(b, diagonal=False)
            (True, False)
        """
        return near(self, other, 1, diagonal)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Object) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def __repr__(self) -> str:
        place = f"{self.height}x{self.width} at ({self.top}, {self.left})"
        return f"Object({place}, {self.size} cells, colors {self.colors})"

    def _content(self) -> Hashable:
        return self.top, self.left, self.shape_key, self.patch.tobytes()


def find_objects(
    grid: Grid,
    background: int | Collection[int] | None = 0,
    diagonal: bool = True,
    by_color: bool = True,
) -> list[Object]:
    """The connected shapes of a grid, by (top, left) of their boxes.

    Args:
        grid: shape (H, W).
        background: a colour or colours that belong to no object; None: every colour makes objects.
        diagonal: cells that share only a corner are connected too.
        by_color: an object has one colour; else connected cells of any colours are one object.

    Raises:
        DslError: the grid has not two dimensions.

    Example:
        >>> grid = to_grid([[1, 0, 0, 2], [1, 0, 3, 2]])
        >>> [(obj.color, obj.size) for obj in find_objects(grid)]
        [(1, 2), (2, 2), (3, 1)]
        >>> [obj.size for obj in find_objects(grid, by_color=False)]
        [2, 3]
    """
    cells = np.asarray(grid, dtype=np.int8)
    if cells.ndim != 2:
        raise DslError(f"find_objects: an array of shape {cells.shape}, expected a grid")
    ignored = () if background is None else background
    values = cells.copy() if by_color else np.zeros_like(cells)
    for color in ignored if isinstance(ignored, Collection) else (ignored,):
        values[cells == color] = -1
    labels, boxes = label(values, diagonal)
    own, full = cells.copy(), np.ones(cells.shape, dtype=np.bool_)
    found = []
    # Boxes come by their first cell, so by their tops already.
    for number, (top, left, bottom, right) in sorted(
        enumerate(boxes, start=1), key=lambda numbered: numbered[1][:2]
    ):
        patch = own[top : bottom + 1, left : right + 1]
        if top == bottom or left == right:
            mask = full[: bottom - top + 1, : right - left + 1]
        else:
            mask = labels[top : bottom + 1, left : right + 1] == number
            patch = patch * mask
        found.append(_object(patch, mask, top, left))
    return found


def object_from(grid: Grid, mask: Mask) -> Object:
    """The cells of a grid at which a mask is True, as one object.

    Args:
        grid: shape (H, W).
        mask: shape (H, W).

    Raises:
        DslError: the shapes differ, or no cell is True.

    Example:
        >>> grid = to_grid([[0, 4, 5], [0, 0, 0]])
        >>> object_from(grid, grid > 0).cells
        [(0, 1), (0, 2)]
    """
    cells: Grid = new_cells("object_from", grid)
    chosen: Mask = new_cells("object_from", mask).astype(np.bool_)
    if cells.shape != chosen.shape:
        raise DslError(f"object_from: a mask of shape {chosen.shape}, expected {cells.shape}")
    rows, columns = np.nonzero(chosen)
    if not rows.size:
        raise DslError(f"object_from: no True cell in shape {chosen.shape}, expected one or more")
    top, left = int(rows[0]), int(columns.min())
    window = slice(top, int(rows[-1]) + 1), slice(left, int(columns.max()) + 1)
    return _object(cells[window] * chosen[window], chosen[window].copy(), top, left)


def draw(grid: Grid, obj: Object, color: int | None = None) -> Grid:
    """The grid with an object drawn on it; what hangs over the edges is cut off.

    Args:
        grid: shape (H, W).
        obj: to draw, at its place.
        color: to draw it in; without one, its own colours.

    Raises:
        DslError: the colour is not 0 to 9.

    Example:
        >>> obj = find_objects(to_grid([[6, 6]]))[0]
        >>> draw(new_grid(2, 3), obj.moved(1, 2)).tolist()
        [[0, 0, 0], [0, 0, 6]]
    """
    result: Grid = new_cells("draw", grid)
    if color is not None:
        check_color("draw", color)
    height, width = result.shape
    first, begin = max(0, -obj.top), max(0, -obj.left)
    window = slice(first, max(0, height - obj.top)), slice(begin, max(0, width - obj.left))
    mask = obj.mask[window]
    row, column = obj.top + first, obj.left + begin
    under = result[row : row + mask.shape[0], column : column + mask.shape[1]]
    np.copyto(under, obj.patch[window] if color is None else np.int8(color), where=mask)
    return result


def erase(grid: Grid, obj: Object, color: int = 0) -> Grid:
    """The grid with the cells of an object in one colour, as if it were not there.

    Args:
        grid: shape (H, W).
        obj: to take away; cells of it outside the grid do not matter.
        color: that its cells get.

    Raises:
        DslError: the colour is not 0 to 9.

    Example:
        >>> grid = to_grid([[1, 0, 2]])
        >>> erase(grid, find_objects(grid)[0]).tolist()
        [[0, 0, 2]]
    """
    check_color("erase", color)
    return draw(grid, obj, color)


def object_grid(grid: Grid, obj: Object) -> Grid:
    """The part of a grid in an object's box, shape (h, w), with all that lies there.

    Args:
        grid: shape (H, W).
        obj: whose box to cut out.

    Raises:
        DslError: the box leaves the grid.

    Example:
        >>> grid = to_grid([[5, 5, 5], [5, 2, 0]])
        >>> object_grid(grid, find_objects(grid)[0]).tolist()
        [[5, 5, 5], [5, 2, 0]]
    """
    cells: Grid = new_cells("object_grid", grid)
    height, width = cells.shape
    if obj.top < 0 or obj.left < 0 or obj.bottom >= height or obj.right >= width:
        raise DslError(f"object_grid: {obj}, expected one inside the grid of {height}x{width}")
    return cells[obj.top : obj.bottom + 1, obj.left : obj.right + 1].copy()


def near(a: Object, b: Object, distance: int, diagonal: bool = True) -> bool:
    """Whether a cell of one is within some steps of a cell of the other.

    Args:
        a: an object.
        b: an object.
        distance: steps; 1: side by side.
        diagonal: a step may go to any of the eight cells around, else to one of four.
    """
    if (
        a.top - distance > b.bottom
        or b.top - distance > a.bottom
        or a.left - distance > b.right
        or b.left - distance > a.right
    ):
        return False
    rows_a, columns_a = np.nonzero(a.mask)
    rows_b, columns_b = np.nonzero(b.mask)
    rows = np.abs(np.subtract.outer(rows_a + a.top, rows_b + b.top))
    columns = np.abs(np.subtract.outer(columns_a + a.left, columns_b + b.left))
    steps = np.maximum(rows, columns) if diagonal else rows + columns
    return bool((steps <= distance).any())


def _object(patch: Grid, mask: Mask, top: int, left: int) -> Object:
    """An object of arrays that are its own and fit each other."""
    obj: Object = object.__new__(Object)
    _fill(obj, patch, mask, top, left)
    return obj


def _fill(obj: Object, patch: Grid, mask: Mask, top: int, left: int) -> None:
    patch.setflags(write=False)
    mask.setflags(write=False)
    _set(obj, "patch", patch)
    _set(obj, "mask", mask)
    _set(obj, "top", top)
    _set(obj, "left", left)


_set = object.__setattr__
