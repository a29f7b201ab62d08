"""Things are counted."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("de1cd16c")
def area_with_most_dots(grid):
    """The grid consists of one-coloured areas with dots of one more colour in them.
    The answer is one cell in the colour of the area with most dots."""
    on_edge = colors_of(grid[edge_mask(*grid.shape)])
    dot = most_common_color(grid, ignore=on_edge)
    areas = find_objects(grid, background=dot)
    dotted = max(areas, key=lambda area: count_color(object_grid(grid, area), dot))
    return new_grid(1, 1, dotted.color)


@program("9af7a82c")
def bars_of_color_counts(grid):
    """A bar for each colour, as long as the colour has cells, the longest first."""
    colors = colors_of(grid)
    result = new_grid(count_color(grid, colors[0]), len(colors))
    for column, color in enumerate(colors):
        result[: count_color(grid, color), column] = color
    return result


@program("a3325580")
def bars_of_largest_objects(grid):
    """Each object with the most cells, from left to right, gives a column as long as its size."""
    objects = sorted(find_objects(grid), key=lambda obj: obj.left)
    size = max(obj.size for obj in objects)
    return to_grid([[obj.color for obj in objects if obj.size == size]] * size)


@program("794b24be")
def count_blue_in_red(grid):
    """As many red cells as there are blue ones: three in the top row, then one in the centre."""
    result = new_grid(3, 3)
    for cell in [(0, 0), (0, 1), (0, 2), (1, 1)][: count_color(grid, 1)]:
        result[cell] = 2
    return result


@program("1fad071e")
def count_blue_squares(grid):
    """As many blue cells, of five in a row, as there are blue squares of two by two."""
    blue = [found for found in find_objects(grid, diagonal=False) if found.color == 1]
    number = sum(is_square(found) and found.size == 4 for found in blue)
    result = new_grid(1, 5)
    result[0, :number] = 1
    return result


@program("d631b094")
def count_cells_in_a_row(grid):
    """The output is a row of as many cells as there are coloured ones."""
    return new_grid(1, np.count_nonzero(grid), most_common_color(grid, ignore=0))


@program("ff28f65a")
def count_red_shapes(grid):
    """As many blue cells as there are red shapes, in a fixed order."""
    number = sum(shape.color == 2 for shape in find_objects(grid, diagonal=False))
    result = new_grid(3, 3)
    for cell in [(0, 0), (0, 2), (1, 1), (2, 0), (2, 2)][:number]:
        result[cell] = 1
    return result


@program("1190e5a7")
def count_the_panels(grid):
    """Lines divide the grid into panels; the output has one cell for each."""
    background = most_common_color(grid)
    open_rows = (grid == background).any(axis=1)
    open_columns = (grid == background).any(axis=0)
    rows = len(components(open_rows[None]))
    columns = len(components(open_columns[None]))
    return new_grid(rows, columns, background)


@program("d0f5fe59")
def diagonal_of_object_count(grid):
    """The output is a square with as many cells on its diagonal as there are objects."""
    objects = find_objects(grid)
    return to_grid(np.eye(len(objects), dtype=int) * objects[0].color)


@program("fcc82909")
def drip_a_row_for_each_color(grid):
    """Below every block hang as many green rows as it has colours."""
    result = grid.copy()
    for block in find_objects(grid, by_color=False, diagonal=False):
        below = block.bottom + 1
        result[below : below + len(block.colors), block.left : block.right + 1] = 3
    return result


@program("b0c4d837")
def how_much_the_cup_lacks(grid):
    """The cup is filled up to some height; as many cells as rows are missing, along a snake."""
    boxes = {color: bounding_box(grid == color) for color in colors_of(grid, ignore=0)}
    water, cup = sorted(boxes, key=lambda color: boxes[color][2] * boxes[color][3])
    inside = crop(grid, *boxes[cup])
    lies = (inside[[0, -1]] == cup).all()
    breadth = (inside.shape[0] if lies else inside.shape[1]) - 2
    result = new_grid(3, 3)
    for number in range(count_color(inside, 0) // breadth):
        row, column = divmod(number, 3)
        result[row, column if row != 1 else 2 - column] = water
    return result


@program("6e02f1e3")
def line_by_number_of_colors(grid):
    """One colour: a line at the top. Two: the falling diagonal. Three: the rising one."""
    lines = new_grid(*grid.shape)
    number = len(colors_of(grid))
    if number == 1:
        lines[0] = 5
    else:
        np.fill_diagonal(lines, 5)
    return lines if number < 3 else flip_left_right(lines)


@program("6773b310")
def mark_panels_with_two_dots(grid):
    """One cell for each panel: blue if it holds two dots."""
    panels = split_panels(grid)
    return to_grid([[int(np.count_nonzero(panel) == 2) for panel in row] for row in panels])


@program("5582e5ca")
def most_common_color_wins(grid):
    """The colour of most cells fills the whole grid."""
    return new_grid(*grid.shape, color=most_common_color(grid))


@program("f8b3ba0a")
def rare_colors_by_number(grid):
    """Background and commonest blocks apart, colours stand below each other by number of blocks."""
    return to_grid([[color] for color in colors_of(grid)[2:]])
