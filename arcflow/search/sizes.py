"""The size of the output, predicted from the sizes of what is found in the input."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arcflow.search.arena import I64
from arcflow.search.graph import Graph
from arcflow.search.images import Cells
from arcflow.search.registry import STEPS

USES_OUTPUT_SIZE = frozenset((8, 9, 11, 18, 24, 65, 66, 72))

SIZE_STEPS = tuple(
    s for s in STEPS if s.family not in USES_OUTPUT_SIZE and (s.family, s.argument) != (7, 1)
)
"""The steps that do not ask for the output's size."""

MAX_RULES = 3

FACTORS = (
    (1, 0),
    (2, 0),
    (3, 0),
    (1, 2),
    (1, -2),
    (1, 1),
    (1, -1),
    (2, 1),
    (2, -1),
    (4, 0),
    (5, 0),
)
"""The factors and summands that are tried, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number of each input, such as a side of one of its objects.

    Attributes:
        text: How a program writes it.
        values: The number of each input, those of the train pairs first.
    """

    text: str
    values: I64

    def scaled(self, factor: int, plus: int) -> "Number":
        """Return the number times a factor plus a summand."""
        text = self.text if factor == 1 else f"{factor} * {self.text}"
        if plus:
            text = f"{text} {'+' if plus > 0 else '-'} {abs(plus)}"
        return Number(text, self.values * factor + plus)


@dataclass(frozen=True, slots=True)
class SizeRule:
    """A rule for the size of the output.

    Attributes:
        text: The size as a program writes it, e.g. ``"grid.shape"``.
        sizes: Height and width for each input, those of the train pairs first.
    """

    text: str
    sizes: tuple[tuple[int, int], ...]


class _Rules:
    """The rules found so far."""

    def __init__(self, wanted: I64) -> None:
        self.wanted = wanted
        self.found: list[SizeRule] = []

    @property
    def enough(self) -> bool:
        return len(self.found) >= MAX_RULES

    def fits(self, number: Number, axis: int) -> bool:
        return bool((number.values[: len(self.wanted)] == self.wanted[:, axis]).all())

    def add(self, height: Number, width: Number, text: str = "", exact: bool = True) -> None:
        """Keep a rule if it is new, possible, and fits all train pairs or need not (exact)."""
        if self.enough or (exact and not (self.fits(height, 0) and self.fits(width, 1))):
            return
        sizes = tuple((int(h), int(w)) for h, w in zip(height.values, width.values, strict=True))
        tests = sizes[len(self.wanted) :]
        if all(1 <= side <= 30 for size in tests for side in size) and not any(
            rule.sizes[len(self.wanted) :] == tests for rule in self.found
        ):
            self.found.append(SizeRule(text or f"({height.text}, {width.text})", sizes))


def predict_sizes(
    inputs: Sequence[Cells], outputs: Sequence[Cells], colors: tuple[frozenset[int], frozenset[int]]
) -> list[SizeRule]:
    """Return rules for the sizes of the outputs that are not known, the likeliest first.

    Args:
        inputs: The inputs, those of the train pairs first.
        outputs: The outputs of the train pairs.
        colors: The colours of the inputs, and of the outputs.

    Returns:
        One to three rules.
    """
    rules = _Rules(np.array([g.shape for g in outputs], np.int64))
    own = np.array([g.shape for g in inputs], np.int64)
    height, width = Number("grid.shape[0]", own[:, 0]), Number("grid.shape[1]", own[:, 1])
    rules.add(height, width, "grid.shape")
    constant = bool((rules.wanted == rules.wanted[0]).all())
    if constant:
        h, w = (int(side) for side in rules.wanted[0])
        rules.add(_constant(h, len(inputs)), _constant(w, len(inputs)))
    rules.add(width, height, "grid.T.shape")
    for a in range(1, 6):
        for b in range(1, 6):
            rules.add(height.scaled(a, 0), width.scaled(b, 0))
            if a <= 3 and b <= 3:
                rules.add(
                    Number(f"grid.shape[0] // {a}", own[:, 0] // a),
                    Number(f"grid.shape[1] // {b}", own[:, 1] // b),
                )
    if not rules.found:
        _search(rules, inputs, colors)
    if not rules.found:
        rules.add(height, width, "grid.shape", exact=False)
    return rules.found


def _constant(value: int, n: int) -> Number:
    return Number(str(value), np.full(n, value))


def _search(
    rules: _Rules, inputs: Sequence[Cells], colors: tuple[frozenset[int], frozenset[int]]
) -> None:
    """Look for rules among the sizes of all values of depth one."""
    n_train = len(rules.wanted)
    graph = Graph(inputs, n_train, [g.shape for g in inputs], colors, 3000, SIZE_STEPS)
    graph.deepen()
    pairs = _numbers(graph)
    for factor, plus in FACTORS:
        for height, width in pairs:
            rules.add(height.scaled(factor, plus), width.scaled(factor, plus))
    numbers = [number for pair in pairs for number in pair]
    numbers += [_constant(side, len(inputs)) for side in range(1, 31)]
    if not rules.enough:
        axes = [_along(numbers, rules, axis) for axis in range(2)]
        for height in axes[0][:3]:
            for width in axes[1][:3]:
                rules.add(height, width)
    if not rules.found:
        # No rule fits all pairs: take those that fit most.
        def misses(pair: tuple[Number, Number]) -> int:
            made = np.stack([number.values[:n_train] for number in pair], 1)
            return int((made != rules.wanted).any(axis=1).sum())

        for height, width in sorted(pairs, key=misses):
            rules.add(height, width, exact=misses((height, width)) == n_train)


def _numbers(graph: Graph) -> list[tuple[Number, Number]]:
    """Return the height and width of each node's images, and twice the length of its list."""
    arena = graph.arena
    out = []
    for node in range(graph.n_nodes):
        row = arena.nodes[node]
        if (row < 0).any():
            continue
        path = ", ".join(repr(name) for name in graph.path(node))
        start, n, is_list = arena.values[row].T
        if is_list.any():
            count = Number(f"count(grid, {path})", n.astype(np.int64))
            out.append((count, count))
        sides = np.array(
            [
                arena.images[arena.items[s : s + k], 1:3].max(axis=0)
                for s, k in zip(start, n, strict=True)
            ],
            np.int64,
        )
        call = f"extent(grid, {path})" if path else "grid.shape"
        out.append((Number(f"{call}[0]", sides[:, 0]), Number(f"{call}[1]", sides[:, 1])))
    return out


def _along(numbers: list[Number], rules: _Rules, axis: int) -> list[Number]:
    """Return what fits along one axis: multiples of numbers, or sums and products of two."""
    out: list[Number] = []
    n_train = len(rules.wanted)
    for factor, plus in FACTORS:
        for number in numbers:
            new = number.scaled(factor, plus)
            if rules.fits(new, axis) and not any((new.values == old.values).all() for old in out):
                out.append(new)
    if out:
        return out
    some = numbers[:60]
    wanted = rules.wanted[:, axis]
    for i, a in enumerate(some):
        for b in some[i:]:
            if (a.values[:n_train] + b.values[:n_train] == wanted).all():
                out.append(Number(f"{a.text} + {b.text}", a.values + b.values))
            elif (a.values[:n_train] * b.values[:n_train] == wanted).all():
                out.append(Number(f"{a.text} * {b.text}", a.values * b.values))
            if len(out) == 3:
                return out
    return out
