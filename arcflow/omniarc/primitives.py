"""Tasks that each teach one primitive: short programs with random arguments."""

import re
from collections.abc import Sequence

import numpy as np

from arcflow.core.grid import N_COLORS, Grid

PRIMITIVES: dict[str, str] = {
    # Colours
    "recolor": "return recolor(grid, {{COLOR}: {NEW}})",
    "most_common_color": "return new_grid(*grid.shape, most_common_color(grid, ignore={IGNORED}))",
    "least_common_color": "return new_grid({SIDE}, {SIDE}, least_common_color(grid))",
    "colors_of": "return to_grid([colors_of(grid, ignore={IGNORED})])",
    "count_color": "return new_grid(1, count_color(grid, {COLOR}), {COLOR})",
    "positions": (
        "result = new_grid(*grid.shape)\n"
        "for row, column in positions(grid, {COLOR}):\n"
        "    result[row, column] = {NEW}\n"
        "return result"
    ),
    # Grids
    "new_grid": "return new_grid(grid.shape[1], grid.shape[0], {COLOR})",
    "crop": "return crop(grid, {STEP}, {STEP}, {SIDE}, {SIDE})",
    "paste": "return paste(grid, new_grid({SIDE}, {SIDE}, {NEW}), {STEP}, {STEP})",
    "trim": "return trim(grid, {BACKGROUND})",
    "pad": "return pad(grid, {STEP}, {NEW})",
    "shift": "return shift(grid, *{DIRECTION}, wrap={FLAG})",
    "overlay": "return overlay([grid, {MIRROR}(grid)])",
    "bounding_box": "return crop(grid, *bounding_box(grid == {COLOR}))",
    "to_grid": "return to_grid([sorted(row) for row in grid.tolist()])",
    # Symmetry
    "flip_left_right": "return flip_left_right(grid)",
    "flip_up_down": "return flip_up_down(grid)",
    "transpose": "return transpose(grid)",
    "rotate": "return rotate(grid, {TURNS})",
    "eight_turns": "return eight_turns(grid)[{EIGHTH}]",
    "is_symmetric": (
        'return new_grid(1, 1, {NEW} if is_symmetric(grid, axis="{AXIS}") else {COLOR})'
    ),
    "complete_symmetry": 'return complete_symmetry(grid, {COLOR}, "{AXIS}")',
    # Tiling and panels
    "tile": "return tile(grid, {STEP}, {SIDE})",
    "upscale": "return upscale(grid, {SIDE})",
    "downscale": "return downscale(grid, {SIDE})",
    "find_period": (
        "rows, columns = find_period(grid, axis=0), find_period(grid, axis=1)\n"
        "return grid[:rows, :columns]"
    ),
    "complete_tiling": "return complete_tiling(grid, hole={COLOR})",
    "smallest_tile": "return smallest_tile(tile({MIRROR}(grid), {SIDE}, {SIDE}))",
    "split_halves": "return split_halves(grid)[{HALF}]",
    "split_evenly": "return split_evenly(grid, {HALVES}, {SIDE})[{HALF}][{HALF}]",
    "split_panels": "return split_panels(grid)[0][-1]",
    "join_panels": "return join_panels([[grid, {MIRROR}(grid)]], separator={NEW})",
    "find_separators": (
        "rows, columns = find_separators(grid)\n"
        "result = grid.copy()\n"
        "result[rows] = {NEW}\n"
        "result[:, columns] = {NEW}\n"
        "return result"
    ),
    # Lines
    "draw_line": ("return draw_line(grid, (0, 0), (grid.shape[0] - 1, grid.shape[1] - 1), {NEW})"),
    "draw_rectangle": "return draw_rectangle(grid, 0, 0, *grid.shape, {NEW})",
    "shoot": (
        "result = grid\n"
        "for cell in positions(grid, {COLOR}):\n"
        "    result = shoot(result, cell, {DIRECTION}, {NEW})\n"
        "return result"
    ),
    "ray": (
        "result = grid.copy()\n"
        "for cell in positions(grid, {COLOR}):\n"
        "    for row, column in ray(grid, cell, {DIRECTION}):\n"
        "        result[row, column] = {NEW}\n"
        "return result"
    ),
    "shortest_path": (
        "result = grid.copy()\n"
        "goal = grid.shape[0] - 1, grid.shape[1] - 1\n"
        "for cell in shortest_path(grid == {BACKGROUND}, (0, 0), goal, diagonal={FLAG}):\n"
        "    result[cell] = {NEW}\n"
        "return result"
    ),
    "connect": "return connect(grid, {COLOR}, with_color={NEW}, diagonal={FLAG})",
    "full_rows": "result = grid.copy()\nresult[full_rows(grid)] = {NEW}\nreturn result",
    "full_columns": "result = grid.copy()\nresult[:, full_columns(grid)] = {NEW}\nreturn result",
    # Masks
    "components": (
        "parts = components(grid == {COLOR}, diagonal={FLAG})\n"
        "return new_grid(1, len(parts), {NEW})"
    ),
    "flood_fill": "return flood_fill(grid, 0, 0, {NEW}, diagonal={FLAG})",
    "enclosed": "return np.where(enclosed(grid != 0, diagonal={FLAG}), {NEW}, grid)",
    "count_neighbors": "return count_neighbors(grid == {COLOR}, diagonal={FLAG})",
    "grow": (
        "near = grow(grid == {COLOR}, diagonal={FLAG})\n"
        "return np.where(near & (grid == 0), {NEW}, grid)"
    ),
    "edge_mask": "return np.where(edge_mask(*grid.shape), {NEW}, grid)",
    "ring_index": "return np.where(ring_index(*grid.shape) == {STEP}, {NEW}, grid)",
    # Objects and patterns
    "find_objects": (
        "objects = find_objects(grid, diagonal={FLAG})\n"
        "return object_grid(grid, {EXTREME}(objects, key=lambda obj: obj.size))"
    ),
    "object_from": "return draw(new_grid(*grid.shape), object_from(grid, grid == {COLOR}))",
    "draw": (
        "result = grid\n"
        "for obj in find_objects(grid, diagonal={FLAG}):\n"
        "    if obj.color == {COLOR}:\n"
        "        result = draw(result, obj, {NEW})\n"
        "return result"
    ),
    "erase": (
        "obj = {EXTREME}(find_objects(grid, diagonal={FLAG}), key=lambda obj: obj.size)\n"
        "return erase(grid, obj)"
    ),
    "object_grid": "return object_grid(grid, find_objects(grid)[{HALF}])",
    "count_holes": (
        "holes = [count_holes(obj) for obj in find_objects(grid)]\n"
        "return new_grid(1, sum(holes), {NEW})"
    ),
    "fill_holes": (
        "result = grid\n"
        "for obj in find_objects(grid):\n"
        "    result = draw(result, fill_holes(obj, {NEW}))\n"
        "return result"
    ),
    "is_rectangle": (
        "result = grid\n"
        "for obj in find_objects(grid, diagonal={FLAG}):\n"
        "    if is_rectangle(obj):\n"
        "        result = draw(result, obj, {NEW})\n"
        "return result"
    ),
    "is_square": (
        "result = grid\n"
        "for obj in find_objects(grid, diagonal={FLAG}):\n"
        "    if is_square(obj):\n"
        "        result = draw(result, obj, {NEW})\n"
        "return result"
    ),
    "group_objects": (
        "groups = group_objects(find_objects(grid), distance={STEP})\n"
        "return new_grid(1, len(groups), {NEW})"
    ),
    "largest_rectangle": (
        "top, left, height, width = largest_rectangle(grid == {BACKGROUND})\n"
        "return paste(grid, new_grid(height, width, {NEW}), top, left)"
    ),
    "find_pattern": (
        "result = grid\n"
        "for top, left in find_pattern(grid, new_grid({SIDE}, {SIDE}, {COLOR})):\n"
        "    result = draw_rectangle(result, top, left, {SIDE}, {SIDE}, {NEW})\n"
        "return result"
    ),
    "find_frames": (
        "result = grid\n"
        "for top, left, height, width in find_frames(grid):\n"
        "    result = draw_rectangle(result, top, left, height, width, {NEW})\n"
        "return result"
    ),
    "fall": "return fall(grid, {DIRECTION})",
    "slide": (
        "result = grid\n"
        "for obj in find_objects(grid):\n"
        "    if obj.color == {COLOR}:\n"
        "        cleared = erase(result, obj)\n"
        "        result = draw(cleared, slide(cleared, obj, {DIRECTION}))\n"
        "return result"
    ),
    # Choices
    "most_common": (
        "colors = [obj.color for obj in find_objects(grid)]\n"
        "return new_grid({SIDE}, {SIDE}, most_common(colors))"
    ),
    "odd_one_out": (
        "obj = odd_one_out(find_objects(grid), key=lambda obj: obj.{QUALITY})\n"
        "return object_grid(grid, obj)"
    ),
    "unique": "return to_grid(unique(grid.tolist()))",
    "same": "return new_grid(1, 1, {NEW} if same(grid, {MIRROR}(grid)) else {COLOR})",
}
"""The body of a program that shows what a primitive does, by the primitive's name.

Words in braces are filled in at random: COLOR, a colour that the inputs have; NEW, another one;
BACKGROUND, the commonest one; and the keys of ``_CHOICES``. A word that occurs twice gets one
value.
"""

