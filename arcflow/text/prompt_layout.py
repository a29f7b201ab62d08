"""Script: a conversation cut at its values, and the whole text it makes with given ones."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.text.chat import Conversation
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import Value
from arcflow.text.template import place_of

IGNORED_LABEL = -100
"""The label of a token that the loss does not score."""

Ids = NDArray[np.int32]
"""Token ids or labels, shape (L,)."""

Key = tuple[str, int]
Span = tuple[int, int]

_PLACEHOLDER = re.compile("([\\ue000-\\uf8ff])")


@dataclass(frozen=True, slots=True)
class TextSpan:
    """The characters [start, end) of a text: a static piece, or a unit of a slot's value."""

    key: Key
    slot: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WrittenPrompt:
    """A whole text.

    Attributes:
        text: prompt, answer and stop.
        prompt_end: characters of the prompt.
        parts: static pieces (key ``("static", number)``, slot -1), texts (key ``("text", 0)``)
            and grid units, in order.
        values: characters of each slot's value, a grid's frame included.
    """

    text: str
    prompt_end: int
    parts: list[TextSpan]
    values: list[Span]

    def scored(self, places: Sequence[int], outputs: Sequence[int]) -> list[Span]:
        """Characters of the prompt's outputs, each with the one behind it, which ends it."""
        return [
            (start, min(end + 1, self.prompt_end))
            for place, (start, end) in zip(places[:-1], self.values, strict=False)
            if place in outputs
        ]


@dataclass(frozen=True, slots=True)
class PromptLayout:
    """Static pieces and slots in turn; a grid's head and tail belong to the static pieces.

    Attributes:
        statics: one piece before each slot of the prompt, one at the prompt's end, one before
            the answer, one behind it: number of slots + 2.
        places: which value each slot holds; the last slot is the answer's.
        grid_text: the written form of the grids.
    """

    statics: tuple[str, ...]
    places: tuple[int, ...]
    grid_text: GridText

    def write(self, values: Sequence[Value], *, units: bool = False) -> WrittenPrompt:
        """The text with these values in the places; grids are cut into units where asked."""
        form = self.grid_text
        head, tail = len(form.head), len(form.tail)
        texts: list[str] = []
        parts: list[TextSpan] = []
        spans: list[Span] = []
        at = 0

        def add(key: Key, slot: int, text: str) -> None:
            nonlocal at
            texts.append(text)
            parts.append(TextSpan(key, slot, at, at + len(text)))
            at += len(text)

        prompt_end = 0
        for number, static in enumerate(self.statics):
            add(("static", number), -1, static)
            slot = number - (number >= len(self.places))
            if number == len(self.places) - 1:
                prompt_end = at
                continue
            if number == len(self.statics) - 1:
                break
            value = values[self.places[slot]]
            start = at
            if isinstance(value, str):
                add(("text", 0), slot, value)
                spans.append((start, at))
                continue
            if units:
                for key, text in form.units(value):
                    add(key, slot, text)
            else:
                body = form.encode(value)
                add(("grid", 0), slot, body[head : len(body) - tail])
            spans.append((start - head, at + tail))
        return WrittenPrompt("".join(texts), prompt_end, parts, spans)


def make_script(
    conversation: Conversation, grid_text: GridText, texts: Collection[int]
) -> PromptLayout:
    """Cut a conversation at its placeholders; ``texts`` are the places that hold no grid."""
    statics: list[str] = []
    places: list[int] = []
    for text in (conversation.prompt, conversation.answer + conversation.stop):
        current = ""
        for piece in _PLACEHOLDER.split(text):
            place = place_of(piece) if len(piece) == 1 else None
            if place is None:
                current += piece
                continue
            framed = place not in texts
            statics.append(current + grid_text.head if framed else current)
            places.append(place)
            current = grid_text.tail if framed else ""
        statics.append(current)
    return PromptLayout(tuple(statics), tuple(places), grid_text)


def tokenise(tokenizer: Any, text: str) -> tuple[list[int], list[Span]]:
    """Ids of a whole text and the characters each stands for; nothing is added to it.

    Some tokenizers trim white space from the reported offsets; a token gets back what lies
    between it and the one before.
    """
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    spans: list[Span] = []
    previous = 0
    for start, end in encoded["offset_mapping"]:
        spans.append((min(start, previous), end))
        previous = max(previous, end)
    return encoded["input_ids"], spans


def overlapping(tokens: Sequence[Span], spans: Iterable[Span]) -> list[bool]:
    """For each token whether it shares a character with one of the spans (sorted, disjoint)."""
    hit = [False] * len(tokens)
    wanted = list(spans)
    i = 0
    for t, (start, end) in enumerate(tokens):
        while i < len(wanted) and wanted[i][1] <= start:
            i += 1
        hit[t] = i < len(wanted) and end > wanted[i][0]
    return hit
