"""Tables of the ids of static text, tokenised once, and of every unit of a grid's text.

The tables are learned from tokenising sample texts whole: every token must lie inside one static
piece or one unit of a grid's text (a cell, a separator, a row's end, ...), and equal units must get
equal tokens wherever they stand. If a tokenizer does not behave so, the error names the two texts
that run together, and the caller takes the slow path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.text.cells import PromptTokenizer
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import Value
from arcflow.text.prompt_layout import (
    Ids,
    Key,
    PromptLayout,
    Span,
    WrittenPrompt,
    overlapping,
)

Units = dict[Key, tuple[int, ...]]
"""Token ids by unit key."""

Around = tuple[str, str]
"""The static text in front of a slot and behind it."""


class FastPathError(Exception):
    """An error for text that the tokenizer does not split into static pieces and grid units."""


class UnitTable:
    """A table of the ids of every unit of a grid's text, and of the layout of each grid size.

    Args:
        grid_text: The written form of grids.
        units: The ids of each unit by its key, as learned.

    Attributes:
        lengths: The numbers of tokens: ``lengths[h][w]`` is that of a grid of h rows and w columns,
            without the frame's head and tail.

    Raises:
        FastPathError: If the cells' symbols differ in their numbers of tokens.
    """

    def __init__(self, grid_text: GridText, units: Units) -> None:
        self._grid_text = grid_text
        self._units = units
        cells = [units[("cell", color)] for color in range(N_COLORS)]
        if len({len(cell) for cell in cells}) != 1 or not cells[0]:
            raise FastPathError("the colours' symbols take different numbers of tokens")
        self._cells = np.array(cells, dtype=np.int32)  # (10, tokens a cell)
        self._flat = self._cells[:, 0].copy() if self._cells.shape[1] == 1 else None
        self._layouts: dict[tuple[int, ...], tuple[Ids, NDArray[np.intp]]] = {}
        sides = range(MAX_SIDE + 1)
        self.lengths = [[self._length(h, w) if h and w else 0 for w in sides] for h in sides]

    def _length(self, h: int, w: int) -> int:
        def size(name: str, index: int = 0) -> int:
            return len(self._units.get((name, index), ()))

        row: int = w * self._cells.shape[1] + (w - 1) * size("separator")
        head: int = size("height", h) + size("times") + size("width", w) + size("size_end")
        return head + h * row + (h - 1) * size("row_end") + sum(size("row", r) for r in range(h))

    def ids(self, grid: Grid) -> Ids:
        """Return the tokens of one grid, without the frame's head and tail.

        Args:
            grid: The grid, shape (H, W).

        Returns:
            A new int32 array of shape (L,).
        """
        layout = self._layouts.get(grid.shape)
        if layout is None:
            layout = self._layouts[grid.shape] = self._layout(*grid.shape)
        pattern, cells = layout
        ids = pattern.copy()
        if self._flat is not None:
            ids[cells] = self._flat.take(grid.ravel())
        else:
            ids[cells] = self._cells.take(grid.ravel(), axis=0).ravel()
        return ids

    def _layout(self, h: int, w: int) -> tuple[Ids, NDArray[np.intp]]:
        """Return the tokens of a grid size with cells left 0, and where the cells' tokens are."""
        pattern: list[int] = []
        cells: list[int] = []
        n = self._cells.shape[1]
        for key, _ in self._grid_text.units(freeze(np.zeros((h, w), dtype=np.int8))):
            if key[0] == "cell":
                cells += range(len(pattern), len(pattern) + n)
                pattern += [0] * n
            else:
                pattern += self._units[key]
        return np.array(pattern, dtype=np.int32), np.array(cells, dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """A prompt and its answer without the values.

    Attributes:
        statics: The ids of the layout's static pieces.
        scored: For each static piece, which of its tokens the loss "outputs" scores.
        value_indices: The index of the value that each slot holds; the last slot is the answer's.
        texts: The slots that hold texts.
        around: For each slot the static text in front of it and behind it.
        outputs: For each slot of the prompt, whether the loss "outputs" scores it.
        n_prompt: The number of tokens of the prompt without its values.
        n_answer: The number of tokens around the answer's value, the stop token included.
    """

    statics: tuple[Ids, ...]
    scored: tuple[NDArray[np.bool_], ...]
    value_indices: tuple[int, ...]
    texts: tuple[int, ...]
    around: tuple[Around, ...]
    outputs: tuple[bool, ...]
    n_prompt: int
    n_answer: int


def learn_units(
    tokenise: PromptTokenizer, layout: PromptLayout, values: Sequence[Value], units: Units
) -> None:
    """Tokenise one whole text and add the tokens of its units to a table.

    Args:
        tokenise: The function that tokenises written prompts.
        layout: The layout of the text.
        values: The values of the prompt and, last, of the answer.
        units: The ids of each unit by its key; the new ones are added.

    Raises:
        FastPathError: If a token crosses a unit's border, or if equal units have different tokens.
    """
    written = tokenise.write(layout, values, units=True)
    ids, spans = tokenise(written)
    for part, (a, b) in zip(written.parts, _assign(spans, written), strict=True):
        if part.slot < 0 or part.key[0] == "text":
            continue
        new = tuple(ids[a:b])
        if units.setdefault(part.key, new) != new:
            text = written.text[part.start : part.end]
            raise FastPathError(f"{text!r} has different tokens in different places")


def learn_skeleton(
    tokenise: PromptTokenizer, layout: PromptLayout, values: Sequence[Value], outputs: Sequence[int]
) -> Skeleton:
    """Tokenise one whole text and keep what stands between its values.

    Args:
        tokenise: The function that tokenises written prompts.
        layout: The layout of the text.
        values: Any values of the prompt and, last, of the answer.
        outputs: The indices of the values that the loss "outputs" scores.

    Returns:
        The prompt and its answer without the values.

    Raises:
        FastPathError: If a token crosses a border, or if the prompt alone has other tokens.
    """
    written = tokenise.write(layout, values)
    ids, spans = tokenise(written)
    bounds = _assign(spans, written)
    scored = np.array(overlapping(spans, written.scored(layout.value_indices, outputs)), dtype=bool)
    flat = np.array(ids, dtype=np.int32)
    prompt, _ = tokenise(written, 0, written.prompt_end)
    if prompt != ids[: len(prompt)]:
        raise FastPathError("the end of the prompt runs together with the answer")
    static = [(a, b) for part, (a, b) in zip(written.parts, bounds, strict=True) if part.slot < 0]
    statics = tuple(flat[a:b] for a, b in static)
    texts = layout.statics
    around = (*pairwise(texts[:-2]), (texts[-3] + texts[-2], texts[-1]))
    return Skeleton(
        statics=statics,
        scored=tuple(scored[a:b] for a, b in static),
        value_indices=layout.value_indices,
        texts=tuple(
            s for s, index in enumerate(layout.value_indices) if isinstance(values[index], str)
        ),
        around=around,
        outputs=tuple(index in outputs for index in layout.value_indices[:-1]),
        n_prompt=sum(map(len, statics[:-2])),
        n_answer=sum(map(len, statics[-2:])),
    )


def learn_text(
    tokenise: PromptTokenizer,
    layout: PromptLayout,
    values: Sequence[Value],
    slot: int,
    skeleton: Skeleton,
    table: UnitTable,
) -> Ids:
    """Tokenise one whole text and return the ids of the text in a slot.

    Args:
        tokenise: The function that tokenises written prompts.
        layout: The layout of the whole text.
        values: The values of the prompt and, last, of the answer.
        slot: The slot of the text.
        skeleton: The known ids of the static pieces.
        table: The known ids of grids.

    Returns:
        The ids, int32 of shape (L,).

    Raises:
        FastPathError: If a token crosses a border, or if what is around the text has other tokens
            than those that are known.
    """
    written = tokenise.write(layout, values)
    ids, spans = tokenise(written)
    bounds = _assign(spans, written)
    flat = np.array(ids, dtype=np.int32)
    found = flat[:0]
    for part, (a, b) in zip(written.parts, bounds, strict=True):
        if part.slot == slot:
            found = flat[a:b].copy()
            continue
        if part.slot < 0:
            known = skeleton.statics[part.key[1]]
        elif isinstance(value := values[layout.value_indices[part.slot]], str):
            continue
        else:
            known = table.ids(value)
        if not np.array_equal(flat[a:b], known):
            raise FastPathError(f"{written.text[part.start : part.end]!r} has other tokens here")
    return found


def _assign(spans: Sequence[Span], written: WrittenPrompt) -> list[Span]:
    """Return the range [a, b) of the tokens of each part."""
    parts = written.parts
    counts = [0] * len(parts)
    i = 0
    for start, end in spans:
        while i < len(parts) - 1 and start >= parts[i].end:
            i += 1
        if end > parts[i].end:
            raise FastPathError(f"one token stands for {written.text[start:end]!r}")
        counts[i] += 1
    ends = np.cumsum(counts).tolist()
    return [(end - count, end) for end, count in zip(ends, counts, strict=True)]
