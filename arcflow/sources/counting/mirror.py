"""Families about mirroring and turning."""

import numpy as np

from arcflow.sources.counting.draw import Cells, Draw, NoRoomError, full, images, paint, stamp
from arcflow.sources.counting.registry import Make, family


@family("mirror")
def mirror_grid(draw: Draw) -> Make:
    """Mirror the grid: left and right, top and bottom, or at a diagonal."""
    chosen, palette = draw.between(4, 7), draw.colors(draw.between(2, 5))

    def pair() -> tuple[Cells, ...]:
        shape = draw.side(2, 12), draw.side(2, 12)
        cells = draw.noise(shape, palette, draw.between(3, 9) / 10)
        all_eight = images(cells)
        return cells, all_eight.pop(chosen), *all_eight

    return pair


@family("mirror")
def mirror_turn(draw: Draw) -> Make:
    """Turn the grid: by a quarter, a half or three quarters."""
    chosen, palette = draw.between(1, 3), draw.colors(draw.between(2, 5))

    def pair() -> tuple[Cells, ...]:
        shape = draw.side(2, 12), draw.side(2, 12)
        cells = draw.noise(shape, palette, draw.between(3, 9) / 10)
        all_eight = images(cells)
        return cells, all_eight.pop(chosen), *all_eight

    return pair


@family("mirror")
def mirror_beside(draw: Draw) -> Make:
    """Put the mirror image of the grid on one side of it."""
    side, palette = draw.between(0, 3), draw.colors(draw.between(1, 4))

    def pair() -> tuple[Cells, ...]:
        shape = draw.side(3, 8), draw.side(3, 8)
        cells = draw.noise(shape, palette, draw.between(3, 8) / 10)
        across, down = cells[:, ::-1], cells[::-1]
        beside = [
            np.hstack([cells, across]),
            np.hstack([across, cells]),
            np.vstack([cells, down]),
            np.vstack([down, cells]),
        ]
        out = beside.pop(side)
        join = np.vstack if side > 1 else np.hstack
        return cells, out, *beside, join([cells, cells])

    return pair


@family("mirror")
def mirror_four(draw: Draw) -> Make:
    """Put the grid in one corner, and its mirror images around it."""
    corner, palette = draw.between(0, 3), draw.colors(draw.between(1, 4))

    def pair() -> tuple[Cells, ...]:
        shape = draw.side(2, 6), draw.side(2, 6)
        cells = draw.noise(shape, palette, draw.between(3, 8) / 10)

        def four(cells: Cells) -> Cells:
            top = np.hstack([cells, cells[:, ::-1]])
            return np.vstack([top, top[::-1]])

        corners = [four(one) for one in (cells, cells[:, ::-1], cells[::-1], cells[::-1, ::-1])]
        return cells, corners.pop(corner), *corners, np.tile(cells, (2, 2))

    return pair


@family("mirror")
def mirror_repair(draw: Draw) -> Make:
    """Restore the covered part of a symmetric grid from the other side."""
    cover = draw.colors(1)[0]
    palette, upright = draw.colors(draw.between(3, 5), but=[cover]), draw.chance()

    def pair() -> tuple[Cells, ...]:
        height, half = draw.side(5), draw.side(3, 7)
        left = draw.noise((height, half), palette, 0.8)
        whole = np.hstack([left, left[:, ::-1]])
        rows, columns = draw.between(2, height - 2), draw.between(1, half)
        top, start = draw.between(0, height - rows), draw.between(0, half - columns)
        if draw.chance():
            start = 2 * half - start - columns
        box = np.s_[top : top + rows, start : start + columns]
        cells, other = whole.copy(), whole.copy()
        cells[box] = cover
        other[box] = whole[::-1][box]
        grids = cells, whole, other
        return tuple(grid.T for grid in grids) if upright else grids

    return pair


@family("mirror")
def mirror_at_line(draw: Draw) -> Make:
    """Mirror the object at the line, to its other side."""
    line, turn = draw.colors(1)[0], draw.turn()
    palette = draw.colors(draw.between(1, 3), but=[line])

    def pair() -> tuple[Cells, ...]:
        height, half = draw.side(4), draw.side(3, 7)
        mask = draw.shape(draw.between(3, 7))
        patch = draw.noise(mask.shape, palette, 1.0) * paint(mask, 1)
        if patch.shape[0] > height or patch.shape[1] > half:
            raise NoRoomError
        cells = full(height, 2 * half + 1, 0)
        cells[:, half] = line
        top, left = draw.between(0, height - patch.shape[0]), draw.between(0, half - patch.shape[1])
        stamp(cells, patch, top, left)
        out, shifted = cells.copy(), cells.copy()
        stamp(out, patch[:, ::-1], top, 2 * half + 1 - left - patch.shape[1])
        stamp(shifted, patch, top, left + half + 1)
        return turn(cells), turn(out), turn(shifted)

    return pair
