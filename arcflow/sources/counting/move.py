"""Families about moving: fall, slide, step, go round."""

import numpy as np

from arcflow.sources.counting.draw import Cells, Draw, NoRoomError, full, quarter, stamp
from arcflow.sources.counting.registry import Make, family


def fallen(cells: Cells, turns: int) -> Cells:
    """Return the grid with all coloured cells fallen down, turned before and back afterwards.

    Args:
        cells: The grid, of shape (H, W).
        turns: The number of quarter turns, counter-clockwise, in which the cells fall.
    """
    turned = np.rot90(cells, turns)
    order = np.argsort(turned != 0, axis=0, kind="stable")
    return np.rot90(np.take_along_axis(turned, order, axis=0), -turns)


@family("move")
def move_fall(draw: Draw) -> Make:
    """Let all coloured cells fall to one side, one upon the other."""
    direction, palette = draw.between(0, 3), draw.colors(draw.between(1, 4))

    def pair() -> tuple[Cells, ...]:
        cells = draw.noise((draw.side(3), draw.side(3)), palette, draw.between(1, 4) / 10)
        sides = [fallen(cells, turns) for turns in range(4)]
        return cells, sides.pop(direction), *sides

    return pair


@family("move")
def move_step(draw: Draw) -> Make:
    """Move every object so many cells down and across."""
    down, across = draw.pick(
        [(i, j) for i in range(-3, 4) for j in range(-3, 4) if (i or j) and (not i or not j)]
        + [(1, 1), (1, -1), (-1, 1), (-1, -1), (2, 2), (2, -2), (-2, 2), (-2, -2)]
    )

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        height, width = canvas.cells.shape
        out = canvas.cells.copy()
        for _ in range(draw.number(1, min(4, canvas.area // 25))):
            patch = draw.blob(draw.between(1, 9), 2, 6)
            top, left = canvas.put(patch, gap=0)
            right = 0 <= left + across <= width - patch.shape[1]
            if not (right and 0 <= top + down <= height - patch.shape[0]):
                raise NoRoomError
            stamp(out, patch, top + down, left + across)
        return canvas.cells, out

    return pair


@family("move")
def move_to_wall(draw: Draw) -> Make:
    """Slide the objects straight to the wall, to stop before it."""
    wall = draw.colors(1)[0]
    palette = draw.colors(draw.between(1, 3), but=[wall])

    def pair() -> tuple[Cells, ...]:
        height, width, side = draw.side(6), draw.side(6), draw.between(0, 3)
        cells, out = full(height, width, 0), full(height, width, 0)
        cells[:, -1] = out[:, -1] = wall
        row = draw.between(0, 2)
        for _ in range(draw.number(1, 4)):
            patch = draw.blob(draw.pick(palette), 1, 5)
            if row + patch.shape[0] > height:
                break
            far = width - 1 - patch.shape[1]
            stamp(cells, patch, row, draw.between(0, far - 1))
            stamp(out, patch, row, far)
            row += patch.shape[0] + draw.between(1, 2)
        turn = quarter(side)
        # The rivals always move to the same side.
        rivals = [turn(out if side == one else cells) for one in range(4)]
        return turn(cells), turn(out), *rivals

    return pair


@family("move")
def move_own_width(draw: Draw) -> Make:
    """Move the object to one side by its own length in that direction."""
    turn, palette = draw.turn(), draw.colors(draw.between(1, 3))

    def pair() -> tuple[Cells, ...]:
        height, width = draw.side(5), draw.side(8)
        patch = draw.blob(draw.pick(palette), 2, 8)
        long = patch.shape[1]
        if patch.shape[0] > height or 2 * long > width:
            raise NoRoomError
        top, left = draw.between(0, height - patch.shape[0]), draw.between(0, width - 2 * long)

        def at(step: int) -> Cells:
            cells = full(height, width, 0)
            stamp(cells, patch, top, left + step)
            return turn(cells)

        return at(0), at(long), *map(at, (1, 2, 3, 4, patch.shape[0], width - long - left))

    return pair


@family("move")
def move_around(draw: Draw) -> Make:
    """Move every row (or column) on; what leaves at one end comes back at the other."""
    axis, step = draw.between(0, 1), draw.pick((-2, -1, 1, 2))
    palette = draw.colors(draw.between(2, 5))

    def pair() -> tuple[Cells, ...]:
        cells = draw.noise((draw.side(4), draw.side(4)), palette, draw.between(3, 9) / 10)
        out = np.roll(cells, step, axis)
        lost = out.copy()
        np.moveaxis(lost, axis, 0)[slice(step) if step > 0 else slice(step, None)] = 0
        return cells, out, lost, np.roll(cells, step, 1 - axis)

    return pair


@family("move")
def move_one_color(draw: Draw) -> Make:
    """Move the objects of one colour one step in one direction, while all others stay."""
    color, *others = draw.colors(draw.between(2, 4))
    down, across = draw.pick([(0, 1), (0, -1), (1, 0), (-1, 0)])

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        out, every = canvas.cells.copy(), canvas.cells.copy()
        most = min(4, canvas.area // 35)
        moving, staying = draw.number(1, most), draw.number(1, most)
        for one in [color] * moving + [draw.pick(others) for _ in range(staying)]:
            patch = draw.blob(one, 1, 4)
            height, width = patch.shape
            # The reserved box has room for the object and for its step.
            top, left = canvas.spot(height + abs(down), width + abs(across))
            top, left = top + (down < 0), left + (across < 0)
            stamp(canvas.cells, patch, top, left)
            moved = one == color
            stamp(out, patch, top + down * moved, left + across * moved)
            stamp(every, patch, top + down, left + across)
        return canvas.cells, out, every

    return pair
