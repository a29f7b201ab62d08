"""Rings within rings."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("539a4f51")
def corners_go_on_in_turn(grid):
    """Nested corners of changing colours go on, in turn, to twice the size."""
    side = len(grid)
    rows, columns = np.indices((2 * side, 2 * side))
    for turns in range(4):
        turned = rotate(grid, turns)
        number = np.count_nonzero(np.diagonal(turned))
        if number == 0:
            continue
        result = np.diagonal(turned)[np.maximum(rows, columns) % number]
        small = result[:side, :side]
        if same(np.where(turned != 0, small, 0), turned):
            return rotate(result, -turns)
    raise DslError("no nested corners")


@program("4290ef0e")
def frames_in_each_other(grid):
    """Every colour is a symmetric frame, maybe cut off: they are put whole into each other."""
    background = most_common_color(grid)

    def whole_frame(seen):
        """The smallest symmetric frame that shows on the grid just what is seen."""
        top, left, height, width = bounding_box(seen)
        part = crop(seen, top, left, height, width).astype(np.int8)
        for side in range(max(height, width), 2 * max(seen.shape)):
            for row in (0, side - height):
                for column in (0, side - width):
                    frame = paste(new_grid(side, side), part, row, column)
                    frame = np.max(eight_turns(frame), axis=0)
                    if same(paste(new_grid(*seen.shape), frame, top - row, left - column), seen):
                        return frame
        raise DslError("no frame fits")

    colors = colors_of(grid, ignore=background)
    frames = [whole_frame(grid == color) for color in colors]
    side = max(len(frame) for frame in frames)
    result = new_grid(side, side, background)
    for color, frame in zip(colors, frames, strict=True):
        result[pad(frame, (side - len(frame)) // 2) == 1] = color
    return result


@program("5c2c9af4")
def frames_spread_from_the_middle(grid):
    """Three dots in a line: the outer ones are corners of a frame, around which frames follow."""
    first, (row, column), _ = positions(grid != 0)
    d_row, d_column = abs(first[0] - row), abs(first[1] - column)
    result = grid
    for size in range(1, max(grid.shape)):
        top, left = row - size * d_row, column - size * d_column
        height, width = 2 * size * d_row + 1, 2 * size * d_column + 1
        result = draw_rectangle(result, top, left, height, width, grid[row, column])
    return result


@program("85c4e7cd")
def reverse_the_rings(grid):
    """The colours of the rings change places: the outermost with the innermost, and so on."""
    ring = ring_index(*grid.shape)
    colors = np.diagonal(grid)[: ring.max() + 1]
    return colors[::-1][ring]


@program("bda2d7a6")
def ring_colors_move_inwards(grid):
    """The nested rings pass their colours on: each colour becomes the one that is next outside
    of it, and the outermost becomes the innermost."""
    rings = range((min(grid.shape) + 1) // 2)
    colors = unique(int(grid[ring, ring]) for ring in rings)
    return recolor(grid, {color: colors[place - 1] for place, color in enumerate(colors)})


@program("d22278a0")
def rings_around_the_corners(grid):
    """Every other ring around a corner has its colour, as far as no other corner is as near."""
    rows, columns = np.indices(grid.shape)
    corners = positions(grid != 0)
    distances = np.array([abs(rows - r) + abs(columns - c) for r, c in corners])
    alone = (distances == distances.min(axis=0)).sum(axis=0) == 1
    result = new_grid(*grid.shape)
    for (row, column), distance in zip(corners, distances, strict=True):
        ring = np.maximum(abs(rows - row), abs(columns - column))
        mine = alone & (distance == distances.min(axis=0)) & (ring % 2 == 0)
        result[mine] = grid[row, column]
    return result


@program("f8c80d96")
def shells_go_on_outwards(grid):
    """Shells lie around each other at equal steps; more follow out to the edge, on grey."""

    def step_down(field):
        """The usual distance of two lines below each other."""
        gaps = [gap for column in field.T for gap in np.diff(np.nonzero(column)[0]).tolist()]
        return most_common([gap for gap in gaps if gap > 1] or [1])

    color = most_common_color(grid, ignore=0)
    down, across = step_down(grid), step_down(transpose(grid))
    top, left, height, width = bounding_box(grid)
    result = grid
    for _ in range(max(grid.shape)):
        top, left, height, width = top - down, left - across, height + 2 * down, width + 2 * across
        result = draw_rectangle(result, top, left, height, width, color)
    return np.where(result == 0, 5, result)
