"""The graph of all values that sequences of steps make of a task's inputs, over all pairs."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arcflow.search.arena import (
    FULL,
    I64,
    NODES,
    TRIED,
    Arena,
    add_node,
    add_root,
    apply_step,
    new_arena,
)
from arcflow.search.compiled import compiled
from arcflow.search.images import Cells
from arcflow.search.registry import STEPS, Step

UNIT = 64
"""How many nodes are expanded between two looks at the clock."""


@compiled
def _expand(
    arena: Arena,
    order: I64,
    steps: I64,
    sizes: I64,
    cells: NDArray[np.uint8],
    shapes: I64,
    n_train: int,
    depth: int,
) -> None:
    """Add all children of some nodes."""
    n_pairs = arena.nodes.shape[1]
    row = np.empty(n_pairs, np.int32)
    for node in order:
        first = -1
        for p in range(n_pairs):
            if arena.nodes[node, p] >= 0:
                first = arena.nodes[node, p]
        node_is_list = arena.values[first, 2]
        for s in range(len(steps)):
            kind, family, argument, cost, number = steps[s]
            if kind >= 2 and node_is_list == 0:
                continue
            n_made, n_tests = 0, 0
            for p in range(n_pairs):
                v = arena.nodes[node, p]
                row[p] = -1
                if v < 0:
                    continue
                source = cells[p, : shapes[p, 0] * shapes[p, 1]].reshape(
                    (shapes[p, 0], shapes[p, 1])
                )
                made = apply_step(arena, kind, family, argument, v, sizes[p], source)
                arena.used[TRIED] += 1
                row[p] = made
                if made >= 0:
                    n_made += 1
                    n_tests += p >= n_train
                elif p == 1 and n_made == 0:
                    break
            if n_tests and n_made > n_tests:
                add_node(arena, row, node, number, depth, arena.origins[node, 3] + cost)
            if arena.used[FULL]:
                return


class Graph:
    """All values within a depth, for train pairs and test inputs together.

    Args:
        inputs: The inputs, those of the train pairs first.
        n_train: The number of train pairs.
        output_sizes: Height and width of each output, known or predicted.
        colors: The colours that steps may ask for: those of the inputs, and of the outputs.
        n_nodes: The largest number of nodes.
        steps: The steps.
    """

    def __init__(
        self,
        inputs: Sequence[Cells],
        n_train: int,
        output_sizes: Sequence[tuple[int, int]],
        colors: tuple[frozenset[int], frozenset[int]],
        n_nodes: int = 200_000,
        steps: Sequence[Step] = STEPS,
    ) -> None:
        self.n_train = n_train
        self.steps = tuple(steps)
        self.inputs = list(inputs)
        self.sizes = np.array(
            [(*g.shape, *size) for g, size in zip(inputs, output_sizes, strict=True)], np.int64
        )
        self._shapes = self.sizes[:, :2].copy()
        self._cells = np.zeros((len(inputs), int(self._shapes.prod(axis=1).max())), np.uint8)
        for p, g in enumerate(inputs):
            self._cells[p, : g.size] = g.ravel()
        rows = [
            (step.kind, step.family, step.argument, step.cost, i)
            for i, step in enumerate(steps)
            if step.color is None or step.color[1] in colors[step.color[0] == "output"]
        ]
        rows.sort(key=lambda row: (row[3], row[4]))
        self._steps = np.array(rows, np.int64).reshape(-1, 5)
        self.arena = new_arena(len(inputs), n_nodes)
        roots = [add_root(self.arena, g) for g in inputs]
        add_node(self.arena, np.array(roots, np.int32), -1, -1, 0, 0)
        self.depth = 0

    @property
    def n_nodes(self) -> int:
        """The number of nodes."""
        return int(self.arena.used[NODES])

    @property
    def full(self) -> bool:
        """Whether the graph has no room for more."""
        return bool(self.arena.used[FULL])

    def path(self, node: int) -> tuple[str, ...]:
        """Return the names of the steps that lead to a node, the first one first."""
        names: list[str] = []
        while node > 0:
            parent, step = self.arena.origins[node, :2]
            names.insert(0, self.steps[step].name)
            node = int(parent)
        return tuple(names)

    def deepen(self, deadline: float = np.inf) -> bool:
        """Add the children of all nodes of the greatest depth, the cheapest first.

        Args:
            deadline: The time of ``time.monotonic`` after which no more nodes are expanded.

        Returns:
            Whether all of them were expanded.
        """
        origins = self.arena.origins[: self.n_nodes]
        order = np.flatnonzero(origins[:, 2] == self.depth)
        order = order[np.argsort(origins[order, 3], kind="stable")].astype(np.int64)
        self.depth += 1
        for start in range(0, len(order), UNIT):
            if self.full or time.monotonic() > deadline:
                return False
            _expand(
                self.arena,
                order[start : start + UNIT],
                self._steps,
                self.sizes,
                self._cells,
                self._shapes,
                self.n_train,
                self.depth,
            )
        return not self.full
