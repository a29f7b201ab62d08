"""The size of the output, predicted from the sizes of what is found in the input."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arcflow.search.graph import Graph
from arcflow.search.images import Cells
from arcflow.search.steps import STEPS

USES_OUTPUT_SIZE = frozenset((8, 9, 11, 18, 24, 65, 66, 72))

SIZE_STEPS = tuple(
    s for s in STEPS if s.family not in USES_OUTPUT_SIZE and (s.family, s.argument) != (7, 1)
)
"""The steps that do not ask for the output's size."""

Size = tuple[int, int]


def predict_sizes(
    inputs: Sequence[Cells], outputs: Sequence[Cells], colors: tuple[frozenset[int], frozenset[int]]
) -> list[list[Size]]:
    """Return the likeliest sizes of the outputs that are not known.

    Args:
        inputs: The inputs, those of the train pairs first.
        outputs: The outputs of the train pairs.
        colors: The colours of the inputs, and of the outputs.

    Returns:
        Predictions, the best first; each has one (height, width) for each test input.
    """
    n_train = len(outputs)
    wanted = np.array([g.shape for g in outputs], np.int64)
    own = np.array([g.shape for g in inputs], np.int64)
    found: list[list[Size]] = []

    def add(sizes: NDArray[np.int64]) -> None:
        rows = [(int(h), int(w)) for h, w in sizes]
        if rows not in found and all(1 <= h <= 30 and 1 <= w <= 30 for h, w in rows):
            found.append(rows)

    def fits(heights: NDArray[np.int64], widths: NDArray[np.int64]) -> bool:
        return bool(
            (heights[:n_train] == wanted[:, 0]).all() and (widths[:n_train] == wanted[:, 1]).all()
        )

    def both(heights: NDArray[np.int64], widths: NDArray[np.int64]) -> None:
        if fits(heights, widths):
            add(np.stack([heights, widths], 1)[n_train:])

    both(own[:, 0], own[:, 1])
    constant = bool((wanted == wanted[0]).all())
    if constant:
        add(np.repeat(wanted[:1], len(inputs) - n_train, 0))
    both(own[:, 1], own[:, 0])
    for k in range(2, 6):
        both(own[:, 0] * k, own[:, 1] * k)
    for a in range(1, 4):
        for b in range(1, 4):
            both(own[:, 0] * a, own[:, 1] * b)
            both(own[:, 0] // a, own[:, 1] // b)
    if constant or found:
        return found[:3]
    graph = Graph(inputs, n_train, [g.shape for g in inputs], colors, 3000, SIZE_STEPS)
    graph.deepen()
    numbers = _numbers(graph)
    for k, plus in ((1, 0), (2, 0), (3, 0), (1, 2), (1, -2), (1, 1), (1, -1), (2, 1), (4, 0)):
        for pair in numbers:
            both(pair[0] * k + plus, pair[1] * k + plus)
    if len(found) < 3:
        flat = [numbers[i][j] for i in range(len(numbers)) for j in range(2)]
        flat += [np.full(len(inputs), k) for k in range(1, 31)]
        axes = [_along(flat, wanted[:, axis], n_train) for axis in range(2)]
        for heights in axes[0][:3]:
            for widths in axes[1][:3]:
                both(heights, widths)
    if len(found) < 3:
        _most(numbers, wanted, n_train, add)
    return found[:3] or [[(int(h), int(w)) for h, w in own[n_train:]]]


def _numbers(graph: Graph) -> list[NDArray[np.int64]]:
    """Return for each node (height, width) of its image, and (n, n) and the largest of its list."""
    arena = graph.arena
    out = []
    for row in arena.nodes[: graph.n_nodes]:
        if (row < 0).any():
            continue
        start, n, is_list = arena.values[row].T
        first = arena.images[arena.items[start]]
        if not is_list.any():
            out.append(first[:, 1:3].T.astype(np.int64))
        else:
            out.append(np.stack([n, n]).astype(np.int64))
            sides = [
                arena.images[arena.items[s : s + k], 1:3].max(axis=0)
                for s, k in zip(start, n, strict=True)
            ]
            out.append(np.array(sides, np.int64).T)
    return out


def _along(
    numbers: list[NDArray[np.int64]], wanted: NDArray[np.int64], n_train: int
) -> list[NDArray[np.int64]]:
    """Return what fits along one axis: numbers, their multiples, and sums of two of the first."""
    out: list[NDArray[np.int64]] = []
    for k, plus in ((1, 0), (2, 0), (3, 0), (1, 1), (1, 2), (1, -1), (2, 1), (2, -1), (1, -2)):
        for values in numbers:
            if (values[:n_train] * k + plus == wanted).all():
                new = values * k + plus
                if not any((new == old).all() for old in out):
                    out.append(new)
    if not out:
        some = numbers[:60]
        for i, a in enumerate(some):
            for b in some[i:]:
                for new in (a + b, a * b, np.abs(a - b)):
                    if (new[:n_train] == wanted).all() and len(out) < 3:
                        out.append(new)
    return out


def _most(numbers: list[NDArray[np.int64]], wanted: NDArray[np.int64], n_train: int, add) -> None:  # type: ignore[no-untyped-def]
    scored = [
        (-int((wanted == pair[:, :n_train].T).all(axis=1).sum()), i)
        for i, pair in enumerate(numbers)
    ]
    for score, i in sorted(scored):
        if score < 0:
            add(numbers[i].T[n_train:])
