"""Objects change colour by what they are."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("67385a82")
def big_shapes_become_azure(grid):
    """Shapes of two or more connected cells become azure; single cells stay."""
    result = grid.copy()
    for obj in find_objects(grid, diagonal=False):
        if obj.size >= 2:
            result = draw(result, obj, 8)
    return result


@program("810b9b61")
def closed_loops_become_green(grid):
    """Outlines that enclose something become green; open ones stay."""
    result = grid.copy()
    for obj in find_objects(grid, diagonal=False):
        if count_holes(obj) > 0:
            result = draw(result, obj, 3)
    return result


@program("b2862040")
def closed_shapes_turn_light_blue(grid):
    """Shapes that enclose a part of the background become light blue."""
    result = grid
    for shape in find_objects(grid, background=most_common_color(grid), diagonal=False):
        if count_holes(shape) > 0:
            result = draw(result, shape, 8)
    return result


@program("e509e548")
def color_by_letter(grid):
    """Shapes like an L become blue, those like a U magenta, those with a fork red."""
    result = grid
    for shape in find_objects(grid, diagonal=False):
        neighbors = count_neighbors(shape.mask, diagonal=False)
        fork = (shape.mask & (neighbors >= 3)).any()
        is_l = shape.size == shape.height + shape.width - 1
        result = draw(result, shape, 2 if fork else 1 if is_l else 6)
    return result


@program("6e82a1ae")
def color_by_number_of_cells(grid):
    """Shapes of four cells become blue, of three red, of two green."""
    result = grid
    for shape in find_objects(grid, diagonal=False):
        result = draw(result, shape, {4: 1, 3: 2, 2: 3}[shape.size])
    return result


@program("e8593010")
def color_holes_by_size(grid):
    """The holes in the grey get a colour by size: green for one cell, red for 2, blue for 3."""
    result = grid.copy()
    for hole in find_objects(grid, background=5, diagonal=False):
        result = draw(result, hole, {1: 3, 2: 2, 3: 1}[hole.size])
    return result


@program("b230c067")
def color_the_odd_shape(grid):
    """The shape unlike the others becomes red, the others blue."""
    shapes = find_objects(grid)
    odd = odd_one_out(shapes, key=lambda shape: shape.mask)
    result = grid
    for shape in shapes:
        result = draw(result, shape, 2 if shape == odd else 1)
    return result


@program("63613498")
def color_the_shape_like_the_model(grid):
    """A bent line cuts off a corner with a model; the same shape elsewhere takes its colour."""
    shapes = find_objects(grid)
    height, width = grid.shape

    def cuts_off_a_corner(shape):
        bent = shape.size == shape.height + shape.width - 1 and min(shape.mask.shape) > 1
        level = shape.top == 0 or shape.bottom == height - 1
        upright = shape.left == 0 or shape.right == width - 1
        corner = (0 if shape.top == 0 else height - 1, 0 if shape.left == 0 else width - 1)
        return bent and level and upright and corner not in shape.cells

    line = max(filter(cuts_off_a_corner, shapes), key=lambda shape: shape.size)
    inside = [
        shape
        for shape in shapes
        if line.top <= shape.top <= shape.bottom <= line.bottom
        and line.left <= shape.left <= shape.right <= line.right
        and shape != line
    ]
    result = grid
    for shape in shapes:
        if shape not in inside and shape.same_shape(inside[0]):
            result = draw(result, shape, line.color)
    return result


@program("ce9e57f2")
def lower_half_turns_light_blue(grid):
    """All bars stand on one edge; the half of each that is nearer to it becomes light blue."""
    for turns in range(4):
        turned = rotate(grid, turns)
        bars = find_objects(turned, diagonal=False)
        if all(bar.bottom == len(turned) - 1 for bar in bars):
            break
    for bar in bars:
        turned[len(turned) - bar.size // 2 :, bar.left] = 8
    return rotate(turned, -turns)


@program("776ffc46")
def recolor_like_boxed_shapes(grid):
    """Closed boxes hold shapes of one colour.
    Every loose shape that looks like a boxed one gets its colour."""
    boxed_shapes = []
    for top, left, height, width in find_frames(grid):
        inside = crop(grid, top + 1, left + 1, height - 2, width - 2)
        if inside.any():
            boxed_shapes.append(object_from(inside, inside != 0))
    result = grid.copy()
    for loose in find_objects(grid):
        for boxed in boxed_shapes:
            if loose.same_shape(boxed):
                result = draw(result, loose, boxed.color)
    return result


@program("6c434453")
def rings_become_pluses(grid):
    """Every square ring becomes a red plus."""
    result = grid
    for shape in find_objects(grid, diagonal=False):
        ring = ring_index(shape.height, shape.width) == 0
        if same(shape.mask, ring) and not ring.all():
            plus = new_grid(shape.height, shape.width)
            plus[shape.height // 2] = 2
            plus[:, shape.width // 2] = 2
            result = paste(result, plus, shape.top, shape.left)
    return result


@program("d2abd087")
def shapes_of_six_cells(grid):
    """Shapes of six cells become red, all others blue."""
    result = grid
    for shape in find_objects(grid, diagonal=False):
        result = draw(result, shape, 2 if shape.size == 6 else 1)
    return result


@program("ddf7fa4f")
def take_color_of_edge_dot(grid):
    """Every block takes the colour of the dot at the grid's edge that lies in its columns (or
    in its rows)."""
    result = grid.copy()
    objects = find_objects(grid, diagonal=False)
    for block in objects:
        for dot in objects:
            above = block.left <= dot.left <= block.right
            beside = block.top <= dot.top <= block.bottom
            if block.size > 1 and dot.size == 1 and (above or beside):
                result = draw(result, block, dot.color)
    return result


@program("aabf363d")
def take_the_color_of_the_dot(grid):
    """The shape takes the colour of the single dot, which goes."""
    dot, shape = sorted(find_objects(grid), key=lambda found: found.size)
    return draw(new_grid(*grid.shape), shape, dot.color)
