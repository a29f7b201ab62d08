"""One object is picked out and cropped."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


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


@program("a740d043")
def crop_onto_black(grid):
    """What lies on the background is cropped, and the background becomes black."""
    background = most_common_color(grid)
    return recolor(trim(grid, background), {background: 0})


@program("39a8645d")
def crop_the_commonest_shape(grid):
    """The shape that occurs most often is cropped."""
    return most_common(find_objects(grid), key=lambda shape: shape.shape_key).patch


@program("72ca375d")
def crop_the_mirror_symmetric(grid):
    """The one shape whose left side mirrors its right side is cropped."""
    shapes = [shape.patch for shape in find_objects(grid)]
    return next(shape for shape in shapes if is_symmetric(shape, "left_right"))


@program("23b5c85d")
def crop_the_smallest_rectangle(grid):
    """The rectangle with the fewest cells is cropped."""
    return crop(grid, *bounding_box(grid == least_common_color(grid)))
