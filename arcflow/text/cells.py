"""How cells become tokens: as the tokenizer splits their text, or each cell as one token.

Many tokenizers join up to three digits in a token: "0120" becomes "012" and "0". Which cells share
a token then depends on their column, and one cell changes the token of its neighbours. Such
vocabularies also have each digit as a token of its own. With single cells a text is cut around
every cell; the cells take these tokens, and what lies between them is tokenised as it stands.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from arcflow.core.errors import ConfigError
from arcflow.core.grid import N_COLORS
from arcflow.text import probe_grids
from arcflow.text.grid_text import GridText, GridTextError
from arcflow.text.prompt_layout import PromptLayout, Span, WrittenPrompt, tokenise
from arcflow.text.recent import Recent

Cells = Literal["auto", "single", "tokenizer"]

_KEPT = 256
"""The largest number of texts between cells whose tokens are cached."""


class PromptTokenizer:
    """A function from written prompts to token ids.

    Args:
        tokenizer: A fast tokenizer of transformers.
        cell_ids: The token of each cell's text; None leaves cells as the tokenizer splits them.

    Attributes:
        single: Whether each cell is one token.
    """

    def __init__(self, tokenizer: Any, cell_ids: dict[str, int] | None = None) -> None:
        self._tokenizer = tokenizer
        self._cell_ids = cell_ids or {}
        self.single = cell_ids is not None
        self._between: Recent[str, tuple[list[int], list[Span]]] = Recent(_KEPT)

    def write(
        self, layout: PromptLayout, values: Sequence[Any], *, units: bool = False
    ) -> WrittenPrompt:
        """Return the text of a prompt in the form that a call needs.

        Args:
            layout: The layout of the prompt.
            values: The values of the prompt and, last, of the answer.
            units: Whether grids are cut into their units.

        Returns:
            The text and its parts.
        """
        return layout.write(values, units=units, cells=self.single)

    def __call__(
        self, written: WrittenPrompt, start: int = 0, end: int | None = None
    ) -> tuple[list[int], list[Span]]:
        """Tokenise the characters [start, end) of a written prompt.

        Args:
            written: The prompt, from :meth:`write`.
            start: The index of the first character.
            end: The index behind the last character; None for the end of the text.

        Returns:
            The ids, and the characters [start, end) of the whole text that each of them stands for.
        """
        end = len(written.text) if end is None else end
        if not self.single:
            ids, spans = tokenise(self._tokenizer, written.text[start:end])
            return ids, [(a + start, b + start) for a, b in spans] if start else spans
        ids, spans = [], []
        at = start
        for first, last in written.cells:
            if first < start or last > end:
                continue
            self._add(written.text[at:first], at, ids, spans)
            ids.append(self._cell_ids[written.text[first:last]])
            spans.append((first, last))
            at = last
        self._add(written.text[at:end], at, ids, spans)
        return ids, spans

    def _add(self, text: str, at: int, ids: list[int], spans: list[Span]) -> None:
        """Append the tokens of a text between cells, which begins at the index ``at``."""
        if text:
            found, where = self._between.get(text, lambda t: tokenise(self._tokenizer, t))
            ids += found
            spans += [(at + a, at + b) for a, b in where]


def prompt_tokenizer(tokenizer: Any, grid_text: GridText, cells: Cells) -> PromptTokenizer:
    """Return the function that tokenises prompts.

    Args:
        tokenizer: A fast tokenizer of transformers.
        grid_text: The written form of grids.
        cells: "single" for one token a cell; "tokenizer" for what the tokenizer makes of the text;
            "auto" for single cells if the tokenizer joins cells in one token.

    Returns:
        The function.

    Raises:
        ConfigError: If cells are to be single and the vocabulary has no token for each of them, or
            if grids written so are not read back.
    """
    plain = PromptTokenizer(tokenizer)
    joined = cells != "tokenizer" and _joined(tokenizer, grid_text)
    if not joined and cells != "single":
        return plain
    ids, missing = _cell_ids(tokenizer, grid_text)
    # A symbol that is repeated is the user's own way of giving each cell its tokens.
    if missing and not (cells == "auto" and grid_text.repeat > 1):
        raise _no_single(tokenizer, missing)
    if missing or not joined:
        return plain
    single = PromptTokenizer(tokenizer, ids)
    text = _unreadable(tokenizer, grid_text, single)
    if text is None:
        return single
    if cells == "auto":
        return plain
    raise ConfigError(
        f"tokenizer {tokenizer.name_or_path!r}: grids of one token a cell are not read back",
        value=text[:60],
        expected="the same grid",
        next_step="Set the text's cells to 'tokenizer', or choose another tokenizer.",
    )


def _no_single(tokenizer: Any, missing: str) -> ConfigError:
    return ConfigError(
        f"tokenizer {tokenizer.name_or_path!r}: a cell is not one token",
        value=missing,
        expected="a vocabulary with a token for each of the ten colours' symbols",
        next_step="Choose other symbols or another tokenizer, or set the text's cells to"
        " 'tokenizer', which lets neighbouring cells share tokens.",
    )


def _joined(tokenizer: Any, grid_text: GridText) -> bool:
    """Return whether some token stands for more than one cell."""
    layout = PromptLayout(("", "", ""), (0,), grid_text)
    for grid in probe_grids.cell_grids():
        written = layout.write([grid], cells=True)
        firsts = np.array([first for first, _ in written.cells])
        lasts = np.array([last for _, last in written.cells])
        spans = np.array(tokenise(tokenizer, written.text)[1]).reshape(-1, 2)
        # Cells that begin before the token ends, less those that end before it begins.
        held = np.searchsorted(firsts, spans[:, 1]) - np.searchsorted(lasts, spans[:, 0], "right")
        if (held > 1).any():
            return True
    return False


def _cell_ids(tokenizer: Any, grid_text: GridText) -> tuple[dict[str, int], str]:
    """Return the token of each cell's text, and the first text that has none."""
    ids: dict[str, int] = {}
    for color in range(N_COLORS):
        text = grid_text.symbols[color] * grid_text.repeat
        found = _single_id(tokenizer, text)
        if found is None:
            return ids, text
        ids[text] = found
    return ids, ""


def _single_id(tokenizer: Any, text: str) -> int | None:
    """Return the one token that stands for a text and for nothing else."""
    # Some tokenizers put a space before a whole text, so the text also stands behind another.
    for before in ("", "\n", ":"):
        ids, spans = tokenise(tokenizer, before + text)
        own = [i for i, (_, end) in zip(ids, spans, strict=True) if end > len(before)]
        if len(own) == 1 and own[0] != tokenizer.unk_token_id:
            written = tokenizer.decode(own, clean_up_tokenization_spaces=False)
            if written == text:
                return own[0]
    return None


def _unreadable(tokenizer: Any, grid_text: GridText, single: PromptTokenizer) -> str | None:
    """Return the text that comes back of a grid and is not read as this grid; None if all are."""
    layout = PromptLayout(("", grid_text.head, grid_text.tail), (0,), grid_text)
    for grid in probe_grids.spelling_grids():
        ids, _ = single(single.write(layout, [grid]))
        text = str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
        try:
            read = grid_text.decode(text)
        except GridTextError:
            return text
        if not np.array_equal(read, grid):
            return text
    return None
