"""Repetition: tiles, blocks, periods, and patterns completed by them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.omniarc.dsl.errors import DslError
from arcflow.omniarc.dsl.types import Cells, Grid, new_cells


def tile(grid: Cells, rows: int, columns: int) -> Cells:
    """Copies of the grid side by side, shape (rows * H, columns * W).

    Args:
        grid: a grid or a mask, shape (H, W).
        rows: of copies, 1 or more.
        columns: of copies, 1 or more.

    Raises:
        DslError: a number is below 1.

    Example:
        >>> tile(to_grid([[1, 2]]), 2, 2).tolist()
        [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    if rows < 1 or columns < 1:
        raise DslError(f"tile: {rows}x{columns} copies, expected 1 or more each way")
    return np.tile(new_cells("tile", grid), (rows, columns))


def upscale(grid: Cells, factor: int | tuple[int, int]) -> Cells:
    """Every cell becomes a block of cells.

    Args:
        grid: a grid or a mask, shape (H, W).
        factor: side of the blocks, or their (height, width), 1 or more.

    Raises:
        DslError: a factor is below 1.

    Example:
        >>> upscale(to_grid([[1, 2]]), (1, 2)).tolist()
        [[1, 1, 2, 2]]
    """
    height, width = _factors("upscale", factor)
    return new_cells("upscale", grid).repeat(height, axis=0).repeat(width, axis=1)


def downscale(grid: Cells, factor: int | tuple[int, int]) -> Cells:
    """Every block of cells becomes one cell of the block's commonest colour (ties: the lowest).

    Args:
        grid: a grid or a mask, shape (H, W).
        factor: side of the blocks, or their (height, width), 1 or more.

    Raises:
        DslError: a factor is below 1, or the grid's sides are no multiples of the blocks'.

    Example:
        >>> downscale(to_grid([[1, 1, 2, 2], [1, 1, 2, 0]]), 2).tolist()
        [[1, 2]]
    """
    height, width = _factors("downscale", factor)
    cells = new_cells("downscale", grid)
    if cells.shape[0] % height or cells.shape[1] % width:
        raise DslError(
            f"downscale: grid of {cells.shape[0]}x{cells.shape[1]}, "
            f"expected multiples of {height}x{width}"
        )
    rows, columns = cells.shape[0] // height, cells.shape[1] // width
    blocks = cells.reshape(rows, height, columns, width).swapaxes(1, 2).reshape(rows, columns, -1)
    first = blocks[:, :, 0]
    if (blocks == first[:, :, None]).all():
        return first.copy()
    counts = [np.count_nonzero(blocks == color, axis=2) for color in range(10)]
    return np.argmax(counts, axis=0).astype(cells.dtype)


def find_period(grid: Grid, axis: int, hole: int | None = None) -> int:
    """After how many rows (axis 0) or columns (axis 1) the grid repeats; its side if it does not.

    The smallest step such that all cells agree that lie any number of steps apart.

    Args:
        grid: shape (H, W).
        axis: 0: rows, 1: columns.
        hole: a colour of unknown cells, which agree with every colour.

    Raises:
        DslError: the axis is neither 0 nor 1.

    Example:
        >>> find_period(to_grid([[1, 2, 3, 1, 2, 3, 1]]), axis=1)
        3
    """
    if axis not in (0, 1):
        raise DslError(f"find_period: axis {axis}, expected 0 or 1")
    cells = np.asarray(grid)
    height, width = cells.shape
    sides = range(1, cells.shape[axis])
    pattern = _Pattern(cells, hole)
    for side in sides:
        lattice = (side, 0, width) if axis == 0 else (height, 0, side)
        if pattern.repeats(lattice):
            return side
    return int(cells.shape[axis])


def smallest_tile(grid: Grid, hole: int | None = None) -> Grid:
    """The smallest grid whose copies side by side make this one, the last ones cut off maybe.

    Args:
        grid: shape (H, W).
        hole: a colour of unknown cells; those of the tile that no copy shows keep it.

    Example:
        >>> smallest_tile(to_grid([[1, 2, 1, 2, 1], [3, 4, 3, 4, 3]])).tolist()
        [[1, 2], [3, 4]]
    """
    pattern = _Pattern(grid, hole)
    lattice = pattern.smallest(slanted=False)
    return pattern.filled(lattice)[: lattice[0], : lattice[2]].copy()


def complete_tiling(grid: Grid, hole: int) -> Grid:
    """The grid with its holes filled from the smallest repetition that no cell contradicts.

    The pattern may repeat straight (a tile side by side) or slanted (diagonal stripes, bricks).
    Holes at places of the pattern that no cell shows stay.

    Args:
        grid: shape (H, W).
        hole: the colour of the cells to fill.

    Example:
        >>> complete_tiling(to_grid([[1, 2, 3, 1], [0, 3, 0, 2], [3, 0, 0, 3]]), 0).tolist()
        [[1, 2, 3, 1], [2, 3, 1, 2], [3, 1, 2, 3]]
    """
    pattern = _Pattern(grid, hole)
    if pattern.complete:
        return pattern.cells
    return pattern.filled(pattern.smallest(slanted=True))


def _factors(where: str, factor: int | tuple[int, int]) -> tuple[int, int]:
    height, width = factor if isinstance(factor, Sequence) else (factor, factor)
    if height < 1 or width < 1:
        raise DslError(f"{where}: factor {factor}, expected 1 or more")
    return height, width


_Lattice = tuple[int, int, int]
"""(rows, slant, columns): cells repeat after `columns` to the right, and after `rows` down
together with `slant` to the right."""


@cache
def _tiles(height: int, width: int) -> list[tuple[int, int]]:
    """The (rows, columns) of all tiles that fit, those of fewest cells first."""
    sizes = [(rows, columns) for rows in range(1, height + 1) for columns in range(1, width + 1)]
    return sorted(sizes, key=lambda size: size[0] * size[1])


class _Pattern:
    """A grid with unknown cells that may repeat."""

    def __init__(self, cells: NDArray[Any], hole: int | None) -> None:
        self.cells: Grid = new_cells("pattern", cells)
        self.known = np.ones(cells.shape, np.bool_) if hole is None else self.cells != hole
        self.complete = bool(self.known.all())
        self._agrees: dict[tuple[int, int], bool] = {}

    def repeats(self, lattice: _Lattice) -> bool:
        """Whether no two known cells contradict each other."""
        rows, slant, columns = lattice
        if not (self._agree(0, columns) and self._agree(rows, slant)):
            return False
        # A grid without holes is asked for straight repetition alone: one step says it all.
        if self.complete:
            return True
        places = self._places(lattice)[self.known]
        colors = self.cells[self.known]
        table = np.zeros(rows * columns, np.int8)
        table[places] = colors
        return bool((table[places] == colors).all())

    def smallest(self, slanted: bool) -> _Lattice:
        """The repetition of fewest cells, straight ones before slanted ones.

        The last tile is the whole grid, which repeats nothing.
        """
        height, width = self.cells.shape
        return next(
            (rows, slant, columns)
            for rows, columns in _tiles(height, width)
            if self._agree(0, columns)
            for slant in range(columns if slanted and rows < height else 1)
            if self.repeats((rows, slant, columns))
        )

    def filled(self, lattice: _Lattice) -> Grid:
        """The grid with its unknown cells filled where the pattern shows them."""
        places = self._places(lattice)
        table = np.full(lattice[0] * lattice[2], -1, np.int8)
        table[places[self.known]] = self.cells[self.known]
        colors = table[places]
        return np.where(self.known | (colors < 0), self.cells, colors)

    def _agree(self, d_row: int, d_col: int) -> bool:
        """Whether known cells agree with those one step further; d_row, d_col >= 0."""
        key = d_row, d_col
        if key not in self._agrees:
            height, width = self.cells.shape
            here = (slice(0, max(0, height - d_row)), slice(0, max(0, width - d_col)))
            there = (slice(d_row, None), slice(d_col, None))
            both = self.known[here] & self.known[there]
            self._agrees[key] = not (both & (self.cells[here] != self.cells[there])).any()
        return self._agrees[key]

    def _places(self, lattice: _Lattice) -> NDArray[np.intp]:
        """For each cell its place in the pattern's smallest part, 0 .. rows * columns - 1."""
        rows, slant, columns = lattice
        height, width = self.cells.shape
        steps, row = np.divmod(np.arange(height)[:, None], rows)
        return row * columns + (np.arange(width)[None] - steps * slant) % columns
