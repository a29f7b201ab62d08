"""Grids and shapes made larger or smaller."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("5614dbcf")
def blocks_become_cells(grid):
    """Every block of three by three becomes one cell of its colour; grey is noise."""
    height, width = grid.shape
    blocks = split_evenly(grid, height // 3, width // 3)
    return to_grid([[most_common_color(block, ignore=5) for block in row] for row in blocks])


@program("cce03e0d")
def copy_grid_at_red(grid):
    """Every cell becomes a block: a copy of the whole grid if it is red, else empty."""
    return np.kron(grid == 2, grid)


@program("f25fbde4")
def cut_out_and_double(grid):
    """The shape is cut out, and each of its cells becomes a block of 2x2 cells."""
    return upscale(trim(grid, background=most_common_color(grid)), 2)


@program("4522001f")
def diagonal_of_the_odd_corner(grid):
    """A square of four has one odd cell: four times larger, only the diagonal it lies on stays.

    The square keeps its distance to the two edges that the odd cell does not point at.
    """
    height, width = grid.shape
    top, left, _, _ = bounding_box(grid)
    square = crop(grid, top, left, 2, 2)
    color = most_common_color(square)
    odd = square != color
    shape = upscale(np.where(odd | rotate(odd, 2), color, 0), 4)
    row, column = positions(odd)[0]
    below, beside = height - 2 - top, width - 2 - left
    result = new_grid(3 * height, 3 * width)
    new_top = top if row == 1 else len(result) - 8 - below
    new_left = left if column == 1 else len(result[0]) - 8 - beside
    return paste(result, shape, new_top, new_left)


@program("46f33fce")
def dots_become_blocks(grid):
    """The dots lie on a lattice, one place in every 2x2 cells.

    Each place of the lattice becomes a block of 4x4 cells in the dot's colour.
    """
    return upscale(grid[1::2, 1::2], 4)


@program("c59eb873")
def double_the_size(grid):
    """Every cell becomes a block of 2x2 cells."""
    return upscale(grid, 2)


@program("eb5a1d5d")
def drop_repeated_lines(grid):
    """Rows like the one above, then columns like the one to the left, are left out."""
    new_row = (grid[1:] != grid[:-1]).any(axis=1)
    new_column = (grid[:, 1:] != grid[:, :-1]).any(axis=0)
    return grid[np.r_[True, new_row]][:, np.r_[True, new_column]]


@program("6b9890af")
def enlarge_into_the_frame(grid):
    """The small shape is enlarged until it fills the frame."""
    frame = max(find_objects(grid), key=lambda obj: obj.height * obj.width)
    shape = trim(np.where(grid == frame.color, 0, grid))
    factor = (frame.height - 2) // shape.shape[0]
    return paste(frame.patch, upscale(shape, factor), 1, 1)


@program("8a004b2b")
def enlarge_onto_the_pieces(grid):
    """The small shape is scaled up so that it fits the pieces that stand between four dots."""

    def are_corners(dots):
        top, left, height, width = bounding_box(dots)
        bottom, right = top + height - 1, left + width - 1
        return positions(dots) == [(top, left), (top, right), (bottom, left), (bottom, right)]

    color = next(color for color in colors_of(grid, ignore=0) if are_corners(grid == color))
    top, left, height, width = bounding_box(grid == color)
    frame = crop(grid, top, left, height, width)
    shape = trim(paste(grid, new_grid(height, width), top, left))
    pieces = np.where(frame == color, 0, frame)
    factors = [
        (down, right)
        for down in range(1, height // shape.shape[0] + 1)
        for right in range(1, width // shape.shape[1] + 1)
    ]
    for factor in sorted(factors, key=sum):
        large = upscale(shape, factor)
        for row in range(height - len(large) + 1):
            for column in range(width - large.shape[1] + 1):
                placed = paste(new_grid(height, width), large, row, column)
                if same(np.where(pieces != 0, placed, 0), pieces):
                    return overlay([frame, placed])
    raise DslError("the shape fits at no size")


@program("469497ad")
def enlarge_with_rays_from_the_block(grid):
    """The grid grows by its number of colours; red rays leave the block's corners."""
    factor = len(colors_of(grid, ignore=0))
    shapes = find_objects(grid, by_color=False)
    block = min(shapes, key=lambda shape: (len(shape.colors), shape.size))
    result = upscale(grid, factor)
    top, left = block.top * factor, block.left * factor
    bottom, right = (block.bottom + 1) * factor - 1, (block.right + 1) * factor - 1
    for row, d_row in ((top, -1), (bottom, 1)):
        for column, d_column in ((left, -1), (right, 1)):
            result = shoot(result, (row, column), (d_row, d_column), 2)
    return result


