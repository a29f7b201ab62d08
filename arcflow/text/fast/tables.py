"""Tables: the ids of static text, tokenised once, and of every unit of a grid's text.

What the tables hold is learned from tokenising sample texts whole: every token must lie inside
one static piece or one unit of a grid's text (a cell, a separator, a row's end, ...), and equal
units must get equal tokens wherever they stand. Where a tokenizer does not behave so, the
learning says which two texts run together, and the caller takes the slow path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import Value
from arcflow.text.prompt_layout import (
    Ids,
    Key,
    PromptLayout,
    Span,
    WrittenPrompt,
    overlapping,
    tokenise,
)

Units = dict[Key, tuple[int, ...]]
"""Token ids by unit key."""

Around = tuple[str, str]
"""The static text in front of a slot and behind it."""


class FastPathError(Exception):
    """The tokenizer does not split this text into static pieces and grid units."""


class UnitTable:
    """Ids of every unit of a grid's text, and the layout of each grid size.

    Args:
        grid_text: the written form.
        units: ids by unit key, as learned.

    Attributes:
        lengths: ``lengths[h][w]`` is the number of tokens of a grid of that size, without
            the frame's head and tail.

    Raises:
        FastPathError: the cells' symbols differ in their numbers of tokens.
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
        def size(name: str, place: int = 0) -> int:
            return len(self._units.get((name, place), ()))

        row: int = w * self._cells.shape[1] + (w - 1) * size("separator")
        head: int = size("height", h) + size("times") + size("width", w) + size("size_end")
        return head + h * row + (h - 1) * size("row_end") + sum(size("row", r) for r in range(h))

    def ids(self, grid: Grid) -> Ids:
        """The tokens of one grid, without head and tail; a new array."""
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
        """All tokens of a size with the cells left 0, and where the cells' tokens go."""
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
    """A prompt and its answer with everything in place but the values.

    Attributes:
        statics: ids of the script's static pieces.
        scored: for each static piece, which of its tokens the loss "outputs" scores.
        places: which value each slot holds; the last slot is the answer's.
        texts: the slots that hold texts.
        around: for each slot the static text in front of it and behind it.
        outputs: for each slot of the prompt, whether the loss "outputs" scores it.
        n_prompt: tokens of the prompt without its values.
        n_answer: tokens around the answer's value, the stop token included.
    """

    statics: tuple[Ids, ...]
    scored: tuple[NDArray[np.bool_], ...]
    places: tuple[int, ...]
    texts: tuple[int, ...]
    around: tuple[Around, ...]
    outputs: tuple[bool, ...]
    n_prompt: int
    n_answer: int


def learn_units(
    tokenizer: Any, script: PromptLayout, values: Sequence[Value], units: Units
) -> None:
    """Tokenise one whole text and add what its units' tokens are to ``units``.

    Raises:
        FastPathError: a token crosses a unit's border, or a unit's tokens depend on the place.
    """
    written = script.write(values, units=True)
    ids, spans = tokenise(tokenizer, written.text)
    for part, (a, b) in zip(written.parts, _assign(spans, written), strict=True):
        if part.slot < 0 or part.key[0] == "text":
            continue
        new = tuple(ids[a:b])
        if units.setdefault(part.key, new) != new:
            text = written.text[part.start : part.end]
            raise FastPathError(f"{text!r} has different tokens in different places")


def learn_skeleton(
    tokenizer: Any, script: PromptLayout, values: Sequence[Value], outputs: Sequence[int]
) -> Skeleton:
    """Tokenise one whole text and keep what stands between its values.

    Args:
        tokenizer: a fast tokenizer of transformers.
        script: the conversation.
        values: any values, one for each place, the answer's last.
        outputs: the places that the loss "outputs" scores.

    Raises:
        FastPathError: a token crosses a border, or the prompt alone has other tokens.
    """
    written = script.write(values)
    ids, spans = tokenise(tokenizer, written.text)
    bounds = _assign(spans, written)
    scored = np.array(overlapping(spans, written.scored(script.places, outputs)), dtype=bool)
    flat = np.array(ids, dtype=np.int32)
    prompt, _ = tokenise(tokenizer, written.text[: written.prompt_end])
    if prompt != ids[: len(prompt)]:
        raise FastPathError("the end of the prompt runs together with the answer")
    static = [(a, b) for part, (a, b) in zip(written.parts, bounds, strict=True) if part.slot < 0]
    statics = tuple(flat[a:b] for a, b in static)
    texts = script.statics
    around = (*pairwise(texts[:-2]), (texts[-3] + texts[-2], texts[-1]))
    return Skeleton(
        statics=statics,
        scored=tuple(scored[a:b] for a, b in static),
        places=script.places,
        texts=tuple(s for s, place in enumerate(script.places) if isinstance(values[place], str)),
        around=around,
        outputs=tuple(place in outputs for place in script.places[:-1]),
        n_prompt=sum(map(len, statics[:-2])),
        n_answer=sum(map(len, statics[-2:])),
    )


def learn_text(
    tokenizer: Any,
    script: PromptLayout,
    values: Sequence[Value],
    slot: int,
    skeleton: Skeleton,
    table: UnitTable,
) -> Ids:
    """Tokenise one whole text; the ids of the text in a slot.

    Raises:
        FastPathError: a token crosses a border, or what is around the text has other tokens than
            those that are known.
    """
    written = script.write(values)
    ids, spans = tokenise(tokenizer, written.text)
    bounds = _assign(spans, written)
    flat = np.array(ids, dtype=np.int32)
    found = flat[:0]
    for part, (a, b) in zip(written.parts, bounds, strict=True):
        if part.slot == slot:
            found = flat[a:b].copy()
            continue
        if part.slot < 0:
            known = skeleton.statics[part.key[1]]
        elif isinstance(value := values[script.places[part.slot]], str):
            continue
        else:
            known = table.ids(value)
        if not np.array_equal(flat[a:b], known):
            raise FastPathError(f"{written.text[part.start : part.end]!r} has other tokens here")
    return found


def _assign(spans: Sequence[Span], written: WrittenPrompt) -> list[Span]:
    """The tokens [a, b) of each part."""
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
