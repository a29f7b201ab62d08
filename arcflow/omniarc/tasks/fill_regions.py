"""Regions are filled."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("9edfc990")
def blue_floods_black(grid):
    """Black areas that touch blue become blue."""
    result = grid.copy()
    for area in components(grid == 0, diagonal=False):
        if (grow(area, diagonal=False) & (grid == 1)).any():
            result[area] = 1
    return result


@program("22168020")
def fill_between_the_arms(grid):
    """Of every shape each row and column is filled from its first to its last cell."""
    result = grid.copy()
    for shape in find_objects(grid):
        for row, col in shape.cells:
            rows = [r for r, c in shape.cells if c == col]
            columns = [c for r, c in shape.cells if r == row]
            result[min(rows) : max(rows) + 1, col] = shape.color
            result[row, min(columns) : max(columns) + 1] = shape.color
    return result


@program("6cf79266", rearc="squares that overlap others are filled too")
def fill_black_squares(grid):
    """Every black square of three by three becomes blue."""
    result = grid.copy()
    for top, left in find_pattern(grid, new_grid(3, 3)):
        square = result[top : top + 3, left : left + 3]
        if not square.any():  # none of it belongs to a square found before
            square[:] = 1
    return result


@program("868de0fa")
def fill_by_even_or_odd(grid):
    """Square frames are filled: red if their side is even, orange if it is odd."""
    result = grid.copy()
    for top, left, height, width in find_frames(grid):
        inside = 2 if height % 2 == 0 else 7
        result = draw_rectangle(result, top, left, height, width, grid[top, left], fill=inside)
    return result


@program("a5313dff")
def fill_enclosed_blue(grid):
    """What lines enclose becomes blue."""
    return np.where(enclosed(grid != 0), 1, grid)


@program("7447852a")
def fill_every_third_area(grid):
    """Of the areas between a zigzag's turns, from left to right, every third becomes yellow."""
    areas = components(grid != grid[0, 0], diagonal=False)
    areas.sort(key=lambda area: area.any(axis=0).argmax())
    result = grid.copy()
    for area in areas[::3]:
        result[area] = 4
    return result


@program("50cb2852")
def fill_inside_rectangles(grid):
    """The inside of every rectangle becomes light blue, its edge stays."""
    result = grid.copy()
    for box in find_objects(grid, diagonal=False):
        result[box.top + 1 : box.bottom, box.left + 1 : box.right] = 8
    return result


@program("e73095fd")
def fill_rooms_on_lines(grid):
    """Black rectangles whose walls end at their corners are rooms and become yellow.

    Where walls run on past a corner they are crossing lines; rooms may be cut off at the edge.
    """

    def inside(row, column):
        return 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]

    def wall(row, column):
        return inside(row, column) and grid[row, column] != 0

    result = grid.copy()
    for space in filter(is_rectangle, find_objects(grid == 0, diagonal=False)):
        corners = [
            (row, column, up_or_down, aside)
            for row, up_or_down in ((space.top - 1, -1), (space.bottom + 1, 1))
            for column, aside in ((space.left - 1, -1), (space.right + 1, 1))
            if inside(row, column)
        ]
        runs_on = [
            wall(row + up_or_down, column) or wall(row, column + aside)
            for row, column, up_or_down, aside in corners
        ]
        closed = all(wall(row, column) for row, column, *_ in corners)
        if corners and closed and not any(runs_on):
            result = draw(result, space, 4)
    return result


@program("694f12f3")
def fill_smaller_and_larger(grid):
    """The inside of the smaller rectangle becomes blue, that of the larger one red."""
    boxes = sorted(find_objects(grid, diagonal=False), key=lambda box: box.size)
    result = grid.copy()
    for box, color in zip(boxes, (1, 2), strict=True):
        result[box.top + 1 : box.bottom, box.left + 1 : box.right] = color
    return result


@program("44d8ac46")
def fill_square_holes(grid):
    """The holes in the shapes that are squares become red, those of other shapes stay empty."""
    result = grid.copy()
    for shape in find_objects(grid):
        hole_cells = enclosed(shape.mask)
        for hole in find_objects(hole_cells.astype(np.int8), diagonal=False):
            if is_square(hole):
                result = draw(result, hole.moved(shape.top, shape.left), 2)
    return result


@program("c0f76784")
def fill_squares_by_size(grid):
    """The inside of a frame becomes magenta, orange or light blue: for sides of 1, 2 or 3."""
    result = grid.copy()
    for inside in components(enclosed(grid != 0)):
        result[inside] = {1: 6, 4: 7, 9: 8}[inside.sum()]
    return result


@program("00d62c1b")
def fill_what_walls_enclose(grid):
    """Cells that walls enclose become yellow."""
    return np.where(enclosed(grid != 0), 4, grid)


@program("7b6016b9")
def inside_red_outside_green(grid):
    """What lines enclose becomes red, the rest of the background green."""
    lines = grid != 0
    return np.where(lines, grid, np.where(enclosed(lines), 2, 3))


@program("d5d6de2d")
def keep_only_the_inside(grid):
    """What lines enclose becomes green, the lines themselves go."""
    return np.where(enclosed(grid != 0), 3, 0)


@program("6455b5f5")
def largest_blue_smallest_light_blue(grid):
    """The largest area between the lines becomes blue, the smallest ones light blue."""
    areas = components(grid == 0, diagonal=False)
    sizes = [area.sum() for area in areas]
    result = grid.copy()
    for area, size in zip(areas, sizes, strict=True):
        if size in (max(sizes), min(sizes)):
            result[area] = 1 if size == max(sizes) else 8
    return result


@program("aba27056")
def light_leaves_through_the_gap(grid):
    """The box is full of yellow light, which leaves by the gap straight and as two diagonals."""
    box = find_objects(grid)[0]
    result = draw_rectangle(grid, box.top, box.left, box.height, box.width, 4, fill=4)
    result = draw(result, box)
    for d_row, d_col, side in (
        (-1, 0, (0, slice(None))),
        (1, 0, (-1, slice(None))),
        (0, -1, (slice(None), 0)),
        (0, 1, (slice(None), -1)),
    ):
        gap = np.zeros_like(box.mask)
        gap[side] = ~box.mask[side]
        cells = [(box.top + row, box.left + column) for row, column in positions(gap)]
        if cells:
            for cell in cells:
                result = shoot(result, cell, (d_row, d_col), 4)
            result = shoot(result, cells[0], (d_row or -1, d_col or -1), 4)
            result = shoot(result, cells[-1], (d_row or 1, d_col or 1), 4)
    return result


@program("bb43febb")
def redden_inside_rectangles(grid):
    """The inside of every rectangle becomes red, its edge stays."""
    result = grid.copy()
    for box in find_objects(grid, diagonal=False):
        result[box.top + 1 : box.bottom, box.left + 1 : box.right] = 2
    return result


@program("444801d8")
def vessel_overflows(grid):
    """The dot in each open vessel fills it, opening included, and spreads along the side
    with the opening."""
    result = grid.copy()
    for vessel in find_objects(grid):
        if vessel.size == 1:
            continue
        inside = object_grid(grid, vessel)
        color = most_common_color(inside, ignore=[0, vessel.color])
        filled = np.where(vessel.mask, vessel.color, color)
        lid = new_grid(1, vessel.width, color)
        if vessel.mask[0].all():
            result = paste(result, join_panels([[filled], [lid]]), vessel.top, vessel.left)
        else:
            result = paste(result, join_panels([[lid], [filled]]), vessel.top - 1, vessel.left)
    return result
