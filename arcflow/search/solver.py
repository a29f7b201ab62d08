"""The solver: what a search over programs answers to a task."""

import time
from collections.abc import Sequence

import numpy as np

from arcflow.core.grid import Grid, freeze, grid_key
from arcflow.core.solver import Answer
from arcflow.core.task import Task
from arcflow.search.graph import Graph
from arcflow.search.images import Cells
from arcflow.search.pieces import UNKNOWN, make_pieces
from arcflow.search.sizes import predict_sizes
from arcflow.search.stacking import Stack, Stacker


class SearchSolver:
    """A search over sequences of grid functions whose results are stacked to make the outputs.

    Args:
        depth: How many functions a sequence may have.
        n_nodes: How many values a search may keep for each pair.
    """

    name = "search"

    def __init__(self, depth: int = 2, n_nodes: int = 60_000) -> None:
        self.depth = depth
        self.n_nodes = n_nodes

    def solve(self, task: Task, seconds: float) -> list[list[Answer]]:
        """Return the answers to each test input, best first and without repeats.

        Args:
            task: The task; its test outputs are not read.
            seconds: The wall time that the call may take, in seconds.

        Returns:
            One list for each test input.
        """
        deadline = time.monotonic() + seconds
        inputs = [pair.input.astype(np.uint8) for pair in (*task.train, *task.test)]
        outputs = [pair.output.astype(np.uint8) for pair in task.train if pair.output is not None]
        if not task.test:
            return []
        found = self._search(inputs, outputs, deadline)
        return [_answers(one, len(outputs)) for one in found]

    def _search(
        self, inputs: list[Cells], outputs: list[Cells], deadline: float
    ) -> list[list[tuple[Stack, Cells]]]:
        """Return stacks and what they make, for each test input."""
        n_train = len(outputs)
        colors = (_colors(inputs), _colors(outputs))
        found: list[list[tuple[Stack, Cells]]] = [[] for _ in inputs[n_train:]]
        if not outputs or time.monotonic() > deadline:
            return found
        sizes = predict_sizes(inputs, outputs, colors)[0]
        graph = Graph(inputs, n_train, [*(g.shape for g in outputs), *sizes], colors, self.n_nodes)
        for _ in range(self.depth):
            if not graph.deepen(deadline):
                break
        pieces = make_pieces(graph)
        stacker = Stacker(pieces, np.concatenate([g.ravel() for g in outputs]), n_train)
        for stack in stacker.search():
            for t, size in enumerate(sizes):
                begin, end = pieces.offsets[n_train + t], pieces.offsets[n_train + t + 1]
                made = stacker.show(stack.layers, int(begin), int(end))
                if (made == UNKNOWN).all():
                    continue
                made[made == UNKNOWN] = 0
                found[t].append((stack, made.reshape(size)))
        return found


def _colors(grids: Sequence[Cells]) -> frozenset[int]:
    return frozenset(int(c) for g in grids for c in np.unique(g) if c)


def _answers(found: list[tuple[Stack, Cells]], n_train: int) -> list[Answer]:
    """Return the distinct answers, those of stacks that fit most pairs at least cost first."""
    found = sorted(found, key=lambda item: (-item[0].fitted, item[0].cost))
    answers: dict[object, Answer] = {}
    for stack, cells in found:
        grid: Grid = freeze(cells.astype(np.int8))
        key = grid_key(grid)
        if key not in answers:
            sure = 0.8 if stack.fitted == n_train else 0.1 * stack.fitted / n_train
            answers[key] = Answer(grid, sure, "search", stack.fitted)
    return list(answers.values())[:10]
