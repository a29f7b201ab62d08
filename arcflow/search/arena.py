"""The memory of a search: images and values, each kept once, and joint nodes over all pairs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arcflow.search.compiled import compiled
from arcflow.search.images import MAX_ITEMS, MAX_LIST_AREA, Cells, Image, no_images
from arcflow.search.steps import image_step, list_step, merge_step, split_step

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]

CELLS, IMAGES, ITEMS, VALUES, NODES, FULL, TRIED = 0, 1, 2, 3, 4, 5, 6
"""What each entry of ``Arena.used`` counts; FULL is 1 once something did not fit."""


class Arena(NamedTuple):
    """Arrays of fixed capacity that hold all that a search made.

    Attributes:
        used: How much of each array is in use; see :data:`CELLS` and those after it.
        cells: The cells of all images, one after the other.
        images: One row an image: offset of its cells, height, width, row and column of its place.
        image_table: A hash table of image numbers, -1 for free.
        items: The image numbers of all values, one after the other.
        values: One row a value: offset of its items, number of items, 1 if it is a list.
        value_table: A hash table of value numbers.
        nodes: One row a node: its value for each pair, -1 for none.
        origins: One row a node: parent, step, depth and cost.
        node_table: A hash table of node numbers.
    """

    used: I64
    cells: NDArray[np.uint8]
    images: I32
    image_table: I32
    items: I32
    values: I32
    value_table: I32
    nodes: I32
    origins: I32
    node_table: I32


def new_arena(n_pairs: int, n_nodes: int) -> Arena:
    """Return an empty arena; its memory is taken from the machine only as it is filled.

    Args:
        n_pairs: The number of pairs that a node has a value for.
        n_nodes: The number of nodes it has room for.
    """
    n_values = 2 * n_nodes + 1000
    n_images = 4 * n_nodes + 1000

    def table(n: int) -> I32:
        return np.full(1 << int(np.ceil(np.log2(2 * n))), -1, np.int32)

    return Arena(
        used=np.zeros(7, np.int64),
        cells=np.empty(n_images * 100, np.uint8),
        images=np.empty((n_images, 5), np.int32),
        image_table=table(n_images),
        items=np.empty(n_images * 4, np.int32),
        values=np.empty((n_values, 3), np.int32),
        value_table=table(n_values),
        nodes=np.empty((n_nodes, n_pairs), np.int32),
        origins=np.empty((n_nodes, 4), np.int32),
        node_table=table(n_nodes),
    )


@compiled
def _mix(h: int, value: int) -> int:
    return ((int(h) ^ (int(value) & 0xFFFFF)) * 1000003 + 12345) & 0x3FFFFFFFFFF


@compiled
def add_image(arena: Arena, g: Cells, y: int, x: int) -> int:
    """Return the number of an image, which is kept if it is new; -1 if there is no room."""
    height, width = g.shape
    n = height * width
    h = _mix(_mix(_mix(_mix(7, height), width), y + 1000), x + 1000)
    for r in range(height):
        for c in range(width):
            h = _mix(h, int(g[r, c]))
    mask = len(arena.image_table) - 1
    at = (h >> 7) & mask
    while arena.image_table[at] >= 0:
        i = arena.image_table[at]
        row = arena.images[i]
        if row[1] == height and row[2] == width and row[3] == y and row[4] == x:
            equal = True
            k = row[0]
            for r in range(height):
                for c in range(width):
                    if arena.cells[k] != g[r, c]:
                        equal = False
                    k += 1
            if equal:
                return int(i)
        at = (at + 1) & mask
    used = arena.used
    if used[CELLS] + n > len(arena.cells) or used[IMAGES] >= len(arena.images):
        used[FULL] = 1
        return -1
    i, k = used[IMAGES], used[CELLS]
    for r in range(height):
        for c in range(width):
            arena.cells[k + r * width + c] = g[r, c]
    arena.images[i, 0], arena.images[i, 1], arena.images[i, 2] = k, height, width
    arena.images[i, 3], arena.images[i, 4] = y, x
    arena.image_table[at] = i
    used[IMAGES] += 1
    used[CELLS] += n
    return int(i)


@compiled
def get_image(arena: Arena, i: int) -> Image:
    """Return an image by its number; its cells must not be changed."""
    k, h, w, y, x = arena.images[i]
    return arena.cells[k : k + h * w].reshape((h, w)), int(y), int(x)


@compiled
def add_value(arena: Arena, images: list[Image], is_list: int) -> int:
    """Return the number of a value, which is kept if it is new.

    Args:
        arena: The arena.
        images: The images of the list, or the one image; images of no cells are left out.
        is_list: 1 for a list, 0 for an image.

    Returns:
        The number, or -1 for no images, for more or larger ones than allowed, or if there is no
        room.
    """
    used = arena.used
    n, area = 0, 0
    for g, y, x in images:
        cells = g.shape[0] * g.shape[1]
        if cells == 0:
            continue
        n += 1
        area += cells
        if y < -100 or x < -100 or y > 200 or x > 200:
            return -1
    if n == 0 or n > MAX_ITEMS or area > MAX_LIST_AREA:
        return -1
    start = used[ITEMS]
    if start + n > len(arena.items) or used[VALUES] >= len(arena.values):
        used[FULL] = 1
        return -1
    h = _mix(3, is_list)
    k = start
    for g, y, x in images:
        if g.shape[0] * g.shape[1] == 0:
            continue
        i = add_image(arena, g, y, x)
        if i < 0:
            return -1
        arena.items[k] = i
        h = _mix(h, i)
        k += 1
    mask = len(arena.value_table) - 1
    at = (h >> 7) & mask
    while arena.value_table[at] >= 0:
        v = arena.value_table[at]
        row = arena.values[v]
        if row[1] == n and row[2] == is_list:
            equal = True
            for j in range(n):
                if arena.items[row[0] + j] != arena.items[start + j]:
                    equal = False
            if equal:
                return int(v)
        at = (at + 1) & mask
    v = used[VALUES]
    arena.values[v, 0], arena.values[v, 1], arena.values[v, 2] = start, n, is_list
    arena.value_table[at] = v
    used[VALUES] += 1
    used[ITEMS] += n
    return int(v)


@compiled
def add_list(arena: Arena, numbers: I64, is_list: int) -> int:
    """Return the number of the value that consists of kept images, given by their numbers."""
    images = no_images()
    for i in numbers:
        images.append(get_image(arena, i))
    return add_value(arena, images, is_list)


@compiled
def get_value(arena: Arena, v: int) -> list[Image]:
    """Return the images of a value."""
    out = no_images()
    start, n = arena.values[v, 0], arena.values[v, 1]
    for j in range(n):
        out.append(get_image(arena, arena.items[start + j]))
    return out


@compiled
def apply_step(
    arena: Arena, kind: int, family: int, argument: int, v: int, sizes: I64, source: Cells
) -> int:
    """Return the number of the value that a step makes of a value, or -1 if it makes none.

    A function of an image is applied to each image of a list.
    """
    is_list = arena.values[v, 2]
    images = get_value(arena, v)
    out = no_images()
    if kind == 0:
        for g, y, x in images:
            out.append(image_step(family, argument, g, y, x, sizes))
        return add_value(arena, out, is_list)
    if kind == 1:
        for g, y, x in images:
            for part in split_step(family, argument, g, y, x, sizes):
                out.append(part)
        return add_value(arena, out, 1)
    if is_list == 0:
        return -1
    if kind == 2:
        out.append(merge_step(family, argument, images, sizes))
        return add_value(arena, out, 0)
    return add_value(arena, list_step(family, argument, images, sizes, source), 1)


@compiled
def add_node(arena: Arena, row: I32, parent: int, step: int, depth: int, cost: int) -> int:
    """Return 1 if a node with these values is new and was kept, else 0."""
    n_pairs = len(row)
    h = 11
    for p in range(n_pairs):
        h = _mix(h, int(row[p]) + 1)
    mask = len(arena.node_table) - 1
    at = (h >> 7) & mask
    while arena.node_table[at] >= 0:
        i = arena.node_table[at]
        equal = True
        for p in range(n_pairs):
            if arena.nodes[i, p] != row[p]:
                equal = False
        if equal:
            return 0
        at = (at + 1) & mask
    i = arena.used[NODES]
    if i >= len(arena.nodes):
        arena.used[FULL] = 1
        return 0
    arena.nodes[i] = row
    arena.origins[i, 0], arena.origins[i, 1] = parent, step
    arena.origins[i, 2], arena.origins[i, 3] = depth, cost
    arena.node_table[at] = i
    arena.used[NODES] += 1
    return 1


def add_root(arena: Arena, g: Cells) -> int:
    """Return the number of the value of one image at the origin, such as an input."""
    image = add_image(arena, np.ascontiguousarray(g, np.uint8), 0, 0)
    return int(add_list(arena, np.array([image]), 0))
