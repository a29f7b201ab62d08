"""Things fall, or are drawn to something."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("3906de3d")
def bars_slide_into_the_slots(grid):
    """Bars slide straight on until they meet the block, which is broader than all of them."""

    def spans(color):
        top, left, height, width = bounding_box(grid == color)
        return [(top, top + height), (left, left + width)]

    for block, bars in (colors_of(grid, ignore=0), colors_of(grid, ignore=0)[::-1]):
        for axis in (0, 1):
            (start, end), (bars_start, bars_end) = spans(block)[1 - axis], spans(bars)[1 - axis]
            if start <= bars_start and bars_end <= end:
                forward = spans(bars)[axis] < spans(block)[axis]
                direction = (DOWN if forward else UP, RIGHT if forward else LEFT)[axis]
                return fall(grid, direction, fixed=(block,))
    raise DslError("neither colour is broader")


@program("1e0a9b12")
def cells_fall_down(grid):
    """Every cell falls straight down until it lies on the bottom or on another cell."""
    return fall(grid)


@program("d037b0a7")
def colors_run_down(grid):
    """Every coloured cell runs down until the next coloured cell or the floor."""
    result = grid.copy()
    for row in range(1, grid.shape[0]):
        result[row] = np.where(result[row] == 0, result[row - 1], result[row])
    return result


@program("a48eeaf7")
def dots_are_drawn_to_the_block(grid):
    """All dots move to the nearest cell beside the block."""
    block = max(find_objects(grid), key=lambda found: found.size)
    dots = erase(grid, block)
    result = draw(new_grid(*grid.shape), block)
    for row, column in positions(dots != 0):
        new_row = np.clip(row, block.top - 1, block.bottom + 1)
        new_column = np.clip(column, block.left - 1, block.right + 1)
        result[new_row, new_column] = dots[row, column]
    return result


@program("4093f84a")
def dots_fall_onto_the_band(grid):
    """Dots fall from both sides onto the band, and take its colour."""
    turn = not any(full_rows(grid, color) for color in colors_of(grid, ignore=0))
    field = transpose(grid) if turn else grid
    color = next(c for c in colors_of(field, ignore=0) if full_rows(field, c))
    rows = full_rows(field, color)
    first, last = rows[0], rows[-1] + 1
    parts = [field[first:last]]
    if first > 0:
        parts.insert(0, fall(field[:first], DOWN))
    if last < len(field):
        parts.append(fall(field[last:], UP))
    result = np.where(np.vstack(parts) != 0, color, 0)
    return transpose(result) if turn else result


@program("3618c87e")
def dots_sink_to_the_floor(grid):
    """A dot on top of a post sinks through it to the floor, where the post stands."""
    dot = least_common_color(grid)
    result = recolor(grid, {dot: 0})
    for cell in positions(grid, dot):
        for direction in ORTHOGONAL:
            path = ray(grid, cell, direction)
            if path and grid[path[0]] not in (0, dot) and all(grid[step] for step in path):
                result[path[-1]] = dot
    return result


@program("56dc2b01")
def move_to_the_line_and_close_behind(grid):
    """The shape moves to the line; a light blue line closes behind it."""
    for turned in (grid, transpose(grid)):
        for color in colors_of(turned, ignore=0):
            lines = full_rows(turned, color)
            if lines and count_color(turned, color) == turned.shape[1]:
                line, field = lines[0], turned
    shape = object_from(field, (field != 0) & (field != field[line, 0]))
    above = shape.top < line
    top = line - shape.height if above else line + 1
    result = new_grid(*field.shape)
    result[line] = field[line]
    result[top - 1 if above else top + shape.height] = 8
    result = draw(result, shape.moved_to(top, shape.left))
    return result if same(field, grid) else transpose(result)
