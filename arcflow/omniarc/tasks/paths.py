"""Paths: walks, bounces, spirals."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("b782dc8a")
def alternate_along_the_maze(grid):
    """Two colours spread from their start through the maze, in turn."""
    centre, neighbor = colors_of(grid)[:-3:-1]
    row, column = positions(grid, centre)[0]
    beside = grow(grid == centre, diagonal=False) & ~np.isin(grid, (centre, neighbor))
    common = colors_of(grid)[:2]
    wall = most_common_color(grid[beside]) if beside.any() else common[0]
    way = next(area for area in components(grid != wall, diagonal=False) if area[row, column])
    rows, columns = np.indices(grid.shape)
    even = (rows + columns) % 2 == (row + column) % 2
    return np.where(way, np.where(even, centre, neighbor), grid)


@program("2dd70a9a")
def bounce_to_target(grid):
    """The green bar grows straight ahead; where it hits something it turns left or right, until
    it meets the red bar end to end. The way with the fewest turns is drawn."""
    bar, target = positions(grid, 3), positions(grid, 2)
    first, last = bar[0], bar[-1]
    upright = first[1] == last[1]
    target_upright = target[0][1] == target[-1][1]
    walks = [([first], UP if upright else LEFT), ([last], DOWN if upright else RIGHT)]
    seen = set()
    for walk, step in walks:
        stretch = list(walk)
        for cell in ray(grid, walk[-1], step):
            if cell in target and target_upright == (step in (UP, DOWN)):
                result = grid.copy()
                result[tuple(zip(*stretch, strict=True))] = 3
                return result
            if grid[cell]:
                break
            stretch.append(cell)
        for turn in ((step[1], step[0]), (-step[1], -step[0])):
            if (stretch[-1], turn) not in seen:
                seen.add((stretch[-1], turn))
                walks.append((stretch, turn))
    raise DslError("bounce_to_target: no way leads to the red bar")


@program("a3df8b1e")
def bouncing_path(grid):
    """A path leaves the corner slantwise and bounces between the long sides."""
    turn = grid.shape[1] > grid.shape[0]
    field = transpose(grid) if turn else grid
    width = field.shape[1]
    result = field.copy()
    for row, column in positions(field != 0):
        for step in range(len(field)):
            bounce = step % (2 * width - 2) if width > 1 else 0
            across = min(bounce, 2 * width - 2 - bounce)
            result[abs(row - step), abs(column - across)] = field[row, column]
    return transpose(result) if turn else result


@program("e179c5f4")
def bouncing_path_on_light_blue(grid):
    """A path leaves the corner slantwise and bounces between the long sides."""
    turn = grid.shape[1] > grid.shape[0]
    field = transpose(grid) if turn else grid
    width = field.shape[1]
    result = np.where(field == 0, 8, field)
    for row, column in positions(field != 0):
        for step in range(len(field)):
            bounce = step % (2 * width - 2) if width > 1 else 0
            across = min(bounce, 2 * width - 2 - bounce)
            result[abs(row - step), abs(column - across)] = field[row, column]
    return transpose(result) if turn else result


@program("28e73c20")
def draw_green_spiral(grid):
    """A green spiral runs clockwise from the top left corner inwards, always with a gap of one
    cell to its own line."""
    drawn = np.zeros(grid.shape, bool)
    row, col, (d_row, d_col) = 0, 0, RIGHT
    drawn[row, col] = True
    turned = False
    while True:
        ahead = ray(grid, (row, col), (d_row, d_col))[:2]
        if ahead and not any(drawn[cell] for cell in ahead):
            row, col = ahead[0]
            drawn[row, col] = True
            turned = False
        elif turned:
            return np.where(drawn, 3, grid)
        else:
            d_row, d_col = d_col, -d_row
            turned = True


@program("239be575")
def is_there_a_path_between_the_blocks(grid):
    """The path's colour where a path connects the two square blocks, else black."""
    squares = {
        color: len(find_pattern(grid, new_grid(2, 2, color))) for color in colors_of(grid, ignore=0)
    }
    block = next(c for c in squares if squares[c] == 2 and count_color(grid, c) == 8)
    path = next((color for color in squares if color != block), 0)
    ways = components(grid != 0, diagonal=False)
    connected = sum((way & (grid == block)).any() for way in ways) == 1
    return new_grid(1, 1, path if connected else 0)


@program("d9f24cd1")
def lines_dodge_to_the_right(grid):
    """Lines start at one edge; before an obstacle they step to the right and go on."""
    for color in colors_of(grid, ignore=0):
        for turns in range(4):
            field = rotate(grid, turns)
            if (field[:-1] == color).any():
                continue
            result = np.array(field)
            for column in np.nonzero(field[-1] == color)[0]:
                for row in range(field.shape[0] - 1, -1, -1):
                    result[row, column] = color
                    if row and field[row - 1, column]:
                        column += 1
                        result[row, column] = color
            return rotate(result, -turns)
    raise DslError("no edge with all dots of a colour")


@program("d06dbe63")
def stairs_through_the_dot(grid):
    """Grey stairs run through every dot, up to the right and down to the left."""
    result = grid.copy()
    for row, column in positions(grid != 0):
        for direction in (1, -1):
            for step in range(1, max(grid.shape)):
                across = (step - 1) // 2 * 2
                columns = [across] if step % 2 else [across, across + 1, across + 2]
                for offset in columns:
                    cell = row - direction * step, column + direction * offset
                    inside = 0 <= cell[0] < grid.shape[0] and 0 <= cell[1] < grid.shape[1]
                    if inside and not grid[cell]:
                        result[cell] = 5
    return result
