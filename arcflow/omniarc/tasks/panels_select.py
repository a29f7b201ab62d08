"""One panel is chosen, or panels tell what to do."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("0b148d64")
def block_of_another_color(grid):
    """Of four blocks, the one whose colour differs from the other three is cut out."""
    blocks = [block for row in split_panels(grid, color=0) for block in row]
    return odd_one_out(blocks, key=lambda block: most_common_color(block, ignore=0))


@program("941d9a10")
def color_first_middle_and_last(grid):
    """The first panel becomes blue, the middle one red, the last one green."""
    line = next(c for c in colors_of(grid) if full_rows(grid, c) and full_columns(grid, c))
    panels = split_panels(grid, line)
    middle = len(panels) // 2, len(panels[0]) // 2
    for row, column, color in ((0, 0, 1), (*middle, 2), (-1, -1, 3)):
        panels[row][column] = new_grid(*panels[row][column].shape, color)
    return join_panels(panels, separator=line)


@program("77fdfe62")
def corners_color_the_quarters(grid):
    """The corners are a key: they give the colours of the quarters of the picture in the frame."""
    background = grid[0, 2]
    picture = grid[2:-2, 2:-2]
    height, width = picture.shape
    key = grid[[0, 0, -1, -1], [0, -1, 0, -1]].reshape(2, 2)
    return np.where(picture == background, background, upscale(key, (height // 2, width // 2)))


@program("54d9e175")
def dots_color_their_panels(grid):
    """A panel takes the colour that its dot stands for."""
    panels = split_panels(grid, 5)
    meaning = {1: 6, 2: 7, 3: 8, 4: 9}
    colored = [
        [new_grid(*panel.shape, meaning[most_common_color(panel, ignore=0)]) for panel in row]
        for row in panels
    ]
    return join_panels(colored, separator=5)


@program("09629e4f")
def enlarge_the_emptiest_panel(grid):
    """Each cell of the panel with the fewest dots fills the panel at its place."""
    line = next(color for color in range(10) if full_rows(grid, color))
    panels = split_panels(grid, line)
    background = most_common_color(join_panels(panels))
    every = [panel for row in panels for panel in row]
    plan = min(every, key=lambda panel: np.count_nonzero(panel != background))
    filled = [
        [np.full_like(panel, plan[r, c]) for c, panel in enumerate(row)]
        for r, row in enumerate(panels)
    ]
    return join_panels(filled, separator=line)


@program("29623171")
def fill_the_fullest_panels(grid):
    """The panels with the most dots are filled, the others emptied."""
    rows, _ = find_separators(grid)
    panels = split_panels(grid)
    most = max(np.count_nonzero(panel) for row in panels for panel in row)
    color = max(panel.max() for row in panels for panel in row)
    filled = [
        [np.full_like(panel, color * (np.count_nonzero(panel) == most)) for panel in row]
        for row in panels
    ]
    return join_panels(filled, separator=int(grid[rows[0], 0]))


@program("7c008303")
def key_colors_the_quarters(grid):
    """The small panel is a key: its cells give the colours of the large one's quarters."""
    panels = [panel for row in split_panels(grid) for panel in row]
    key = next(panel for panel in panels if panel.shape == (2, 2))
    picture = max(panels, key=lambda panel: panel.size)
    height, width = picture.shape
    return np.where(picture != 0, upscale(key, (height // 2, width // 2)), 0)


@program("2dc579da")
def panel_of_other_colors(grid):
    """Of the panels between the lines, the one whose colours are not those of all others."""
    for color in colors_of(grid):
        if full_rows(grid, color) and full_columns(grid, color):
            panels = [panel for row in split_panels(grid, color) for panel in row]
            return odd_one_out(panels, key=lambda panel: set(colors_of(panel)))
    raise DslError("no cross of lines")


@program("88a62173")
def panel_unlike_the_others(grid):
    """Of the four panels in the corners, the one unlike the other three is cut out."""
    height, width = (grid.shape[0] - 1) // 2, (grid.shape[1] - 1) // 2
    sides = grid[:, :width], grid[:, -width:]
    panels = [panel for side in sides for panel in (side[:height], side[-height:])]
    return odd_one_out(panels)


@program("a87f7484")
def panel_with_the_odd_shape(grid):
    """The panels differ in colour; the one whose shape no other has is taken."""
    number = len(colors_of(grid, ignore=0))
    for rows, columns in ((1, number), (number, 1)):
        if grid.shape[0] % rows == 0 and grid.shape[1] % columns == 0:
            panels = [panel for row in split_evenly(grid, rows, columns) for panel in row]
            if all(len(colors_of(panel, ignore=0)) == 1 for panel in panels):
                return odd_one_out(panels, key=lambda panel: panel != 0)
    raise DslError("no panels of one colour")


@program("662c240a")
def panel_without_symmetry(grid):
    """Of the square panels in a row, the one that is not symmetric along its diagonal is kept."""
    height, width = grid.shape
    side = min(height, width)
    panels = [panel for row in split_evenly(grid, height // side, width // side) for panel in row]
    return next(panel for panel in panels if not is_symmetric(panel, "diagonal"))


@program("5bd6f4ac")
def top_right_corner(grid):
    """The 3x3 cells in the top right corner are cut out."""
    return grid[:3, -3:].copy()


@program("6d0160f0")
def yellow_says_where_its_panel_goes(grid):
    """The panel with the yellow cell moves to the place that this cell has in it."""
    rows, _ = find_separators(grid)
    line = int(grid[rows[0], 0])
    panels = split_panels(grid)
    chosen = recolor(next(panel for row in panels for panel in row if 4 in panel), {line: 0})
    goal = positions(chosen, 4)[0]
    moved = [
        [chosen if (r, c) == goal else np.zeros_like(panel) for c, panel in enumerate(row)]
        for r, row in enumerate(panels)
    ]
    return join_panels(moved, separator=line)
