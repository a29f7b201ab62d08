"""The grammar of written grids: which tokens may continue one, and where it may end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from arcflow.core.grid import MAX_SIDE, N_COLORS
from arcflow.text.grid_text import GridText
from arcflow.text.prompt_layout import PromptLayout, tokenise

_MOST_PENDING = 4
"""The largest number of tokens that one character is spread over; UTF-8 has at most 4 bytes."""

_BROKEN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class _Place:
    """A place between two units of a grid's text.

    Attributes:
        step: What comes next: "before", "height", "times", "width", "size_end", "row", "cell",
            "after_cell", "behind" or "end".
        row: The number of complete rows.
        column: The number of cells in the row.
        width: The number of cells of every row; 0 if it is not known yet.
        height: The number of rows; 0 if it is not stated.
    """

    step: str
    row: int = 0
    column: int = 0
    width: int = 0
    height: int = 0


_Way = tuple[str, _Place]
"""Characters that are still to be written, at least one, and the place after them."""

Ways = frozenset[_Way]
"""All ways in which a text may go on; a way without characters stands for the end."""


class GridLanguage:
    """The texts of all grids, character by character.

    Rows have equal lengths, sides are at most 30, and what is stated about the size holds.

    Args:
        form: The written form of grids.
        before: The text before a grid's rows, its head included.
        behind: The text after a grid's rows, its tail included.
    """

    def __init__(self, form: GridText, before: str = "", behind: str = "") -> None:
        self._form, self._before, self._behind = form, before, behind
        self._known: dict[tuple[Ways, str], Ways] = {}
        self.start: Ways = frozenset(self._ways(_Place("before")))

    def feed(self, ways: Ways, text: str) -> Ways:
        """Return the ways to go on after a text, none if no grid is written so."""
        for character in text:
            key = (ways, character)
            if key not in self._known:
                self._known[key] = frozenset(self._after(ways, character))
            ways = self._known[key]
        return ways

    def ended(self, ways: Ways) -> bool:
        """Return whether the text may end here."""
        return any(not text for text, _ in ways)

    def _after(self, ways: Ways, character: str) -> Iterator[_Way]:
        for text, place in ways:
            if text.startswith(character):
                if len(text) > 1:
                    yield text[1:], place
                else:
                    yield from self._ways(place)

    def _ways(self, place: _Place) -> Iterator[_Way]:
        """Yield the ways to go on from a place; units without characters are passed over."""
        for text, after in self._units(place):
            if text or after.step == "end":
                yield text, after
            else:
                yield from self._ways(after)

    def _units(self, at: _Place) -> Iterator[_Way]:
        """Yield the units that may come next, with the place after each."""
        form = self._form
        if at.step == "before":
            yield self._before, _Place("height" if form.frame == "shape" else "row")
        elif at.step == "height":
            for side in range(1, MAX_SIDE + 1):
                yield str(side), _Place("times", height=side)
        elif at.step == "times":
            yield "x", _Place("width", height=at.height)
        elif at.step == "width":
            for side in range(1, MAX_SIDE + 1):
                yield str(side), _Place("size_end", width=side, height=at.height)
        elif at.step == "size_end":
            yield "\n", _Place("row", width=at.width, height=at.height)
        elif at.step == "row":
            number = f"{at.row + 1} " if form.row_numbers else ""
            yield number, _Place("cell", at.row, 0, at.width, at.height)
        elif at.step == "cell":
            for color in range(N_COLORS):
                cell = form.symbols[color] * form.repeat
                yield cell, _Place("after_cell", at.row, at.column + 1, at.width, at.height)
        elif at.step == "after_cell":
            yield from self._after_cell(at)
        elif at.step == "behind":
            yield self._behind, _Place("end")
        else:
            yield "", at

    def _after_cell(self, at: _Place) -> Iterator[_Way]:
        if at.column < (at.width or MAX_SIDE):
            yield self._form.separator, _Place("cell", at.row, at.column, at.width, at.height)
        if at.width and at.column < at.width:
            return
        rows = at.row + 1
        if rows < (at.height or MAX_SIDE):
            yield "\n", _Place("row", rows, 0, at.column, at.height)
        if not at.height or rows == at.height:
            yield "", _Place("behind")


@dataclass(frozen=True, slots=True)
class GrammarState:
    """What a grammar remembers of the tokens so far.

    Attributes:
        ways: The ways in which the text may go on.
        last: The last token whose characters are complete; at the beginning some token that is
            no part of the answer.
        pending: The tokens since then, which are parts of a character.
    """

    ways: Ways
    last: int
    pending: tuple[int, ...] = ()


class GridGrammar:
    """The grammar of answers that are grids, for one tokenizer.

    A token is allowed if some grid's text goes on with its characters. The same grid may be
    written in several ways if the tokenizer has tokens for several cells.

    Args:
        tokenizer: A tokenizer of transformers.
        language: The texts of grids.
        first: A token with a text of its own, such as a stop token, that stands before the answer:
            tokenizers may drop a space at the beginning of a whole text.

    Attributes:
        start: The state before the first token.
    """

    def __init__(self, tokenizer: Any, language: GridLanguage, first: int) -> None:
        self._tokenizer, self._language = tokenizer, language
        self._size = len(tokenizer)
        self._texts: dict[tuple[int, ...], str] = {}
        self.start = GrammarState(language.start, first)

    def step(self, state: GrammarState, token: int) -> GrammarState | None:
        """Return the state after a token, or None if no grid's text goes on with it."""
        if not 0 <= token < self._size:
            return None
        ids = (state.last, *state.pending, token)
        before, whole = self._text((state.last,)), self._text(ids)
        if not whole.startswith(before) or whole == before:
            return None
        text = whole[len(before) :]
        if text.endswith(_BROKEN):
            pending = (*state.pending, token)
            too_long = len(pending) >= _MOST_PENDING
            return None if too_long else GrammarState(state.ways, state.last, pending)
        ways = self._language.feed(state.ways, text)
        return GrammarState(ways, token) if ways else None

    def may_stop(self, state: GrammarState) -> bool:
        """Return whether a grid's text may end here."""
        return not state.pending and self._language.ended(state.ways)

    def _text(self, ids: tuple[int, ...]) -> str:
        if ids not in self._texts:
            text = self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
            self._texts[ids] = str(text)
        return self._texts[ids]


def answer_grammar(tokenizer: Any, form: GridText, layout: PromptLayout, stop: str) -> GridGrammar:
    """Return the grammar of a prompt's answer.

    Args:
        tokenizer: A fast tokenizer of transformers.
        form: The written form of grids.
        layout: The layout of the prompt; its last two pieces surround the answer's rows.
        stop: The text with which the last piece ends, up to the end of the stop token.

    Returns:
        The grammar of all that is written before the stop token.
    """
    *_, before, behind = layout.statics
    ids, spans = tokenise(tokenizer, stop)
    written = len(behind) - (len(stop) - spans[-1][0])
    return GridGrammar(tokenizer, GridLanguage(form, before, behind[:written]), ids[-1])