_CHOICES: dict[str, Sequence[str]] = {
    "AXIS": ("left_right", "up_down", "diagonal", "antidiagonal", "half_turn"),
    "DIRECTION": ("UP", "DOWN", "LEFT", "RIGHT"),
    "EIGHTH": ("1", "2", "3", "4", "5", "6", "7"),
    "EXTREME": ("max", "min"),
    "FLAG": ("True", "False"),
    "HALF": ("0", "-1"),
    "HALVES": ("1", "2"),
    "IGNORED": ("()", "0"),
    "MIRROR": ("flip_left_right", "flip_up_down"),
    "QUALITY": ("size", "color", "height", "width"),
    "SIDE": ("2", "3"),
    "STEP": ("1", "2"),
    "TURNS": ("1", "2", "3"),
}
_WORD = re.compile(r"\{([A-Z]+)\}")


def primitive(name: str, inputs: Sequence[Grid], random: np.random.Generator) -> str:
    """Return a program that shows what a primitive does.

    Args:
        name: The name of a primitive in :data:`PRIMITIVES`.
        inputs: One or more inputs for the program, which names a colour that they have.
        random: The generator that chooses the arguments.

    Returns:
        The text of the program.
    """
    counts = np.array([np.bincount(grid.ravel(), minlength=N_COLORS) for grid in inputs])
    shown = (counts > 0).sum(axis=0).tolist()
    everywhere = [c for c in range(1, N_COLORS) if shown[c] == len(inputs)]
    anywhere = [c for c in range(1, N_COLORS) if shown[c]]
    color = _one(everywhere or anywhere or [1], random)
    absent = [c for c in range(1, N_COLORS) if not shown[c]]
    new = _one(absent or [c for c in range(1, N_COLORS) if c != color], random)
    drawn = {
        "COLOR": str(color),
        "NEW": str(new),
        "BACKGROUND": str(int(counts.sum(axis=0).argmax())),
    }

    def value(match: re.Match[str]) -> str:
        word = match[1]
        if word not in drawn:
            choices = _CHOICES[word]
            drawn[word] = choices[int(random.integers(len(choices)))]
        return drawn[word]

    body = _WORD.sub(value, PRIMITIVES[name])
    return "def task(grid):\n" + "".join(f"    {line}\n" for line in body.split("\n"))


def _one(colors: Sequence[int], random: np.random.Generator) -> int:
    return colors[int(random.integers(len(colors)))]
