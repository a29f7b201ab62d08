"""Something hides a part of a pattern."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("36fdfd69")
def complete_covered_rectangles(grid):
    """Rectangles of the rarest colour are partly covered by cells of another colour.
    Those covering cells become yellow."""
    color = least_common_color(grid, ignore=0)
    result = grid.copy()
    for group in group_objects(find_objects(np.where(grid == color, grid, 0)), 2):
        top, left = min(obj.top for obj in group), min(obj.left for obj in group)
        bottom, right = max(obj.bottom for obj in group), max(obj.right for obj in group)
        box = result[top : bottom + 1, left : right + 1]
        box[box != color] = 4
    return result


@program("3345333e")
def complete_the_mirrored_shape(grid):
    """A rectangle hides a part of a symmetric shape: it goes, and the shape gets whole."""
    for color in colors_of(grid, ignore=0):
        if is_rectangle(object_from(grid, grid == color)):
            result = complete_symmetry(grid, color, "left_right", "up_down")
            return np.where(result == color, 0, result)
    raise DslError("no rectangle")


@program("f9012d9b")
def crop_the_hidden_tiles(grid):
    """Black hides a part of a repeating pattern: that part is cropped."""
    return crop(complete_tiling(grid, 0), *bounding_box(grid == 0))


@program("dc0a314f")
def crop_what_green_hides(grid):
    """Green hides a part of a pattern that is the same in all mirrors: that part is cropped."""
    whole = complete_symmetry(grid, 3, "left_right", "up_down", "diagonal")
    return crop(whole, *bounding_box(grid == 3))


@program("ff805c23")
def crop_what_the_patch_hides(grid):
    """A rectangle of one colour hides a part of a symmetric picture: that part is cropped."""
    for color in colors_of(grid):
        box = bounding_box(grid == color)
        if (crop(grid, *box) == color).all():
            whole = complete_symmetry(grid, color, "left_right", "up_down", "diagonal")
            return crop(whole, *box)
    raise DslError("nothing hidden")


@program("3631a71a")
def mend_the_mirrored_carpet(grid):
    """One colour hides parts of a pattern that is mirrored both ways and at the diagonal."""
    for color in reversed(colors_of(grid)):
        whole = complete_symmetry(grid, color, "left_right", "up_down", "diagonal")
        if color not in whole:
            return whole
    raise DslError("no colour hides a mirrored pattern")


@program("b8825c91")
def mend_the_mirrored_pattern(grid):
    """Yellow hides parts of a pattern that is mirrored both ways."""
    return complete_symmetry(grid, 4, "left_right", "up_down")


@program("c3f564a4")
def mend_the_wallpaper(grid):
    """One colour hides parts of a repeating pattern: it is the one that repeats least itself."""
    hidden = min(colors_of(grid), key=lambda color: smallest_tile(grid, hole=color).size)
    return complete_tiling(grid, hidden)


@program("50846271")
def repair_hidden_crosses(grid):
    """Crosses of one size lie partly under the noise; their hidden cells become 8. The fewest
    crosses that explain all marks are the right ones."""
    mark = least_common_color(grid)
    ways = []
    for noise in colors_of(grid, ignore=mark):
        for arm in range(1, 6):
            steps = [(0, 0)] + [(d * n, e * n) for d, e in ORTHOGONAL for n in range(1, arm + 1)]
            misfit = (grid != mark) & (grid != noise)
            possible = ~np.any([shift(misfit, *step) for step in steps], axis=0)
            unexplained = grid == mark
            crosses, number = np.zeros(grid.shape, bool), 0
            while unexplained.any():
                marks = np.sum([shift(unexplained, *step) for step in steps], axis=0) * possible
                middle = np.arange(grid.size).reshape(grid.shape) == marks.argmax()
                if not marks.any():
                    break
                cross = np.any([shift(middle, *step) for step in steps], axis=0)
                crosses |= cross
                unexplained &= ~cross
                number += 1
            if not unexplained.any():
                ways.append((number, np.count_nonzero(crosses), crosses))
    _, _, crosses = min(ways, key=lambda way: way[:2])
    return np.where(crosses & (grid != mark), 8, grid)
