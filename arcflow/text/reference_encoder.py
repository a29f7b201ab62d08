"""ReferenceEncoder: ids by tokenising the whole text; right for every tokenizer, and slow."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arcflow.text import probe_grids as samples
from arcflow.text.kinds import TaskKind, Value
from arcflow.text.prompt_layout import IGNORED_LABEL, Ids, PromptLayout, overlapping, tokenise

Scripts = Callable[[int], PromptLayout]
"""The script of a prompt with that many values."""


class ReferenceEncoder:
    """Ids and labels of whole texts.

    Args:
        tokenizer: a fast tokenizer of transformers.
        scripts: the script by number of prompt values.
        kind: what is asked.
        smallest: number of values of the shortest prompt.
    """

    def __init__(
        self, tokenizer: Any, scripts: Scripts, kind: TaskKind[Any], smallest: int
    ) -> None:
        self._tokenizer = tokenizer
        self._scripts = scripts
        self._kind = kind
        self._smallest = smallest
        self._answer_tokens: dict[tuple[int, int], int] = {}

    def prompt_text(self, values: Sequence[Value]) -> str:
        """The prompt of these values (without the target)."""
        written = self._scripts(len(values)).write([*values, ""])
        return written.text[: written.prompt_end]

    def prompt(self, values: Sequence[Value]) -> Ids:
        """The prompt's ids; ``values`` without the target."""
        return np.array(tokenise(self._tokenizer, self.prompt_text(values))[0], dtype=np.int32)

    def example(self, values: Sequence[Value], *, score_outputs: bool = False) -> tuple[Ids, Ids]:
        """Ids and labels; ``values`` with the target last.

        The ids begin with the prompt's own: where a tokenizer would let the end of the prompt
        and the beginning of the answer run together in one token, the two are tokenised apart.
        """
        script = self._scripts(len(values) - 1)
        written = script.write(values)
        whole, _ = tokenise(self._tokenizer, written.text)
        prompt, spans = tokenise(self._tokenizer, written.text[: written.prompt_end])
        if whole[: len(prompt)] != prompt:
            whole = prompt + tokenise(self._tokenizer, written.text[written.prompt_end :])[0]
        ids = np.array(whole, dtype=np.int32)
        labels = np.full(len(ids), IGNORED_LABEL, dtype=np.int32)
        labels[len(prompt) :] = ids[len(prompt) :]
        if score_outputs:
            outputs = written.scored(script.places, self._kind.outputs(len(values) - 1))
            where = np.flatnonzero(np.array(overlapping(spans, outputs), dtype=bool))
            labels[where] = ids[where]
        return ids, labels

    def length(self, values: Sequence[Value]) -> int:
        """Number of ids of `example`."""
        return len(self.example(values)[0])

    def prompt_length(self, values: Sequence[Value]) -> int:
        """Number of ids of `prompt`."""
        return len(self.prompt(values))

    def answer_tokens(self, height: int, width: int) -> int:
        """Room for an answer of one size, stop token included.

        How far a tokenizer's merges reach depends on the colours: the longest of some sample
        answers, and a quarter to spare.
        """
        size = (height, width)
        if size not in self._answer_tokens:
            prompt = samples.fillings(self._smallest, self._kind.texts(self._smallest))[0]
            answers = [self.length([*prompt, grid]) for grid in samples.grids_of_size(*size)]
            longest = max(answers) - self.prompt_length(prompt)
            self._answer_tokens[size] = longest + longest // 4 + 1
        return self._answer_tokens[size]
