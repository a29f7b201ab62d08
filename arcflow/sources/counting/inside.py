"""Families about the inside and the outside of frames."""

import numpy as np

from arcflow.sources.counting.draw import Canvas, Cells, Draw, Mask, NoRoomError, frame, full
from arcflow.sources.counting.fill import opened
from arcflow.sources.counting.registry import Make, family


def framed(draw: Draw, line: int, frames: int) -> tuple[Canvas, Mask, Mask]:
    """Return a canvas with frames, and the masks of the cells inside and outside of them.

    Args:
        draw: The random choices of the task.
        line: The colour of the frames.
        frames: The number of frames.
    """
    canvas = draw.canvas(8)
    inside, outside = np.zeros((2, *canvas.cells.shape), dtype=np.bool_)
    outside[:] = True
    for _ in range(frames):
        height, width = draw.between(4, 7), draw.between(4, 7)
        top, left = canvas.put(frame(height, width, line))
        outside[top : top + height, left : left + width] = False
        inside[top + 1 : top + height - 1, left + 1 : left + width - 1] = True
    return canvas, inside, outside


def dots(draw: Draw, where: Mask, low: int, high: int) -> Mask:
    """Return the mask of a random number of cells among those of ``where``.

    Args:
        draw: The random choices of the task.
        where: The cells to choose from, at most half of which are taken.
        low: The least number of cells.
        high: The largest number of cells.
    """
    free = np.flatnonzero(where)
    n = draw.number(low, min(high, len(free) // 2))
    mask = np.zeros(where.shape, dtype=np.bool_)
    mask.flat[draw.rng.permutation(free)[:n]] = True
    return mask


@family("inside")
def inside_recolor(draw: Draw) -> Make:
    """Give the dots inside (or outside) frames another colour."""
    line, dot, marked = draw.colors(3)
    within = draw.chance()

    def pair() -> tuple[Cells, ...]:
        canvas, inside, outside = framed(draw, line, draw.number(1, 3))
        ins, outs = dots(draw, inside, 1, 5), dots(draw, outside, 1, 6)
        cells = np.where(ins | outs, dot, canvas.cells).astype(np.int8)
        marks = [np.where(mask, np.int8(marked), cells) for mask in (ins, outs, ins | outs)]
        return cells, marks.pop(0 if within else 1), *marks

    return pair


@family("inside")
def inside_erase(draw: Draw) -> Make:
    """Erase what lies inside (or outside) frames."""
    line, *palette = draw.colors(draw.between(3, 5))
    within = draw.chance()

    def pair() -> tuple[Cells, ...]:
        canvas, inside, outside = framed(draw, line, draw.number(1, 3))
        ins, outs = dots(draw, inside, 2, 6), dots(draw, outside, 2, 8)
        chosen = draw.noise(inside.shape, palette, 1.0)
        cells = np.where(ins | outs, chosen, canvas.cells)
        grids = [np.where(mask, np.int8(0), cells) for mask in (ins, outs, ins | outs)]
        return cells, grids.pop(0 if within else 1), *grids

    return pair


@family("inside")
def inside_crop(draw: Draw) -> Make:
    """Cut out what is inside the frame."""
    line, *palette = draw.colors(draw.between(2, 5))

    def pair() -> tuple[Cells, ...]:
        height, width = draw.side(7), draw.side(7)
        cells = draw.noise((height, width), palette, draw.between(2, 7) / 10)
        rows, columns = draw.between(2, height - 4), draw.between(2, width - 4)
        top, left = draw.between(0, height - rows - 2), draw.between(0, width - columns - 2)
        box = cells[top : top + rows + 2, left : left + columns + 2]
        inner = box[1:-1, 1:-1].copy()
        box[:] = line
        box[1:-1, 1:-1] = inner
        return cells, inner, box.copy()

    return pair


@family("inside")
def inside_shut_out(draw: Draw) -> Make:
    """Colour everything that is not shut in by a closed outline."""
    line, outer = draw.colors(2)

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        shut, every = (np.zeros(canvas.cells.shape, dtype=np.bool_) for _ in range(2))
        for i in range(draw.number(2, min(5, canvas.area // 30))):
            height, width = draw.between(3, 6), draw.between(3, 6)
            closed = i == 0 or draw.chance()
            outline = frame(height, width, line)
            top, left = canvas.put(outline if closed else opened(draw, outline))
            inner = np.s_[top + 1 : top + height - 1, left + 1 : left + width - 1]
            shut[inner] |= closed
            every[inner] = True
        cells = canvas.cells
        free = cells == 0
        return (
            cells,
            np.where(free & ~shut, np.int8(outer), cells),
            np.where(free & ~every, np.int8(outer), cells),
        )

    return pair


@family("inside")
def inside_count(draw: Draw) -> Make:
    """Make a row of as many cells as there are dots inside the frame."""
    line, dot, color = *draw.colors(2), draw.colors(1)[0]

    def pair() -> tuple[Cells, ...]:
        canvas, inside, outside = framed(draw, line, 1)
        ins, outs = dots(draw, inside, 1, 8), dots(draw, outside, 1, 8)
        cells = np.where(ins | outs, np.int8(dot), canvas.cells)
        within, without = int(ins.sum()), int(outs.sum())
        return cells, *(full(1, n, color) for n in (within, without, within + without))

    return pair


@family("inside")
def inside_most(draw: Draw) -> Make:
    """Cut out the inside of the frame that holds the most (or fewest) dots."""
    line, dot = draw.colors(2)
    best = draw.pick((-1, 0))

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(11)
        made: list[tuple[int, int, int, Cells]] = []
        for n in draw.some(range(1, 7), draw.number(2, min(4, canvas.area // 45))):
            height, width = draw.between(4, 6), draw.between(4, 6)
            box = frame(height, width, line)
            inner = box[1:-1, 1:-1]
            if n >= inner.size:
                raise NoRoomError
            draw.scatter(inner, [dot] * n)
            made.append((n, *canvas.put(box), inner))
        by_dots, by_size = (
            [one[3] for one in sorted(made, key=key)]
            for key in (lambda one: one[0], lambda one: one[3].size)
        )
        down, across = (
            [one[3] for one in sorted(made, key=key)]
            for key in (lambda one: one[1], lambda one: one[2])
        )
        rivals = by_size[-1], by_size[0], down[0], down[-1], across[0], across[-1]
        return canvas.cells, by_dots[best], by_dots[-1 - best], *rivals

    return pair
