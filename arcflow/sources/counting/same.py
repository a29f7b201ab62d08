"""Families about sameness: the odd one out, and what two halves have in common."""

import numpy as np

from arcflow.sources.counting.compare import ends
from arcflow.sources.counting.draw import Cells, Draw, NoRoomError, full, images, paint
from arcflow.sources.counting.registry import Make, family


def alike(a: Cells, b: Cells) -> bool:
    """Return whether one figure is the other, turned or mirrored."""
    return any(np.array_equal(a, image) for image in images(b))


@family("same")
def odd_shape(draw: Draw) -> Make:
    """Cut out the one of several objects whose shape no other has."""
    palette = draw.colors(draw.between(1, 4))

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        common, odd = (draw.shape(draw.between(3, 6)) for _ in range(2))
        if alike(common.astype(np.int8), odd.astype(np.int8)):
            raise NoRoomError
        masks = [odd] + [common] * draw.number(2, min(4, canvas.area // 30))
        patches = [paint(mask, draw.pick(palette)) for mask in masks]
        places = {canvas.put(patch): patch for patch in patches}
        sizes = sorted(patches, key=np.count_nonzero)
        alone = [patch for patch in patches if sum(patch.max() == o.max() for o in patches) == 1]
        by_color = alone[0] if len(alone) == 1 else patches[1]
        return canvas.cells, patches[0], *ends(places), sizes[0], sizes[-1], by_color

    return pair


@family("same")
def odd_color(draw: Draw) -> Make:
    """Cut out the one of several objects whose colour no other has."""

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        odd, *others = draw.colors(draw.between(2, 3))
        n = 1 if len(others) == 2 and canvas.area < 150 else draw.number(1, 2)
        colors = [odd] + [color for color in others for _ in range(n + 1)]
        patches = [draw.blob(color, 1, 6) for color in colors]
        places = {canvas.put(patch): patch for patch in patches}
        sizes = sorted(patches, key=np.count_nonzero)
        return canvas.cells, patches[0], *ends(places), sizes[0], sizes[-1]

    return pair


@family("same")
def odd_tile(draw: Draw) -> Make:
    """Keep the one of three tiles that differs from the other two."""
    line, *palette = draw.colors(draw.between(2, 4))
    upright, side = draw.chance(), draw.between(2, 5)

    def pair() -> tuple[Cells, ...]:
        shape = side, draw.between(2, 5)
        common, odd = (draw.noise(shape, palette, 0.6) for _ in range(2))
        if np.array_equal(common, odd):
            raise NoRoomError
        tiles = [common] * 3
        tiles[draw.between(0, 2)] = odd
        bar = full(shape[0], 1, line)
        cells = np.hstack([tiles[0], bar, tiles[1], bar, tiles[2]])
        by_number = sorted(tiles, key=np.count_nonzero)
        grids = cells, odd, *tiles, by_number[0], by_number[-1]
        return tuple(grid.T for grid in grids) if upright else grids

    return pair


@family("same")
def same_cells(draw: Draw) -> Make:
    """Mark the cells coloured in both halves (or in either, in one only, in none)."""
    first, second, line = draw.colors(3)
    color, upright, rule = draw.colors(1)[0], draw.chance(), draw.between(0, 5)
    density = draw.between(3, 6) / 10

    def pair() -> tuple[Cells, ...]:
        shape = draw.between(3, 9), draw.between(3, 6)
        a, b = draw.rng.random((2, *shape)) < density
        cells = np.hstack([paint(a, first), full(shape[0], 1, line), paint(b, second)])
        outs = [paint(m, color) for m in (a & b, a | b, a ^ b, ~(a | b), a & ~b, b & ~a)]
        grids = cells, outs.pop(rule), *outs, paint(a, color), paint(b, color)
        return tuple(grid.T for grid in grids) if upright else grids

    return pair


@family("same")
def same_or_not(draw: Draw) -> Make:
    """Make a square of one colour if the two halves are equal, of another if they are not."""
    line, *palette = draw.colors(draw.between(2, 4))
    equal, unequal = draw.colors(2)
    side = draw.between(1, 3)

    def pair() -> tuple[Cells, ...]:
        shape = draw.side(3), draw.between(2, 6)
        left = draw.noise(shape, palette, 0.5)
        same = draw.chance()
        right = left if same else draw.pick([left[:, ::-1], left[::-1], left[::-1, ::-1]])
        if np.array_equal(left, right) != same:
            raise NoRoomError
        if not same and draw.chance(0.3):
            right = draw.noise(shape, palette, 0.5)
        cells = np.hstack([left, full(shape[0], 1, line), right])
        as_many = np.count_nonzero(left) == np.count_nonzero(right)
        chosen = equal if same else unequal, equal if as_many else unequal
        return cells, *(full(side, side, color) for color in chosen)

    return pair


@family("same")
def same_as_key(draw: Draw) -> Make:
    """Give the objects with the key's shape the key's colour."""
    key, color = draw.colors(2)

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        mask = draw.shape(draw.between(3, 5))
        canvas.put(paint(mask, key))
        out, every = canvas.cells.copy(), canvas.cells.copy()
        n = draw.number(2, min(5, canvas.area // 25))
        for i in range(n):
            one = mask if i == 0 else draw.shape(draw.between(2, 5))
            if i > 1 and draw.chance(0.3):
                one = mask
            same = np.array_equal(one, mask)
            if not same and alike(one.astype(np.int8), mask.astype(np.int8)):
                raise NoRoomError
            top, left = canvas.put(paint(one, color))
            box = np.s_[top : top + one.shape[0], left : left + one.shape[1]]
            out[box] += paint(one, key if same else color)
            every[box] += paint(one, key)
        return canvas.cells, out, every

    return pair
