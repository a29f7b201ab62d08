"""Rules of several steps."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("54d82841")
def drop_out_of_the_openings(grid):
    """From each shape's opening something drops out to the edge of the grid, where it leaves
    a yellow cell."""
    result = grid.copy()
    for shape in find_objects(grid):
        gap = positions(~shape.mask)[0]
        for d_row, d_col in ORTHOGONAL:
            row, col = gap[0] + d_row, gap[1] + d_col
            if not (0 <= row < shape.height and 0 <= col < shape.width):
                start = (shape.top + gap[0], shape.left + gap[1])
                way_out = [start, *ray(grid, start, (d_row, d_col))]
                result[way_out[-1]] = 4
    return result


@program("995c5fa3")
def notches_tell_the_color(grid):
    """A panel with a hole means light blue, notched at the sides green, below yellow, whole red."""
    gap = grid[0, 4]
    colors = []
    for left in range(0, grid.shape[1], 5):
        holes = grid[:, left : left + 4] == gap
        colors.append(8 if holes[1, 1] else 3 if holes[1, 0] else 4 if holes[3, 1] else 2)
    return to_grid([[color] * len(colors) for color in colors])


@program("27a28665")
def number_of_the_shape(grid):
    """Four shapes have numbers of their own: the output is that of the shape to see."""
    shapes = {
        1: [[1, 1, 0], [1, 0, 1], [0, 1, 0]],
        2: [[1, 0, 1], [0, 1, 0], [1, 0, 1]],
        3: [[0, 1, 1], [0, 1, 1], [1, 0, 0]],
        6: [[0, 1, 0], [1, 1, 1], [0, 1, 0]],
    }
    for color in colors_of(grid):
        mask = grid == color
        top, left, height, width = bounding_box(mask)
        for number, shape in shapes.items():
            if (height, width) == (3, 3) and same(crop(mask, top, left, 3, 3), to_grid(shape)):
                return new_grid(1, 1, number)
    raise DslError("no shape")


@program("d4469b4b")
def sign_of_the_color(grid):
    """Red stands for a T, blue for a plus, green for a corner at the bottom right."""
    lines = {2: (0, 1), 1: (1, 1), 3: (2, 2)}
    row, column = next(lines[color] for color in lines if color in grid)
    result = new_grid(3, 3)
    result[row, :] = 5
    result[:, column] = 5
    return result
