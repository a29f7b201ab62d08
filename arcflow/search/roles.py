"""Colours by role: each pair's colours renamed by what they are in its input, and back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arcflow.search.images import Cells

Names = NDArray[np.uint8]
"""The new name of each of the ten colours, shape (10,); a permutation."""


def role_names(g: Cells, fixed: Sequence[int], background: bool) -> Names:
    """Return new names for the colours of one input.

    Args:
        g: The input.
        fixed: Colours that keep their names.
        background: Whether the most frequent colour of all becomes 0, else 0 stays 0.

    Returns:
        The new names: the other colours of the input are named by their frequency, the most
        frequent first, with the names that are free in ascending order.
    """
    counts = np.bincount(g.ravel(), minlength=10)
    first = [int(np.argmax(g.ravel() == c)) if counts[c] else g.size for c in range(10)]
    ground = int(counts.argmax()) if background else 0
    names = np.full(10, 255, np.uint8)
    names[ground] = 0
    for color in fixed:
        if color not in (0, ground):
            names[color] = color
    order = sorted(range(10), key=lambda c: (-int(counts[c]), first[c], c))
    free = [c for c in range(10) if c not in names]
    for color in order:
        if names[color] == 255:
            names[color] = free.pop(0)
    return names


def undone(names: Names) -> Names:
    """Return the names that undo a renaming."""
    return np.argsort(names).astype(np.uint8)


def role_rules(
    inputs: Sequence[Cells], outputs: Sequence[Cells]
) -> list[tuple[tuple[int, ...], bool]]:
    """Return the renamings worth a try: fixed colours, and whether the background becomes 0.

    Args:
        inputs: All inputs, those of the train pairs first.
        outputs: The outputs of the train pairs.
    """
    ins = [frozenset(np.unique(g).tolist()) for g in inputs]
    outs = [frozenset(np.unique(g).tolist()) for g in outputs]
    everywhere = frozenset.intersection(*ins) - {0}
    new = frozenset(c for i, o in zip(ins, outs, strict=False) for c in o - i) - {0}
    always_made = frozenset.intersection(*outs) - {0} if outs else frozenset()
    grounds = [int(np.bincount(g.ravel(), minlength=10).argmax()) for g in inputs]
    rules: list[tuple[tuple[int, ...], bool]] = []
    changing = frozenset.union(*ins) - everywhere - {0}
    odd_ground = any(grounds)
    if odd_ground:
        rules.append((tuple(sorted(everywhere | new | always_made)), True))
    if changing - new - always_made:
        rules.append((tuple(sorted(everywhere | new | always_made)), False))
    if len(everywhere) > 1 or changing:
        rules.append((tuple(sorted(new)), False))
    kept = []
    seen = [tuple(tuple(range(10)) for _ in inputs)]
    for rule in rules:
        names = tuple(tuple(role_names(g, *rule).tolist()) for g in inputs)
        used = tuple(
            tuple(n if c in i else -1 for c, n in enumerate(row))
            for row, i in zip(names, ins, strict=True)
        )
        plain = tuple(tuple(c if c in i else -1 for c in range(10)) for i in ins)
        if used != plain and names not in seen:
            seen.append(names)
            kept.append(rule)
    return kept
