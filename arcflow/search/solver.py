"""The solver: what a search over programs answers to a task."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arcflow.core.grid import Grid, freeze, grid_key
from arcflow.core.solver import Answer
from arcflow.core.task import Task
from arcflow.search.geometry import turned
from arcflow.search.graph import Graph
from arcflow.search.images import Cells
from arcflow.search.pieces import UNKNOWN, make_pieces
from arcflow.search.programs import describe, write_program
from arcflow.search.roles import role_names, role_rules, undone
from arcflow.search.sizes import predict_sizes
from arcflow.search.stacking import Stacker


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
        start = time.monotonic()
        inputs = [pair.input.astype(np.uint8) for pair in (*task.train, *task.test)]
        outputs = [pair.output.astype(np.uint8) for pair in task.train if pair.output is not None]
        if not task.test or not outputs or seconds <= 0:
            return [[] for _ in task.test]
        found: list[list[Found]] = [[] for _ in task.test]
        for view in views(inputs, outputs, self.depth):
            if time.monotonic() - start > seconds:
                break
            for ours, new in zip(
                found, search(view, inputs, outputs, self.n_nodes, start + seconds), strict=True
            ):
                ours += new
        return [_answers(one, len(outputs)) for one in found]


@dataclass(frozen=True, slots=True)
class Found:
    """A stack and what it makes of one test input, in the task's own colours.

    Attributes:
        cells: The answer.
        fitted: The share of the view's train pairs that the stack makes exactly, in [0, 1].
        cost: Its cost.
        view: The index of its view.
        layers: The number of its layers.
        wrong: The share of the cells of the train outputs that it makes wrong.
        paths: For each layer the names of its steps and how it is used.
        size: The output's size as a program writes it.
        roles: How the view renames colours.
    """

    cells: Cells
    fitted: float
    cost: float
    view: int
    layers: int
    wrong: float
    paths: tuple[tuple[tuple[str, ...], int], ...]
    size: str
    roles: tuple[tuple[int, ...], bool] | None


@dataclass(frozen=True, slots=True)
class View:
    """One way to search: a renaming of colours, twins of the pairs, a depth, a guess of the sizes.

    Attributes:
        index: The index among the views of a task.
        roles: The colours that keep their names and whether the background becomes 0; None for no
            renaming.
        twins: Whether the pairs turned along the main diagonal are further train pairs.
        depth: The depth of the graph.
        size: Which prediction of the sizes is used.
    """

    index: int
    roles: tuple[tuple[int, ...], bool] | None
    twins: bool
    depth: int
    size: int = 0


def views(inputs: Sequence[Cells], outputs: Sequence[Cells], depth: int) -> list[View]:
    """Return the views of a task, in the order in which they are searched."""
    rules = role_rules(inputs, outputs)
    out = [View(0, None, False, depth)]
    for rule in rules:
        out.append(View(len(out), rule, False, depth))
    out.append(View(len(out), None, True, depth))
    for rule in rules:
        out.append(View(len(out), rule, True, depth))
    out.append(View(len(out), None, False, depth, 1))
    return out


def search(
    view: View,
    inputs: Sequence[Cells],
    outputs: Sequence[Cells],
    n_nodes: int,
    deadline: float,
) -> list[list[Found]]:
    """Return what one view finds, for each test input."""
    n = len(outputs)
    back = [np.arange(10, dtype=np.uint8)] * len(inputs)
    if view.roles is not None:
        names = [role_names(g, *view.roles) for g in inputs]
        back = [undone(row) for row in names]
        inputs = [row[g] for row, g in zip(names, inputs, strict=True)]
        outputs = [row[g] for row, g in zip(names, outputs, strict=False)]
    if view.twins:
        inputs = [*inputs[:n], *(turned(g, 6) for g in inputs[:n]), *inputs[n:]]
        outputs = [*outputs, *(turned(g, 6) for g in outputs)]
    n_train = len(outputs)
    colors = (_colors(inputs), _colors(outputs))
    found: list[list[Found]] = [[] for _ in inputs[n_train:]]
    guesses = predict_sizes(inputs, outputs, colors)
    if view.size >= len(guesses):
        return found
    rule = guesses[view.size]
    sizes = rule.sizes[n_train:]
    graph = Graph(inputs, n_train, [*(g.shape for g in outputs), *sizes], colors, n_nodes)
    for _ in range(view.depth):
        if not graph.deepen(deadline):
            break
    pieces = make_pieces(graph)
    stacker = Stacker(pieces, np.concatenate([g.ravel() for g in outputs]), n_train)
    for stack in stacker.search():
        paths = tuple((graph.path(int(pieces.nodes[i])), use) for i, use in stack.layers)
        for t, size in enumerate(sizes):
            begin, end = pieces.offsets[n_train + t], pieces.offsets[n_train + t + 1]
            made = stacker.show(stack.layers, int(begin), int(end))
            if (made == UNKNOWN).all():
                continue
            made[made == UNKNOWN] = 0
            cells = back[n + t][made].reshape(size)
            found[t].append(
                Found(
                    cells,
                    stack.fitted / n_train,
                    stack.cost,
                    view.index,
                    len(stack.layers),
                    stack.wrong,
                    paths,
                    rule.text,
                    view.roles,
                )
            )
    return found


def _colors(grids: Sequence[Cells]) -> frozenset[int]:
    return frozenset(int(c) for g in grids for c in np.unique(g) if c)


def _answers(found: list[Found], n_train: int) -> list[Answer]:
    """Return the distinct answers, those of stacks that fit most pairs at least cost first."""
    found = sorted(found, key=lambda item: (-item.fitted, item.cost))
    answers: dict[object, Answer] = {}
    for item in found:
        grid: Grid = freeze(item.cells.astype(np.int8))
        key = grid_key(grid)
        if key not in answers:
            sure = 0.8 if item.fitted == 1 else 0.1 * item.fitted
            answers[key] = Answer(
                grid,
                sure,
                "search",
                round(item.fitted * n_train),
                write_program(item.paths, item.size, item.roles),
                describe(item.paths),
            )
            if DEBUG is not None:
                DEBUG.append([])
        if DEBUG is not None:
            DEBUG[list(answers).index(key)].append(item)
    return list(answers.values())[:10]


DEBUG: list[list[Found]] | None = None
