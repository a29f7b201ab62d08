"""Pieces are put together."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("a8c38be5")
def assemble_nine_pieces(grid):
    """The nine pieces make a picture: a piece with a coloured edge belongs to that side, one with
    just a coloured corner to that corner, the plain one in the middle. Where pieces touch, they
    are cut apart so that all nine fit together."""
    base = most_common_color(grid, ignore=0)

    def place_of(piece):
        marked = piece != base
        if not marked.any():
            return 1, 1
        sides = {(0, 1): marked[0], (2, 1): marked[-1], (1, 0): marked[:, 0], (1, 2): marked[:, -1]}
        corners = [(row, col) for row in (0, 2) for col in (0, 2) if marked[row // -2, col // -2]]
        places = [side for side, cells in sides.items() if cells.all()] or corners
        return places[0] if len(places) == 1 else None

    def fits(piece, place, placed):
        aligned = all(
            (row != place[0] or other.shape[0] == piece.shape[0])
            and (col != place[1] or other.shape[1] == piece.shape[1])
            for (row, col), other in placed.items()
        )
        return aligned and place not in placed and len(colors_of(piece)) <= 2

    def cut(cells, placed):
        if not cells.any():
            return placed if len(placed) == 9 else None
        top, left = positions(cells)[0]
        for bottom in range(top + 3, grid.shape[0] + 1):
            for right in range(left + 3, grid.shape[1] + 1):
                piece = cells[top:bottom, left:right]
                place = place_of(piece) if piece.all() else None
                if place and fits(piece, place, placed):
                    rest = paste(cells, np.zeros_like(piece), top, left)
                    found = cut(rest, {**placed, place: piece})
                    if found:
                        return found
        return None

    pieces = cut(grid, {})
    return join_panels([[pieces[row, col] for col in range(3)] for row in range(3)])


@program("a61ba2ce")
def corners_make_a_frame(grid):
    """Four corner pieces are put together to a frame."""
    pieces = {}
    for piece in find_objects(grid):
        pieces[bool(piece.mask[0].all()), bool(piece.mask[:, 0].all())] = piece
    height = pieces[True, True].height + pieces[False, True].height
    width = pieces[True, True].width + pieces[True, False].width
    result = new_grid(height, width)
    for (at_top, at_left), piece in pieces.items():
        top = 0 if at_top else height - piece.height
        result = draw(result, piece.moved_to(top, 0 if at_left else width - piece.width))
    return result


@program("846bdb03")
def fit_between_the_posts(grid):
    """The shape goes into the frame, turned so that its colours are on their own sides."""

    def are_corners(dots):
        top, left, height, width = bounding_box(dots)
        bottom, right = top + height - 1, left + width - 1
        return positions(dots) == [(top, left), (top, right), (bottom, left), (bottom, right)]

    color = next(color for color in colors_of(grid, ignore=0) if are_corners(grid == color))
    top, left, height, width = bounding_box(grid == color)
    frame = crop(grid, top, left, height, width)
    shape = trim(paste(grid, new_grid(height, width), top, left))
    if frame[1, 0] and frame[1, 0] not in shape[:, 0]:
        shape = flip_left_right(shape)
    if frame[0, 1] and frame[0, 1] not in shape[0]:
        shape = flip_up_down(shape)
    return paste(frame, shape, 1, 1)


@program("9aec4887")
def fit_into_the_frame(grid):
    """The shape goes into the frame; its cells take the colour of a side that is nearest."""

    def frame_without(color):
        rest = np.where(grid == color, 0, grid)
        frame = crop(rest, *bounding_box(rest))
        ring = ring_index(*frame.shape) == 0
        ring[[0, 0, -1, -1], [0, -1, 0, -1]] = False
        return frame if same(frame != 0, ring) else None

    color = next(c for c in colors_of(grid, ignore=0) if frame_without(c) is not None)
    result = frame_without(color)
    height, width = result.shape
    sides = result[0, 1], result[1, 0], result[-1, 1], result[1, -1]
    for row, column in positions(trim(grid == color)):
        row, column = row + 1, column + 1
        distances = [row, column, height - 1 - row, width - 1 - column]
        nearest = distances.index(min(distances))
        alone = distances.count(min(distances)) == 1
        result[row, column] = sides[nearest] if alone else color
    return result


@program("6a1e5592")
def fit_shapes_into_gaps(grid):
    """The loose shapes move into the gaps of the big block, which they fill; they become blue."""
    edges = [set(rotate(grid, turns)[0].tolist()) for turns in range(4)]
    turns = next(turns for turns in range(4) if len(edges[turns]) == 1 and edges[turns] != {0})
    scene = rotate(grid, turns)
    wall = scene[0, 0]
    _, _, height, _ = bounding_box(scene == wall)

    def fit(cells, shapes):
        gaps = positions(cells[:height] == 0)
        if not gaps:
            return cells
        for shape in shapes:
            first = shape.cells[0]
            moved = shape.moved(gaps[0][0] - first[0], gaps[0][1] - first[1])
            inside = moved.left >= 0 and moved.right < cells.shape[1]
            if not inside or moved.bottom >= cells.shape[0]:
                continue
            if all(cells[cell] == 0 for cell in moved.cells):
                others = [other for other in shapes if other != shape]
                fitted = fit(draw(cells, moved, 1), others)
                if fitted is not None:
                    return fitted
        return None

    shapes = find_objects(scene, background=(0, int(wall)))
    return rotate(fit(np.where(scene == wall, wall, 0), shapes), -turns)


@program("681b3aeb", rearc="some samples show a piece only in part, or not at all")
def fit_two_pieces_into_a_square(grid):
    """The two pieces fit together to a full square."""
    one, other = find_objects(grid)
    side = int((one.size + other.size) ** 0.5)
    places = positions(new_grid(side, side) == 0)
    for place in places:
        for other_place in places:
            square = new_grid(side, side)
            square = draw(square, one.moved_to(*place))
            square = draw(square, other.moved_to(*other_place))
            if square.all():
                return square
    raise DslError("the pieces do not fit")


@program("137eaa0f")
def join_pieces_at_the_shared_color(grid):
    """Every piece has a colour of its own and one cell of a colour that all share.

    The pieces are laid over each other so that their shared cells coincide.
    """
    overlays = []
    for shared in colors_of(grid, ignore=0):
        anchors = positions(grid, shared)
        others = colors_of(grid, ignore=(0, shared))
        if len(anchors) != len(others):
            continue
        spread, cells = 0, {(0, 0): shared}
        for color in others:
            piece = np.array(positions(grid, color))
            nearest = min(anchors, key=lambda anchor: abs(piece - anchor).sum())
            spread += abs(piece - nearest).sum()
            cells |= {tuple(cell): color for cell in piece - nearest}
        overlays.append((spread, cells))
    # More than one colour may be as frequent: the right one lies closest to its pieces.
    _, cells = min(overlays, key=lambda overlay: overlay[0])
    rows, columns = np.array(list(cells)).T
    result = new_grid(np.ptp(rows) + 1, np.ptp(columns) + 1)
    result[rows - rows.min(), columns - columns.min()] = list(cells.values())
    return result


@program("228f6490")
def move_pieces_into_fitting_holes(grid):
    """A piece that has the shape of a hole in a block moves into the hole. Of several it is the
    one whose colour is rarest: there may be scattered pieces of another colour."""
    block_color = max(
        colors_of(grid, ignore=0), key=lambda color: np.count_nonzero(enclosed(grid == color))
    )
    pieces = find_objects(grid, background=(0, block_color))
    colors = [piece.color for piece in pieces]
    result = grid
    for hole in components(enclosed(grid == block_color)):
        target = object_from(grid, hole)
        fitting = [piece for piece in pieces if piece.same_shape(target)]
        if fitting:
            piece = min(fitting, key=lambda piece: colors.count(piece.color))
            result = draw(erase(result, piece), piece.moved_to(target.top, target.left))
    return result


@program("bc1d5164")
def overlay_the_corners(grid):
    """The four corners of the grid are laid over each other."""
    height, width = (grid.shape[0] + 1) // 2, (grid.shape[1] - 1) // 2
    top, bottom = grid[:height], grid[-height:]
    return overlay([top[:, :width], top[:, -width:], bottom[:, :width], bottom[:, -width:]])


@program("97a05b5b")
def patch_the_holes_with_pieces(grid):
    """The pieces are turned and laid on the sheet so that their cells of its colour fill its holes.

    The sheet is what has one colour alone; every hole is filled by exactly one piece.
    """
    parts = find_objects(grid, by_color=False)
    sheet_color = most_common_color(grid, ignore=0)
    sheet = np.zeros(grid.shape, dtype=bool)
    pieces = []
    for part in parts:
        if part.colors == [sheet_color]:
            sheet |= draw(new_grid(*grid.shape), part) > 0
        else:
            pieces.append(part.patch)
    pieces.sort(key=lambda piece: -piece.size)

    def lay(board, pieces):
        if not pieces:
            return None if (board == 0).any() else board
        for piece in unique(eight_turns(pieces[0])):
            fitting = np.where(piece == sheet_color, 0, sheet_color)
            for top, left in find_pattern(board, fitting):
                done = lay(paste(board, piece + 10, top, left), pieces[1:])
                if done is not None:
                    return done
        return None

    laid = lay(crop(grid, *bounding_box(sheet)), pieces)
    return np.where(laid >= 10, laid - 10, laid)


@program("c8cbb738")
def shapes_laid_on_one_frame(grid):
    """All shapes lie on the edge of one box, whose corners one colour marks.

    They are laid over each other in that box, each where all its cells come onto the free edge.
    """
    background = most_common_color(grid)
    shapes = [trim(np.where(grid == color, color, -1), -1) for color in colors_of(grid, background)]

    def is_corners(shape):
        corners = shape[[0, 0, -1, -1], [0, -1, 0, -1]]
        return (corners >= 0).all() and (shape >= 0).sum() == 4

    frame = max(filter(is_corners, shapes), key=np.size)
    height, width = frame.shape
    edge = edge_mask(height, width)

    def lay(board, left_over):
        if not left_over:
            return board
        shape = left_over[0]
        for top in range(height - shape.shape[0] + 1):
            for left in range(width - shape.shape[1] + 1):
                layer = paste(np.full((height, width), -1), shape, top, left)
                cells = layer >= 0
                if not (cells & ~edge).any() and not (cells & (board >= 0)).any():
                    done = lay(np.where(cells, layer, board), left_over[1:])
                    if done is not None:
                        return done
        return None

    others = [shape for shape in shapes if shape is not frame]
    result = lay(frame, sorted(others, key=np.size, reverse=True))
    return np.where(result < 0, background, result)


@program("150deff5")
def split_into_squares_and_bars(grid):
    """The shape is made of 2x2 squares and bars of three cells: squares become 8, bars 2."""
    pieces = (2, 2, 8), (1, 3, 2), (3, 1, 2)
    open_cell = 1

    def cover(cells):
        if open_cell not in cells:
            return cells
        row, col = positions(cells, open_cell)[0]
        for height, width, color in pieces:
            part = cells[row : row + height, col : col + width]
            if part.shape == (height, width) and (part == open_cell).all():
                covered = cover(paste(cells, new_grid(height, width, color), row, col))
                if covered is not None:
                    return covered
        return None

    return cover(np.where(grid != 0, open_cell, 0))
