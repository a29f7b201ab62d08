"""The encoder that tokenises whole texts: correct for every tokenizer, and slow."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arcflow.text import probe_grids
from arcflow.text.cells import PromptTokenizer
from arcflow.text.kinds import TaskKind, Value
from arcflow.text.prompt_layout import IGNORED_LABEL, Ids, PromptLayout, WrittenPrompt, overlapping

LayoutOf = Callable[[int], PromptLayout]
"""A function from a number of prompt values to the layout of the prompt."""


class ReferenceEncoder:
    """An encoder that gives the ids and labels of whole texts.

    Args:
        tokenise: The function that tokenises written prompts.
        layout_of: A function from a number of prompt values to the layout of the prompt.
        kind: What is asked of a task.
        smallest: The number of values of the shortest prompt.
    """

    def __init__(
        self, tokenise: PromptTokenizer, layout_of: LayoutOf, kind: TaskKind[Any], smallest: int
    ) -> None:
        self._tokenise = tokenise
        self._layout_of = layout_of
        self._kind = kind
        self._smallest = smallest
        self._answer_tokens: dict[tuple[int, int], int] = {}

    def prompt_text(self, values: Sequence[Value]) -> str:
        """Return the text of the prompt.

        Args:
            values: The values of the prompt, without the target.

        Returns:
            The text up to the beginning of the answer.
        """
        written = self._write_prompt(values)
        return written.text[: written.prompt_end]

    def prompt(self, values: Sequence[Value]) -> Ids:
        """Return the ids of the prompt.

        Args:
            values: The values of the prompt, without the target.

        Returns:
            The ids, int32 of shape (L,).
        """
        written = self._write_prompt(values)
        return np.array(self._tokenise(written, 0, written.prompt_end)[0], dtype=np.int32)

    def example(self, values: Sequence[Value], *, score_outputs: bool = False) -> tuple[Ids, Ids]:
        """Return the ids and labels of prompt and answer.

        The ids begin with the prompt's own: if a tokenizer would join the end of the prompt and the
        beginning of the answer in one token, the two are tokenised apart.

        Args:
            values: The values of the prompt and, last, the target.
            score_outputs: Whether the outputs of the prompt's examples are scored too.

        Returns:
            The ids and the labels, both int32 of shape (L,).
        """
        layout = self._layout_of(len(values) - 1)
        written = self._tokenise.write(layout, values)
        whole, _ = self._tokenise(written)
        prompt, spans = self._tokenise(written, 0, written.prompt_end)
        if whole[: len(prompt)] != prompt:
            whole = prompt + self._tokenise(written, written.prompt_end)[0]
        ids = np.array(whole, dtype=np.int32)
        labels = np.full(len(ids), IGNORED_LABEL, dtype=np.int32)
        labels[len(prompt) :] = ids[len(prompt) :]
        if score_outputs:
            outputs = written.scored(layout.value_indices, self._kind.outputs(len(values) - 1))
            where = np.flatnonzero(np.array(overlapping(spans, outputs), dtype=bool))
            labels[where] = ids[where]
        return ids, labels

    def _write_prompt(self, values: Sequence[Value]) -> WrittenPrompt:
        return self._tokenise.write(self._layout_of(len(values)), [*values, ""])

    def length(self, values: Sequence[Value]) -> int:
        """Return the number of ids of :meth:`example`."""
        return len(self.example(values)[0])

    def prompt_length(self, values: Sequence[Value]) -> int:
        """Return the number of ids of :meth:`prompt`."""
        return len(self.prompt(values))

    def word_ids(self) -> dict[str, tuple[int, ...]]:
        """Return the ids of each word that may be the answer, stop token included."""
        n = self._smallest
        prompt = probe_grids.fillings(n, self._kind.texts(n))[0]
        start = self.prompt_length(prompt)
        return {
            word: tuple(self.example([*prompt, word])[0][start:].tolist())
            for word in self._kind.words
        }

    def answer_tokens(self, height: int, width: int) -> int:
        """Return the largest number of tokens of an answer of one size, stop token included.

        How far a tokenizer merges cells depends on the colours, so this is an estimate: the longest
        of some sample answers, and a quarter more.

        Args:
            height: The height of the answer in cells.
            width: The width of the answer in cells.

        Returns:
            The number of tokens.
        """
        size = (height, width)
        if size not in self._answer_tokens:
            prompt = probe_grids.fillings(self._smallest, self._kind.texts(self._smallest))[0]
            answers = [self.length([*prompt, grid]) for grid in probe_grids.grids_of_size(*size)]
            longest = max(answers) - self.prompt_length(prompt)
            self._answer_tokens[size] = longest + longest // 4 + 1
        return self._answer_tokens[size]
