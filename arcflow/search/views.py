"""Views: the ways in which one task is searched, and what a search of one view finds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arcflow.search.geometry import turned
from arcflow.search.graph import Graph
from arcflow.search.images import Cells
from arcflow.search.pieces import UNKNOWN, make_pieces
from arcflow.search.registry import STEPS, Step
from arcflow.search.roles import role_names, role_rules, undone
from arcflow.search.sizes import predict_sizes
from arcflow.search.stacking import Stacker

Roles = tuple[tuple[int, ...], bool]
"""The colours that keep their names, and whether the most frequent colour becomes 0."""


@dataclass(frozen=True, slots=True)
class View:
    """One way to search: a renaming of colours, twins of the pairs, a depth, a guess of the sizes.

    Attributes:
        roles: How colours are renamed; None for not at all.
        twins: Whether the pairs turned along the main diagonal are further train pairs.
        depth: The depth of the graph.
        size: Which prediction of the sizes is used, 0 for the first.
    """

    roles: Roles | None
    twins: bool
    depth: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A stack and what it makes of one test input, in the task's own colours.

    Attributes:
        cells: The answer.
        fitted: The share of the view's train pairs that the stack makes exactly, in [0, 1].
        sought: The share of the view's train pairs that it was looked for with, in (0, 1].
        opened: The share of the answer's cells that no layer covers, in [0, 1).
        cost: The cost of its steps and layers.
        layers: For each layer the names of its steps and how it is used.
        size: The output's size as a program writes it.
        roles: How the view renames colours.
    """

    cells: Cells
    fitted: float
    sought: float
    opened: float
    cost: float
    layers: tuple[tuple[tuple[str, ...], int], ...]
    size: str
    roles: Roles | None


def views(inputs: Sequence[Cells], outputs: Sequence[Cells], depth: int, most: int) -> list[View]:
    """Return the views of a task, in the order in which they are searched.

    Args:
        inputs: All inputs, those of the train pairs first.
        outputs: The outputs of the train pairs.
        depth: The depth that all views are searched to.
        most: The depth that the first views are searched to at last.
    """
    rules: list[Roles | None] = [None, *role_rules(inputs, outputs)]
    out = [View(rule, False, depth) for rule in rules]
    out += [View(rule, True, depth) for rule in rules]
    out.append(View(None, False, depth, 1))
    for more in range(depth + 1, most + 1):
        out += [View(rule, False, more) for rule in rules]
    return out


def search(
    view: View,
    inputs: Sequence[Cells],
    outputs: Sequence[Cells],
    n_nodes: int,
    deadline: float,
    steps: Sequence[Step] = STEPS,
) -> list[list[Found]]:
    """Return what one view finds.

    Args:
        view: The view.
        inputs: All inputs, those of the train pairs first.
        outputs: The outputs of the train pairs.
        n_nodes: How many values the graph may keep for each pair.
        deadline: The time of ``time.monotonic`` after which the graph grows no more and no further
            stack is looked for. Two thirds of the time left go to the graph.
        steps: The steps of the graph; those by which sizes are predicted are always all.

    Returns:
        One list for each test input, in the order of discovery.
    """
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
    found: list[list[Found]] = [[] for _ in inputs[n_train:]]
    colors = (_colors(inputs), _colors(outputs))
    guesses = predict_sizes(inputs, outputs, colors)
    if view.size >= len(guesses):
        return found
    rule = guesses[view.size]
    sizes = rule.sizes[n_train:]
    graph = Graph(inputs, n_train, [*(g.shape for g in outputs), *sizes], colors, n_nodes, steps)
    graph_end = deadline - (deadline - time.monotonic()) / 3 if np.isfinite(deadline) else deadline
    for _ in range(view.depth):
        if not graph.deepen(graph_end):
            break
    pieces = make_pieces(graph)
    stacker = Stacker(pieces, np.concatenate([g.ravel() for g in outputs]), n_train)
    for stack in stacker.search():
        layers = tuple((graph.path(int(pieces.nodes[i])), use) for i, use in stack.layers)
        for t, size in enumerate(sizes):
            begin, end = pieces.offsets[n_train + t], pieces.offsets[n_train + t + 1]
            made = stacker.show(stack.layers, int(begin), int(end))
            opened = made == UNKNOWN
            if opened.all():
                continue
            made[opened] = 0
            found[t].append(
                Found(
                    back[n + t][made].reshape(size),
                    stack.fitted / n_train,
                    stack.sought / n_train,
                    float(opened.mean()),
                    stack.cost,
                    layers,
                    rule.text,
                    view.roles,
                )
            )
        if time.monotonic() > deadline:
            break
    return found


def _colors(grids: Sequence[Cells]) -> frozenset[int]:
    return frozenset(int(c) for g in grids for c in np.unique(g) if c)
