"""LookUp: the fast path, and its proof.

Static text is tokenised once for each number of grids, grids become ids by table look-up.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arcflow.core.grid import Grid
from arcflow.text import samples
from arcflow.text.grid_text import GridText
from arcflow.text.script import IGNORED, Ids
from arcflow.text.tables import (
    FastPathError,
    Skeleton,
    Units,
    UnitTable,
    learn_skeleton,
    learn_units,
)
from arcflow.text.whole import Places, Scripts, WholeText


class LookUp:
    """Ids and labels equal to those of `WholeText`, some hundred times faster.

    Args:
        tokenizer: a fast tokenizer of transformers.
        grid_text: the written form of grids.
        scripts: the script by number of prompt grids.
        outputs: the places that the loss "outputs" scores.
        whole: what the ids must equal.
        sizes: numbers of prompt grids to prove now.
        on_failure: told why, where a number of grids met later turns out not to fit.

    Raises:
        FastPathError: look-up and whole text differ on a sample.
    """

    def __init__(
        self,
        tokenizer: Any,
        grid_text: GridText,
        scripts: Scripts,
        outputs: Places,
        whole: WholeText,
        sizes: Sequence[int],
        on_failure: Callable[[FastPathError], None],
    ) -> None:
        self._tokenizer, self._scripts, self._outputs = tokenizer, scripts, outputs
        self._whole, self._on_failure = whole, on_failure
        units: Units = {}
        for grids in samples.every_unit(sizes[0] + 1):
            learn_units(tokenizer, scripts(sizes[0]), grids, units)
        self._table = UnitTable(grid_text, units)
        self._skeletons: dict[int, Skeleton | None] = {n: self._learn(n) for n in sizes}
        self._smallest = self._skeletons[sizes[0]]
        for grids in samples.proofs(sizes):
            self._compare(self._skeletons[len(grids) - 1], grids)

    def fits(self, n: int) -> bool:
        """Whether prompts with n grids can be looked up; learned where n is new."""
        if n not in self._skeletons:
            try:
                self._skeletons[n] = self._learn(n)
            except FastPathError as error:
                self._skeletons[n] = None
                self._on_failure(error)
        return self._skeletons[n] is not None

    def prompt(self, grids: Sequence[Grid]) -> Ids:
        """As `WholeText.prompt`."""
        return np.concatenate(self._prompt(self._skeleton(len(grids)), grids))

    def example(self, grids: Sequence[Grid], *, score_outputs: bool = False) -> tuple[Ids, Ids]:
        """As `WholeText.example`."""
        skeleton = self._skeleton(len(grids) - 1)
        pieces = self._prompt(skeleton, grids)
        answer = self._answer(skeleton, grids)
        ids = np.concatenate(pieces + answer)
        n_answer = skeleton.n_answer + len(answer[1])
        labels = np.full(len(ids), IGNORED, dtype=np.int32)
        labels[-n_answer:] = ids[-n_answer:]
        if score_outputs:
            at = 0
            for slot, output in enumerate(skeleton.outputs):
                at = _score(labels, ids, at, skeleton.scored[slot])
                size = len(pieces[2 * slot + 1])
                if output:
                    labels[at : at + size] = ids[at : at + size]
                at += size
            _score(labels, ids, at, skeleton.scored[len(skeleton.outputs)])
        return ids, labels

    def length(self, grids: Sequence[Grid]) -> int:
        """As `WholeText.length`, by arithmetic."""
        skeleton = self._skeleton(len(grids) - 1)
        return self.prompt_length(grids[:-1]) + skeleton.n_answer + self._size(grids[-1])

    def prompt_length(self, grids: Sequence[Grid]) -> int:
        """As `WholeText.prompt_length`, by arithmetic."""
        skeleton = self._skeleton(len(grids))
        return skeleton.n_prompt + sum(self._size(grids[i]) for i in skeleton.places[:-1])

    def answer_tokens(self, height: int, width: int) -> int:
        """Tokens of an answer of this size, stop token included."""
        skeleton = self._smallest
        return (skeleton.n_answer if skeleton else 0) + self._table.lengths[height][width]

    def _skeleton(self, n: int) -> Skeleton:
        skeleton = self._skeletons.get(n)
        if skeleton is None:
            raise FastPathError(f"prompts of {n} grids are not looked up")
        return skeleton

    def _size(self, grid: Grid) -> int:
        return self._table.lengths[grid.shape[0]][grid.shape[1]]

    def _prompt(self, skeleton: Skeleton, grids: Sequence[Grid]) -> list[Ids]:
        """Static pieces and grids in turn."""
        table, n = self._table, len(skeleton.outputs)
        pieces: list[Ids] = []
        for static, place in zip(skeleton.statics[:n], skeleton.places, strict=False):
            pieces += (static, table.ids(grids[place]))
        pieces.append(skeleton.statics[n])
        return pieces

    def _answer(self, skeleton: Skeleton, grids: Sequence[Grid]) -> list[Ids]:
        return [skeleton.statics[-2], self._table.ids(grids[-1]), skeleton.statics[-1]]

    def _learn(self, n: int) -> Skeleton:
        small, other = samples.fillings(n + 1)
        skeleton = learn_skeleton(self._tokenizer, self._scripts(n), small, self._outputs(n))
        self._compare(skeleton, small)
        self._compare(skeleton, other)
        return skeleton

    def _compare(self, skeleton: Skeleton | None, grids: Sequence[Grid]) -> None:
        assert skeleton is not None
        ids = np.concatenate(self._prompt(skeleton, grids) + self._answer(skeleton, grids))
        if not np.array_equal(ids, self._whole.example(grids)[0]):
            n = len(grids) - 1
            raise FastPathError(f"a sample with {n} grids has other tokens than its pieces")


def _score(labels: Ids, ids: Ids, at: int, scored: "np.ndarray[Any, Any]") -> int:
    """Label a static piece's scored tokens; the place behind the piece."""
    end = at + len(scored)
    np.copyto(labels[at:end], ids[at:end], where=scored)
    return end
