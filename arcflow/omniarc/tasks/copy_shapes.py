"""Shapes are copied: stamps and templates."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("0e206a2e")
def bodies_move_onto_their_dots(grid):
    """Every shape carries dots; it moves, turned or mirrored, onto loose dots of that kind."""
    body = most_common_color(grid, ignore=0)
    shapes = [shape for shape in find_objects(grid, by_color=False) if body in shape.colors]
    dots = grid
    for shape in shapes:
        dots = erase(dots, shape)
    result = dots
    for shape in shapes:
        for turned in eight_turns(shape.patch):
            marks = np.where(turned == body, 0, turned)
            for top, left in find_pattern(pad(dots, 30), marks, ignore=0):
                result = paste(result, turned, top - 30, left - 30, transparent=0)
    return result


@program("6aa20dc0")
def complete_copies_of_the_model(grid):
    """The model's two marked cells occur elsewhere as pairs of squares: there it is completed.

    Its copies may be turned, mirrored and enlarged by the side of the squares; no square belongs
    to two of them, so squares that fit only one other are paired first.
    """
    background, anything = most_common_color(grid), -1
    colors = colors_of(grid, background)
    boxes = [bounding_box(grid == color) for color in colors]
    full = [box for box in boxes if set(colors) <= set(colors_of(crop(grid, *box)))]
    model_box = min(full, key=lambda box: box[2] * box[3])
    body = colors[boxes.index(model_box)]
    model = crop(grid, *model_box)
    missing = np.select([model == background, model == body], [anything, background], model)
    result = grid.copy()
    free = paste(grid, new_grid(*model.shape, body), *model_box[:2])
    for size in range(min(grid.shape) // min(model.shape), 0, -1):
        patterns = [upscale(turned, size) for turned in eight_turns(missing)]
        copies = [upscale(turned, size) for turned in eight_turns(model)]
        while True:
            places, chances = [], {}
            for pattern, copy in zip(patterns, copies, strict=True):
                marked = positions(np.isin(pattern, (anything, background), invert=True))
                for top, left in find_pattern(free, pattern, ignore=anything):
                    cells = [(top + row, left + column) for row, column in marked]
                    places.append((cells, top, left, copy))
                    for cell in cells:
                        chances.setdefault(cell, set()).add((top, left))
            if not places:
                break
            _, top, left, copy = min(
                places, key=lambda place: min(len(chances[cell]) for cell in place[0])
            )
            result = paste(result, copy, top, left, transparent=background)
            taken = np.where(copy == background, background, body)
            free = paste(free, taken, top, left, transparent=background)
    return result


@program("57aa92db")
def complete_shapes_around_markers(grid):
    """All objects show one shape around a marker of a common colour, in their own colour and size.

    One object is complete; the others are completed after it, as large as their markers tell.
    """
    objects = find_objects(grid, by_color=False)
    marker = most_common([color for obj in objects for color in obj.colors])
    found, shape = [], set()
    for block in find_objects(np.where(grid == marker, marker, 0), diagonal=False):
        own = draw(np.zeros_like(grid), block) > 0
        around = grid[grow(own) & (grid != marker)]
        body = most_common_color(around, ignore=0)
        whole = next(part for part in components(own | (grid == body)) if part[own].all())
        size = block.width
        cells = positions(whole & ~own)
        steps = {((row - block.top) // size, (col - block.left) // size) for row, col in cells}
        shape = max(shape, steps, key=len)
        found.append((block, body))
    result = grid.copy()
    for block, body in found:
        size = block.width
        for down, across in shape:
            piece = new_grid(size, size, body)
            result = paste(result, piece, block.top + down * size, block.left + across * size)
    return result


@program("447fd412")
def complete_shapes_at_every_scale(grid):
    """One shape has a body and anchors; the other anchors, some larger, get bodies likewise."""
    template = max(find_objects(grid, by_color=False), key=lambda shape: len(shape.colors))
    margin = max(grid.shape)
    result = pad(grid, margin)
    anchors = pad(erase(grid, template), margin)
    anchor = most_common_color(anchors, ignore=0)
    for scale in range(min(grid.shape), 0, -1):
        shape = upscale(template.patch, scale)
        wanted = np.where(shape == anchor, anchor, 0)
        for top, left in find_pattern(anchors, wanted):
            anchors = paste(anchors, np.zeros_like(wanted), top, left)
            result = paste(result, shape, top, left, transparent=0)
    return crop(result, margin, margin, *grid.shape)


@program("36d67576")
def complete_the_partial_shapes(grid):
    """One shape is whole; of the others, turned or mirrored, a part is left: it is completed."""
    shapes = find_objects(grid, by_color=False)
    model = max(shapes, key=lambda shape: (len(shape.colors), shape.size))
    rest = erase(grid, model)
    shown = colors_of(rest, ignore=0)
    result = grid
    for turned in eight_turns(model.patch):
        known = np.where(np.isin(turned, shown), turned, 0)
        top, left, height, width = bounding_box(known)
        part = crop(known, top, left, height, width)
        for row, column in find_pattern(rest, part, ignore=0):
            around = rest[row : row + height, column : column + width]
            if np.count_nonzero(around) == np.count_nonzero(part):
                result = paste(result, turned, row - top, column - left, transparent=0)
    return result


@program("72322fa7")
def complete_the_rest_of_the_shapes(grid):
    """Some shapes are whole; of others only one colour is left: they are completed."""
    shapes = find_objects(grid, by_color=False)
    models = [shape for shape in shapes if len(shape.colors) > 1]
    rest = grid
    for model in models:
        rest = erase(rest, model)
    rest = pad(rest, 5)
    result = pad(grid, 5)
    for model in models:
        for color in model.colors:
            known = np.where(model.patch == color, color, 0)
            top, left, height, width = bounding_box(known)
            part = crop(known, top, left, height, width)
            for row, column in find_pattern(rest, part, ignore=0):
                around = rest[row - top : row - top + model.height]
                around = around[:, column - left : column - left + model.width]
                if np.count_nonzero(around) == np.count_nonzero(part):
                    result = draw(result, model.moved_to(row - top, column - left))
    return result[5:-5, 5:-5]


@program("e76a88a6")
def copy_colored_template(grid):
    """One object has two colours; all others, of the same shape, are replaced by copies of it."""
    objects = find_objects(grid, diagonal=False, by_color=False)
    template = max(objects, key=lambda obj: len(obj.colors))
    result = grid.copy()
    for obj in objects:
        result = draw(result, template.moved_to(obj.top, obj.left))
    return result


@program("88a10436")
def copy_the_shape_onto_dots(grid):
    """The shape of several colours is copied so that its centre lies on each dot."""
    *dots, shape = sorted(find_objects(grid, by_color=False), key=lambda found: found.size)
    result = grid
    for dot in dots:
        top, left = dot.top - shape.height // 2, dot.left - shape.width // 2
        result = draw(erase(result, dot), shape.moved_to(top, left))
    return result


@program("1f642eb9")
def dots_color_the_block(grid):
    """Each dot paints the cell of the block that faces it."""
    block = max(find_objects(grid), key=lambda obj: obj.size)
    result = grid.copy()
    for row, col in positions(erase(grid, block)):
        facing_row = min(max(row, block.top), block.bottom)
        facing_col = min(max(col, block.left), block.right)
        result[facing_row, facing_col] = grid[row, col]
    return result


@program("3e980e27")
def dots_grow_into_their_shape(grid):
    """Single dots grow into the shape with such a dot: as it is for green, mirrored for red."""
    shapes = find_objects(grid, by_color=False)
    result = grid
    for mark in (2, 3):
        marked = [shape for shape in shapes if mark in shape.colors]
        models = [shape for shape in marked if shape.size > 1]
        for dot in marked if models else ():
            if dot.size == 1:
                model = models[0].turned(flip_left_right) if mark == 2 else models[0]
                row, column = positions(model.patch, mark)[0]
                result = draw(result, model.moved_to(dot.top - row, dot.left - column))
    return result


@program("890034e9")
def frame_the_other_black_box(grid):
    """A frame surrounds a black box; other black boxes of that size get the same frame."""
    top, left, height, width = bounding_box(grid == least_common_color(grid))
    frame = crop(grid, top, left, height, width)
    result = grid
    for row, column in find_pattern(grid, new_grid(height - 2, width - 2)):
        result = paste(result, frame, row - 1, column - 1)
    return result


@program("321b1fc6")
def put_template_in_place(grid):
    """The object of several colours vanishes, and copies of it replace all others."""
    objects = find_objects(grid, diagonal=False, by_color=False)
    template = max(objects, key=lambda obj: len(obj.colors))
    result = new_grid(*grid.shape)
    for obj in objects:
        if obj != template:
            result = draw(result, template.moved_to(obj.top, obj.left))
    return result


@program("045e512c")
def repeat_the_shape_in_rows(grid):
    """Pieces beside the whole shape tell direction and colour in which it is repeated."""
    shape = max(find_objects(grid), key=lambda found: found.size)
    result = draw(new_grid(*grid.shape), shape)
    for row, column in positions((grid != 0) & (draw(new_grid(*grid.shape), shape) == 0)):
        d_row = (row > shape.bottom) - (row < shape.top)
        d_column = (column > shape.right) - (column < shape.left)
        colored = shape.recolored(int(grid[row, column]))
        for number in range(1, max(grid.shape)):
            down, right = number * d_row, number * d_column
            moved = colored.moved(down * (shape.height + 1), right * (shape.width + 1))
            result = draw(result, moved)
    return result


@program("e8dc4411")
def repeat_the_shape_towards_the_dots(grid):
    """Dots beside the shape are a part of its next copy; the copies go on that way to the edge."""
    background, dots = most_common_color(grid), least_common_color(grid)
    shape = object_from(grid, (grid != background) & (grid != dots))
    wanted, own = set(positions(grid, dots)), set(shape.cells)
    fits = [
        (distance * d_row, distance * d_column)
        for distance in range(1, max(grid.shape))
        for d_row, d_column in ALL_DIRECTIONS
        for cells in [set(shape.moved(distance * d_row, distance * d_column).cells)]
        if wanted <= cells and not own & cells
    ]
    d_row, d_column = fits[0]
    result = grid
    for number in range(1, max(grid.shape)):
        result = draw(result, shape.moved(number * d_row, number * d_column), dots)
    return result


@program("b60334d2")
def rings_around_cells(grid):
    """Each cell becomes a ring: its colour at the four corners, blue between, empty inside."""
    color = most_common_color(grid, ignore=0)
    result = new_grid(*grid.shape)
    for row, col in positions(grid):
        ring = new_grid(3, 3, 1)
        ring[::2, ::2] = color
        ring[1, 1] = 0
        result = paste(result, ring, row - 1, col - 1, transparent=0)
    return result


@program("e6721834")
def shapes_move_onto_their_dots(grid):
    """One half has shapes with dots, the other half only dots: the shapes move onto these."""

    def background_size(panel):
        return count_color(panel, most_common_color(panel))

    cuts = []
    for rows, columns in ((2, 1), (1, 2)):
        if grid.shape[0] % rows == 0 and grid.shape[1] % columns == 0:
            cuts.append([panel for row in split_evenly(grid, rows, columns) for panel in row])
    halves = max(cuts, key=lambda panels: background_size(panels[0]) + background_size(panels[1]))
    shaped, dotted = sorted(halves, key=background_size)
    around, background = most_common_color(shaped), most_common_color(dotted)
    body = most_common_color(shaped, ignore=around)
    shapes = find_objects(shaped, around, by_color=False)
    shapes.sort(key=lambda shape: np.count_nonzero(shape.mask & (shape.patch != body)))
    result = dots = np.array(dotted)
    for shape in reversed(shapes):
        is_dot = shape.mask & (shape.patch != body)
        under = np.where(is_dot, shape.patch, background)
        if not is_dot.any():
            continue
        for top, left in find_pattern(dots, under)[:1]:
            dots = paste(dots, new_grid(*under.shape, background), top, left)
            result = draw(result, shape.moved_to(top, left))
    return result


@program("363442ee")
def stamp_onto_dots(grid):
    """A pattern stands on one side of a line; on the other it is stamped around each dot."""
    rows, columns = find_separators(grid)
    without_lines = grid.copy()
    without_lines[rows] = 0
    without_lines[:, columns] = 0
    shapes = find_objects(without_lines, by_color=False)
    *dots, stamp = sorted(shapes, key=lambda shape: shape.size)
    result = grid
    for dot in dots:
        top, left = dot.top - stamp.height // 2, dot.left - stamp.width // 2
        result = draw(result, stamp.moved_to(top, left))
    return result


@program("264363fd")
def stars_with_long_arms(grid):
    """A star is drawn around each dot; its long arms run on to the edges of the rectangle."""
    edge = np.concatenate([grid[0], grid[-1], grid[:, 0], grid[:, -1]])
    background = most_common_color(edge[None])
    field = most_common_color(grid, ignore=background)
    shapes = find_objects(grid, background=background, by_color=False)
    star = next(shape for shape in shapes if field not in shape.colors)
    boxes = [shape for shape in shapes if shape != star]
    dot = next(color for box in boxes for color in box.colors if color != field)
    arms = pad(star.mask, 2)
    star_patch = pad(np.where(star.mask, star.patch, background), 2, background)
    inner = count_neighbors(arms, diagonal=False) == 4
    row, column = positions(inner & (star_patch == dot))[0]
    core = crop(star_patch, row - 1, column - 1, 3, 3)
    tips = [
        ((d_row, d_column), star_patch[row + 2 * d_row, column + 2 * d_column])
        for d_row, d_column in ORTHOGONAL
    ]
    result = erase(grid, star, background)
    for box in boxes:
        patch = box.patch
        for place in positions(box.patch, dot):
            for direction, color in tips:
                for cell in ray(patch, place, direction) if color != background else ():
                    patch = paste(patch, new_grid(1, 1, color), *cell)
        for place_row, place_column in positions(box.patch, dot):
            patch = paste(patch, core, place_row - 1, place_column - 1, background)
        result = paste(result, patch, box.top, box.left)
    return result


@program("7df24a62")
def surround_the_same_dots(grid):
    """A block surrounds some dots; dots that lie like these, also turned, get such a block too."""
    boxes = [crop(grid, *bounding_box(grid == color)) for color in colors_of(grid, ignore=0)]
    template = next(box for box in boxes if box.all())
    block = template[0, 0]
    margin = max(template.shape)
    field = result = pad(grid, margin)
    for turned in eight_turns(template):
        for top, left in find_pattern(field, recolor(turned, {block: 0})):
            result = paste(result, turned, top, left)
    return crop(result, margin, margin, *grid.shape)