@program("6ecd11f4")
def large_shape_is_the_stencil(grid):
    """The large shape, made as small as the colourful square, tells which of its cells stay."""
    objects = find_objects(grid, by_color=False)
    square = max(objects, key=lambda thing: len(thing.colors))
    large = trim(erase(grid, square))
    factor = large.shape[0] // square.height, large.shape[1] // square.width
    return np.where(downscale(large, factor) != 0, square.patch, 0)


@program("780d0b14")
def one_cell_for_each_patch(grid):
    """Black lines divide the grid into patches; each becomes one cell of its colour."""
    patches = split_panels(grid, 0)
    return to_grid([[most_common_color(patch, ignore=0) for patch in row] for row in patches])


@program("90c28cc7")
def rectangles_become_cells(grid):
    """The patchwork is cropped, and every patch becomes one cell."""
    patchwork = trim(grid)
    for _ in range(2):
        changes = (patchwork[1:] != patchwork[:-1]).any(axis=1)
        patchwork = patchwork[np.concatenate([[True], changes])].T
    return patchwork


@program("b91ae062")
def scale_by_color_count(grid):
    """Every cell grows by a factor: the number of colours in the grid, black not counted."""
    return upscale(grid, len(colors_of(grid, ignore=0)))


@program("ac0a08a4")
def scale_by_number_of_colors(grid):
    """Every cell becomes a block, whose side is the number of colours."""
    return upscale(grid, len(colors_of(grid, ignore=0)))


@program("b190f7f5")
def shape_in_every_color(grid):
    """One half is a shape of one colour: it is drawn for each cell of the other, in its colour."""

    def number_of_colors(panel):
        return len(colors_of(panel, ignore=0))

    height, width = grid.shape
    for rows, columns in ((1, 2), (2, 1)) if width > height else ((2, 1), (1, 2)):
        if height % rows == 0 and width % columns == 0:
            panels = [panel for row in split_evenly(grid, rows, columns) for panel in row]
            shape, colors = sorted(panels, key=number_of_colors)
            if number_of_colors(shape) == 1:
                return np.kron(colors, (shape != 0).astype(np.int8))
    raise DslError("no half of one colour")


@program("80af3007")
def shape_made_of_itself(grid):
    """The shape, scaled down to single cells, has a copy of itself at each of them."""
    shape = trim(grid)
    factor = int(len(shape) ** 0.5)
    small = downscale(shape, factor)
    return np.where(upscale(small != 0, small.shape), tile(small, *small.shape), 0)


@program("5ad4f10b")
def shrink_and_take_the_other_color(grid):
    """The large shape is scaled down to single cells, in the colour of the noise."""
    color = max(find_objects(grid), key=lambda shape: shape.size).color
    shape = trim(grid == color)
    for factor in range(min(shape.shape), 0, -1):
        if shape.shape[0] % factor == shape.shape[1] % factor == 0:
            small = shape[::factor, ::factor]
            if same(upscale(small, factor), shape):
                break
    return np.where(small, most_common_color(grid, ignore=(0, color)), 0)


@program("ce602527")
def small_shape_of_the_enlarged_one(grid):
    """The large shape is a copy of a small one, twice as big and maybe cut off by the edges: the
    small one is the answer."""
    background = most_common_color(grid)
    blank = np.zeros_like(grid)
    shapes = [object_from(grid, grid == color) for color in colors_of(grid, ignore=background)]
    shapes.sort(key=lambda shape: -shape.size)

    def is_enlarged(small, large):
        twice = small.recolored(1).turned(lambda cells: upscale(cells, 2))
        tops = range(large.bottom - twice.height + 1, large.top + 1)
        lefts = range(large.right - twice.width + 1, large.left + 1)
        copies = [draw(blank, twice.moved_to(top, left)) for top in tops for left in lefts]
        return any(same(copy, draw(blank, large, 1)) for copy in copies)

    pairs = [(small, large) for large in shapes for small in shapes if small != large]
    answer = next(small for small, large in pairs if is_enlarged(small, large))
    return np.where(answer.mask, answer.color, background)


@program("746b3537")
def stripes_one_cell_wide(grid):
    """Rows and columns that repeat the one before them go."""
    rows = [row for row in range(len(grid)) if row == 0 or (grid[row] != grid[row - 1]).any()]
    grid = grid[rows].T
    columns = [col for col in range(len(grid)) if col == 0 or (grid[col] != grid[col - 1]).any()]
    return grid[columns].T


@program("9172f3a0")
def triple_the_size(grid):
    """Every cell becomes a block of 3x3 cells."""
    return upscale(grid, 3)
