"""The layout of a prompt, which is a conversation cut at its values."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.text.chat_template import Conversation
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
    """The characters [start, end) of a text: a static piece, or a unit of a slot's value.

    Attributes:
        key: The kind and number of the piece or unit; equal keys have equal texts, except for
            texts.
        slot: The index of the slot; -1 for a static piece.
        start: The index of the first character.
        end: The index behind the last character.
    """

    key: Key
    slot: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WrittenPrompt:
    """The whole text of a prompt and its answer.

    Attributes:
        text: The text of prompt, answer and stop token.
        prompt_end: The number of characters of the prompt.
        parts: The static pieces (key ``("static", number)``, slot -1), texts (key ``("text", 0)``)
            and grids or their units, in order.
        values: The characters [start, end) of each slot's value, a grid's frame included.
        cells: The characters [start, end) of each cell, if they were asked for.
    """

    text: str
    prompt_end: int
    parts: list[TextSpan]
    values: list[Span]
    cells: list[Span]

    def scored(self, value_indices: Sequence[int], outputs: Sequence[int]) -> list[Span]:
        """Return the characters of the prompt's outputs that the loss "outputs" scores.

        Args:
            value_indices: The index of the value that each slot holds.
            outputs: The indices of the values that are outputs.

        Returns:
            The range [start, end) of each output, with the character behind it, which ends it.
        """
        return [
            (start, min(end + 1, self.prompt_end))
            for index, (start, end) in zip(value_indices[:-1], self.values, strict=False)
            if index in outputs
        ]


@dataclass(frozen=True, slots=True)
class PromptLayout:
    """Static pieces and slots in turn; a grid's head and tail belong to the static pieces.

    Attributes:
        statics: One piece before each slot of the prompt, one at the prompt's end, one before the
            answer, one behind it: two more than there are slots.
        value_indices: The index of the value that each slot holds; the last slot is the answer's.
        grid_text: The written form of the grids.
    """

    statics: tuple[str, ...]
    value_indices: tuple[int, ...]
    grid_text: GridText

    def write(
        self, values: Sequence[Value], *, units: bool = False, cells: bool = False
    ) -> WrittenPrompt:
        """Return the text with values in the slots.

        Args:
            values: The values of the prompt and, last, of the answer.
            units: Whether grids are cut into their units.
            cells: Whether the places of the cells are wanted.

        Returns:
            The text and its parts.
        """
        form = self.grid_text
        head, tail = len(form.head), len(form.tail)
        texts: list[str] = []
        parts: list[TextSpan] = []
        spans: list[Span] = []
        places: list[Span] = []
        at = 0

        def add(key: Key, slot: int, text: str) -> None:
            nonlocal at
            texts.append(text)
            parts.append(TextSpan(key, slot, at, at + len(text)))
            at += len(text)

        prompt_end = 0
        for number, static in enumerate(self.statics):
            add(("static", number), -1, static)
            slot = number - (number >= len(self.value_indices))
            if number == len(self.value_indices) - 1:
                prompt_end = at
                continue
            if number == len(self.statics) - 1:
                break
            value = values[self.value_indices[slot]]
            start = at
            if cells and not isinstance(value, str):
                places += form.cells(value, at)
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
        return WrittenPrompt("".join(texts), prompt_end, parts, spans, places)


def make_layout(
    conversation: Conversation, grid_text: GridText, texts: Collection[int]
) -> PromptLayout:
    """Cut a conversation at its placeholders.

    Args:
        conversation: The conversation with placeholders instead of values.
        grid_text: The written form of the grids.
        texts: The indices of the values that are texts instead of grids.

    Returns:
        The layout.
    """
    statics: list[str] = []
    value_indices: list[int] = []
    for text in (conversation.prompt, conversation.answer + conversation.stop):
        current = ""
        for piece in _PLACEHOLDER.split(text):
            index = place_of(piece) if len(piece) == 1 else None
            if index is None:
                current += piece
                continue
            framed = index not in texts
            statics.append(current + grid_text.head if framed else current)
            value_indices.append(index)
            current = grid_text.tail if framed else ""
        statics.append(current)
    return PromptLayout(tuple(statics), tuple(value_indices), grid_text)


def tokenise(tokenizer: Any, text: str) -> tuple[list[int], list[Span]]:
    """Tokenise a whole text, without adding special tokens.

    Some tokenizers trim white space from the reported offsets; a token gets back what lies between
    it and the one before.

    Args:
        tokenizer: A fast tokenizer of transformers.
        text: The text.

    Returns:
        The ids, and the characters [start, end) that each of them stands for.
    """
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    spans: list[Span] = []
    previous = 0
    for start, end in encoded["offset_mapping"]:
        spans.append((min(start, previous), end))
        previous = max(previous, end)
    return encoded["input_ids"], spans


def overlapping(tokens: Sequence[Span], spans: Iterable[Span]) -> list[bool]:
    """Return for each token whether it shares a character with one of the spans.

    Args:
        tokens: The characters [start, end) of each token.
        spans: Ranges [start, end) of characters, sorted and disjoint.

    Returns:
        One truth value for each token.
    """
    hit = [False] * len(tokens)
    wanted = list(spans)
    i = 0
    for t, (start, end) in enumerate(tokens):
        while i < len(wanted) and wanted[i][1] <= start:
            i += 1
        hit[t] = i < len(wanted) and end > wanted[i][0]
    return hit
