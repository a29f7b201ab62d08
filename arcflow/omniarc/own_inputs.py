"""Inputs generated here, for tasks whose RE-ARC inputs do not fit the rule of the originals."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import N_COLORS, Grid, make_grid

Cells = NDArray[np.int64]
Random = np.random.Generator


def own_input(task_id: str, random: Random) -> Grid:
    """Draw an input of one of the tasks in ``OWN_INPUTS``.

    Args:
        task_id: The id of the task.
        random: The generator that draws it.

    Returns:
        The input, a read-only int8 array of shape (H, W).
    """
    return make_grid(OWN_INPUTS[task_id](random), f"input drawn for {task_id}")


def black_squares(random: Random) -> Cells:
    """Draw an input of 6cf79266: noise of black and one colour with black 3x3 squares.

    The squares lie apart from each other.

    Args:
        random: The generator that draws it.

    Returns:
        The cells, shape (H, W).
    """
    cells = _noise(random, int(random.integers(14, 25)), int(random.integers(14, 25)), 1)
    _cut_apart(random, cells, [(3, 3)] * int(random.integers(1, 6)))
    return cells


def black_rectangles(random: Random) -> Cells:
    """Draw an input of a8d7556c: noise of black and one colour with black rectangles.

    The rectangles have several sizes.

    Args:
        random: The generator that draws it.

    Returns:
        The cells, shape (H, W).
    """
    cells = _noise(random, int(random.integers(12, 21)), int(random.integers(12, 21)), 2)
    sides = random.integers(2, 6, size=(int(random.integers(2, 6)), 2))
    _cut_apart(random, cells, [(int(height), int(width)) for height, width in sides])
    return cells


def two_pieces(random: Random) -> Cells:
    """Draw an input of 681b3aeb: two pieces of a square, apart from each other, in two colours.

    Args:
        random: The generator that draws it.

    Returns:
        The cells, shape (H, W).
    """
    side = int(random.integers(3, 5))
    first = _connected_part(random, side)
    cells = np.zeros((random.integers(2 * side + 2, 16), random.integers(2 * side + 2, 16)), int)
    one, other = random.choice(np.arange(1, N_COLORS), size=2, replace=False).tolist()
    # Each in a half of its own, so that they cannot touch.
    halves = (cells[: len(cells) // 2], cells[len(cells) // 2 + 1 :])
    if random.random() < 0.5:
        halves = halves[::-1]
    for piece, color, half in zip((first, ~first), (one, other), halves, strict=True):
        rows, columns = np.nonzero(piece)
        rows, columns = rows - rows.min(), columns - columns.min()
        top = random.integers(half.shape[0] - rows.max())
        left = random.integers(half.shape[1] - columns.max())
        half[top + rows, left + columns] = color
    return np.rot90(cells, int(random.integers(4)))


def blank_streets(random: Random) -> Cells:
    """Draw an input of a64e4611: noise with a blank street from an edge, and side streets.

    Args:
        random: The generator that draws it.

    Returns:
        The cells, shape (H, W).
    """
    height, width = (int(random.integers(22, 31)) for _ in range(2))
    cells = _noise(random, height, width, 3)
    street = int(random.integers(4, 9))
    left = int(random.integers(6, width - street - 5))
    length = int(random.integers(height // 2 + 2, height + 1))
    cells[:length, left : left + street] = 0
    top = 3
    while top < length - 8:
        rows = int(random.integers(3, 6))
        columns = slice(0, left) if random.random() < 0.5 else slice(left + street, width)
        if random.random() < 0.6:
            cells[top : top + rows, columns] = 0
        top += rows + int(random.integers(3, 7))
    return np.rot90(cells, int(random.integers(4)))


OWN_INPUTS: Mapping[str, Callable[[Random], Cells]] = {
    "6cf79266": black_squares,
    "681b3aeb": two_pieces,
    "a64e4611": blank_streets,
    "a8d7556c": black_rectangles,
}


def _noise(random: Random, height: int, width: int, painted: int) -> Cells:
    """Return noise of black and one colour other than the painted one, about half of each.

    It holds no black square of 2x2 cells.
    """
    color = int(random.choice([c for c in range(1, N_COLORS) if c != painted]))
    cells = np.where(random.random((height, width)) < 0.55, color, 0)
    for row in range(1, height):
        for column in range(1, width):
            if not cells[row - 1 : row + 1, column - 1 : column + 1].any():
                cells[row, column] = color
    return cells


def _cut_apart(random: Random, cells: Cells, sizes: list[tuple[int, int]]) -> None:
    """Blacken rectangles that lie apart; one that does not fit beside the others is left out."""
    color, free = cells.max(), np.ones(cells.shape, bool)
    for height, width in sizes:
        for _ in range(20):
            top = int(random.integers(1, cells.shape[0] - height))
            left = int(random.integers(1, cells.shape[1] - width))
            around = slice(top - 1, top + height + 1), slice(left - 1, left + width + 1)
            if free[around].all():
                free[around] = False
                # A rim of the colour: the noise makes no black rectangle larger.
                cells[around] = color
                cells[top : top + height, left : left + width] = 0
                break


def _connected_part(random: Random, side: int) -> NDArray[np.bool_]:
    """Return a mask of a square of which both the True and the False cells are connected."""
    while True:
        mask = np.zeros((side, side), bool)
        mask[tuple(random.integers(side, size=2))] = True
        for _ in range(int(random.integers(side - 1, side * side - side + 1)) - 1):
            near = _neighbors(mask) & ~mask
            cells = np.argwhere(near)
            mask[tuple(cells[random.integers(len(cells))])] = True
        if _is_connected(~mask):
            return mask


def _neighbors(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def _is_connected(mask: NDArray[np.bool_]) -> bool:
    reached = np.zeros_like(mask)
    reached[tuple(np.argwhere(mask)[0])] = True
    while True:
        further = (reached | _neighbors(reached)) & mask
        if (further == reached).all():
            return bool((reached == mask).all())
        reached = further


"""The makers of inputs, by the id of their task."""
