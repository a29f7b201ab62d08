"""Pieces: what nodes of the graph show on canvases of the outputs' sizes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcflow.search.arena import I64, NODES, Arena, get_image
from arcflow.search.compiled import compiled
from arcflow.search.graph import Graph

UNKNOWN = 10
"""The colour of cells where a piece has no value."""


@compiled
def _draw(arena: Arena, v: int, height: int, width: int, out: NDArray[np.uint8]) -> bool:
    """Write a value onto a canvas of zeros; return whether it fits and shows anything new."""
    start, n, is_list = arena.values[v]
    if is_list == 0:
        g, y, x = get_image(arena, arena.items[start])
        if g.shape[0] == height and g.shape[1] == width:
            out[:] = g.ravel()
            return True
    shown = False
    for j in range(n):
        g, y, x = get_image(arena, arena.items[start + j])
        for r in range(g.shape[0]):
            for c in range(g.shape[1]):
                if g[r, c]:
                    if not (0 <= y + r < height and 0 <= x + c < width):
                        return False
                    k = (y + r) * width + x + c
                    if out[k] == 0:
                        out[k] = g[r, c]
                        shown = True
    return shown


@compiled
def _draw_all(
    arena: Arena, sizes: I64, offsets: I64, n_train: int, out: NDArray[np.uint8], nodes: I64
) -> int:
    """Write all nodes that fit on their canvases; return how many do."""
    n = 0
    n_pairs = len(sizes)
    for node in range(arena.used[NODES]):
        if n >= len(out):
            break
        out[n, :] = UNKNOWN
        trains, tests = 0, 0
        for p in range(n_pairs):
            v = arena.nodes[node, p]
            if v < 0:
                continue
            part = out[n, offsets[p] : offsets[p + 1]]
            part[:] = 0
            if _draw(arena, v, sizes[p, 2], sizes[p, 3], part):
                if p < n_train:
                    trains += 1
                else:
                    tests += 1
            else:
                part[:] = UNKNOWN
        if trains and tests:
            nodes[n] = node
            n += 1
    return n


@dataclass(frozen=True, slots=True)
class Pieces:
    """Distinct pieces, the cheapest first.

    Attributes:
        cells: One row a piece: the cells of all its canvases, 10 where it has none; (N, C).
        nodes: The node of each piece, (N,).
        costs: The cost of each piece, (N,).
        offsets: Where the canvas of each pair begins in a row, and the end, (pairs + 1,).
    """

    cells: NDArray[np.uint8]
    nodes: I64
    costs: I64
    offsets: I64


def make_pieces(graph: Graph, max_bytes: int = 200_000_000) -> Pieces:
    """Return the pieces of a graph.

    Args:
        graph: The graph.
        max_bytes: How large the array of cells may be.
    """
    areas = graph.sizes[:, 2] * graph.sizes[:, 3]
    offsets = np.concatenate([[0], np.cumsum(areas)]).astype(np.int64)
    room = min(graph.n_nodes + 1, max_bytes // int(offsets[-1]))
    cells = np.empty((room, int(offsets[-1])), np.uint8)
    nodes = np.empty(room, np.int64)
    n = _draw_all(graph.arena, graph.sizes, offsets, graph.n_train, cells, nodes)
    cells, nodes = cells[:n], nodes[:n]
    costs = graph.arena.origins[nodes, 3].astype(np.int64)
    order = np.argsort(costs, kind="stable")
    seen: dict[bytes, int] = {}
    for i in order:
        seen.setdefault(cells[i].tobytes(), int(i))
    chosen = np.fromiter(seen.values(), np.int64, len(seen))
    return Pieces(cells[chosen], nodes[chosen], costs[chosen], offsets)
