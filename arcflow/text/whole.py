"""WholeText: ids by tokenising the whole text; right for every tokenizer, and slow."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arcflow.core.grid import Grid
from arcflow.text import samples
from arcflow.text.script import IGNORED, Ids, Script, overlapping, tokenise

Scripts = Callable[[int], Script]
"""The script of a prompt with that many grids."""

Places = Callable[[int], Sequence[int]]
"""Number of prompt grids to the places that the loss "outputs" scores."""


class WholeText:
    """Ids and labels of whole texts.

    Args:
        tokenizer: a fast tokenizer of transformers.
        scripts: the script by number of prompt grids.
        outputs: the places that the loss "outputs" scores.
        smallest: number of grids of the shortest prompt.
    """

    def __init__(self, tokenizer: Any, scripts: Scripts, outputs: Places, smallest: int) -> None:
        self._tokenizer = tokenizer
        self._scripts = scripts
        self._outputs = outputs
        self._smallest = smallest
        self._answer_tokens: dict[tuple[int, int], int] = {}

    def prompt_text(self, grids: Sequence[Grid]) -> str:
        """The prompt of these grids (without the target)."""
        written = self._scripts(len(grids)).write([*grids, grids[0]])
        return written.text[: written.prompt_end]

    def prompt(self, grids: Sequence[Grid]) -> Ids:
        """The prompt's ids; ``grids`` without the target."""
        return np.array(tokenise(self._tokenizer, self.prompt_text(grids))[0], dtype=np.int32)

    def example(self, grids: Sequence[Grid], *, score_outputs: bool = False) -> tuple[Ids, Ids]:
        """Ids and labels; ``grids`` with the target last.

        The ids begin with the prompt's own: where a tokenizer would let the end of the prompt
        and the beginning of the answer run together in one token, the two are tokenised apart.
        """
        script = self._scripts(len(grids) - 1)
        written = script.write(grids)
        whole, _ = tokenise(self._tokenizer, written.text)
        prompt, spans = tokenise(self._tokenizer, written.text[: written.prompt_end])
        if whole[: len(prompt)] != prompt:
            whole = prompt + tokenise(self._tokenizer, written.text[written.prompt_end :])[0]
        ids = np.array(whole, dtype=np.int32)
        labels = np.full(len(ids), IGNORED, dtype=np.int32)
        labels[len(prompt) :] = ids[len(prompt) :]
        if score_outputs:
            outputs = written.scored(script.places, self._outputs(len(grids) - 1))
            where = np.flatnonzero(np.array(overlapping(spans, outputs), dtype=bool))
            labels[where] = ids[where]
        return ids, labels

    def length(self, grids: Sequence[Grid]) -> int:
        """Number of ids of `example`."""
        return len(self.example(grids)[0])

    def prompt_length(self, grids: Sequence[Grid]) -> int:
        """Number of ids of `prompt`."""
        return len(self.prompt(grids))

    def answer_tokens(self, height: int, width: int) -> int:
        """Room for an answer of one size, stop token included.

        How far a tokenizer's merges reach depends on the colours: the longest of some sample
        answers, and a quarter to spare.
        """
        size = (height, width)
        if size not in self._answer_tokens:
            prompt = samples.fillings(self._smallest)[0]
            answers = [self.length([*prompt, grid]) for grid in samples.grids_of_size(*size)]
            longest = max(answers) - self.prompt_length(prompt)
            self._answer_tokens[size] = longest + longest // 4 + 1
        return self._answer_tokens[size]
