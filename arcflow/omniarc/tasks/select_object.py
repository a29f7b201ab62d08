"""One object is picked out and cropped."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("d9fac9be")
def color_inside_the_ring(grid):
    """The output is the one cell that a ring of another colour surrounds."""
    for row, column in positions(grid != 0):
        around = grid[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        ring = colors_of(around, ignore=int(grid[row, column]))
        if around.size == 9 and len(ring) == 1 and count_color(around, ring[0]) == 8 and ring[0]:
            return new_grid(1, 1, grid[row, column])
    raise DslError("no cell is surrounded")


@program("b9b7f026")
def color_of_the_holed_rectangle(grid):
    """The output is one cell in the colour of the only rectangle with a hole."""
    boxes = find_objects(grid, diagonal=False)
    holed = next(box for box in boxes if not is_rectangle(box))
    return new_grid(1, 1, holed.color)


@program("445eab21")
def color_of_the_larger_frame(grid):
    """The output is a two by two block in the colour of the larger frame."""
    largest = max(find_objects(grid), key=lambda frame: frame.height * frame.width)
    return new_grid(2, 2, largest.color)


@program("3de23699")
def crop_between_the_corners(grid):
    """What stands between four dots is cropped and takes their colour."""

    def are_corners(dots):
        top, left, height, width = bounding_box(dots)
        bottom, right = top + height - 1, left + width - 1
        return positions(dots) == [(top, left), (top, right), (bottom, left), (bottom, right)]

    color = next(color for color in colors_of(grid, ignore=0) if are_corners(grid == color))
    top, left, height, width = bounding_box(grid == color)
    inside = crop(grid, top + 1, left + 1, height - 2, width - 2)
    return np.where(inside != 0, color, 0)


@program("3f7978a0")
def crop_between_the_posts(grid):
    """Two bars with a cap at each end frame a box, which is cropped."""
    for turned in (grid, transpose(grid)):
        for color in colors_of(turned, ignore=0):
            top, left, height, width = bounding_box(turned == color)
            posts = crop(turned, top, left, height, width)[:, [0, -1]]
            if width > 1 and (posts == color).all() and posts.size == count_color(grid, color):
                box = crop(turned, top - 1, left, height + 2, width)
                return box if turned is grid else transpose(box)
    raise DslError("no posts")


@program("1c786137")
def crop_inside_the_frame(grid):
    """What the largest frame surrounds is cropped."""
    frames = find_frames(grid)
    top, left, height, width = max(frames, key=lambda frame: frame[2] * frame[3])
    return crop(grid, top + 1, left + 1, height - 2, width - 2)


@program("a740d043")
def crop_onto_black(grid):
    """What lies on the background is cropped, and the background becomes black."""
    background = most_common_color(grid)
    return recolor(trim(grid, background), {background: 0})


@program("39a8645d")
def crop_the_commonest_shape(grid):
    """The shape that occurs most often is cropped."""
    return most_common(find_objects(grid), key=lambda shape: shape.shape_key).patch


@program("c909285e")
def crop_the_frame(grid):
    """The frame whose colour occurs nowhere else is cut out with all that lies in it."""
    for color in colors_of(grid):
        part = crop(grid, *bounding_box(grid == color))
        if min(part.shape) > 2 and same(part == color, edge_mask(*part.shape)):
            return part
    return grid.copy()


@program("be94b721")
def crop_the_largest(grid):
    """The object with the most cells is cut out."""
    return max(find_objects(grid), key=lambda obj: obj.size).patch


@program("1f85a75f")
def crop_the_largest_shape(grid):
    """The largest shape is cropped."""
    return max(find_objects(grid), key=lambda shape: shape.size).patch


@program("72ca375d")
def crop_the_mirror_symmetric(grid):
    """The one shape whose left side mirrors its right side is cropped."""
    shapes = [shape.patch for shape in find_objects(grid)]
    return next(shape for shape in shapes if is_symmetric(shape, "left_right"))


@program("8efcae92")
def crop_the_most_dotted(grid):
    """The rectangle with the most dots is cropped."""
    dot = least_common_color(grid)
    around = grow(grid == dot) & (grid != dot)
    paper = most_common_color(grid[around][None])
    sheets = [object_from(grid, mask) for mask in components(np.isin(grid, (paper, dot)))]
    return max(sheets, key=lambda sheet: count_color(sheet.patch, dot)).patch


@program("e50d258f")
def crop_the_reddest_rectangle(grid):
    """The rectangle with the most red cells is cropped."""
    boxes = find_objects(grid, diagonal=False, by_color=False)
    return max(boxes, key=lambda box: count_color(box.patch, 2)).patch


@program("1cf80156")
def crop_the_shape(grid):
    """The only shape is cut out."""
    return trim(grid)


@program("23b5c85d")
def crop_the_smallest_rectangle(grid):
    """The rectangle with the fewest cells is cropped."""
    return crop(grid, *bounding_box(grid == least_common_color(grid)))


@program("fcb5c309")
def frame_with_most_dots(grid):
    """The frame that holds most dots is cut out, in the colour of the dots."""
    frames = find_frames(grid)
    color = most_common([grid[top, left] for top, left, _, _ in frames])
    insides = [crop(grid, *frame) for frame in frames if grid[frame[:2]] == color]
    best = max(insides, key=lambda part: np.count_nonzero((part != 0) & (part != color)))
    [dot] = colors_of(best, ignore=(0, color))
    return np.where(best != 0, dot, 0)


@program("5117e062")
def object_with_a_mark(grid):
    """The object with a cell of another colour is cut out; this mark takes the object's colour."""
    marked = next(obj for obj in find_objects(grid, by_color=False) if len(obj.colors) > 1)
    return marked.recolored(marked.color).patch


@program("ae4f1146")
def object_with_most_blue(grid):
    """The object with the most blue cells is cut out."""
    objects = find_objects(grid, diagonal=False, by_color=False)
    return max(objects, key=lambda obj: count_color(obj.patch, 1)).patch


@program("48d8fb45")
def shape_below_the_mark(grid):
    """The shape that a cell of another colour marks is cut out, without that mark."""
    marked = next(obj for obj in find_objects(grid, by_color=False) if len(obj.colors) > 1)
    return trim(np.where(marked.patch == marked.color, marked.patch, 0))
