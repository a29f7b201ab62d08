"""TableEncoder: the fast path, and its proof.

Static text is tokenised once for each number of values, grids become ids by table look-up, and
texts are tokenised once between the static text that stands around them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arcflow.text import probe_grids as samples
from arcflow.text.fast.tables import (
    Around,
    FastPathError,
    Skeleton,
    Units,
    UnitTable,
    learn_skeleton,
    learn_text,
    learn_units,
)
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import TaskKind, Value
from arcflow.text.prompt_layout import IGNORED_LABEL, Ids
from arcflow.text.recent import Recent
from arcflow.text.reference_encoder import ReferenceEncoder, Scripts

_KEPT = 4096
"""Texts whose ids are remembered, at most; those of one prompt are far fewer."""


class TableEncoder:
    """Ids and labels equal to those of `ReferenceEncoder`, some hundred times faster.

    Args:
        tokenizer: a fast tokenizer of transformers.
        grid_text: the written form of grids.
        scripts: the script by number of prompt values.
        kind: what is asked.
        whole: what the ids must equal.
        sizes: numbers of prompt values to prove now.
        on_failure: told why, where a number of values met later turns out not to fit.

    Raises:
        FastPathError: look-up and whole text differ on a sample.
    """

    def __init__(
        self,
        tokenizer: Any,
        grid_text: GridText,
        scripts: Scripts,
        kind: TaskKind[Any],
        whole: ReferenceEncoder,
        sizes: Sequence[int],
        on_failure: Callable[[FastPathError], None],
    ) -> None:
        self._tokenizer, self._scripts, self._kind = tokenizer, scripts, kind
        self._whole, self._on_failure = whole, on_failure
        units: Units = {}
        for values in samples.every_unit(sizes[0] + 1, kind.texts(sizes[0])):
            learn_units(tokenizer, scripts(sizes[0]), values, units)
        self._table = UnitTable(grid_text, units)
        self._texts: Recent[tuple[str, Around], Ids | None] = Recent(_KEPT)
        self._shortest: dict[Around, tuple[Skeleton, int, list[Value]]] = {}
        self._skeletons: dict[int, Skeleton | None] = {n: self._learn(n) for n in sizes}
        self._smallest = self._skeletons[sizes[0]]
        for values in samples.proofs(sizes, kind.texts):
            self._compare(self._skeleton(len(values) - 1), values)

    def fits(self, values: Sequence[Value], n: int) -> bool:
        """Whether these n values of a prompt, and the target if it is there, can be looked up.

        What is new is learned: the number of values, and each text.
        """
        if n not in self._skeletons:
            try:
                self._skeletons[n] = self._learn(n)
            except FastPathError as error:
                self._skeletons[n] = None
                self._on_failure(error)
        skeleton = self._skeletons[n]
        if skeleton is None:
            return False
        for slot in skeleton.texts:
            place = skeleton.places[slot]
            if place < len(values) and self._text(skeleton, slot, values[place]) is None:
                return False
        return True

    def prompt(self, values: Sequence[Value]) -> Ids:
        """As `ReferenceEncoder.prompt`."""
        return np.concatenate(self._prompt(self._skeleton(len(values)), values))

    def example(self, values: Sequence[Value], *, score_outputs: bool = False) -> tuple[Ids, Ids]:
        """As `ReferenceEncoder.example`."""
        skeleton = self._skeleton(len(values) - 1)
        pieces = self._prompt(skeleton, values)
        answer = self._answer(skeleton, values)
        ids = np.concatenate(pieces + answer)
        n_answer = skeleton.n_answer + len(answer[1])
        labels = np.full(len(ids), IGNORED_LABEL, dtype=np.int32)
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

    def length(self, values: Sequence[Value]) -> int:
        """As `ReferenceEncoder.length`, by arithmetic."""
        skeleton = self._skeleton(len(values) - 1)
        fixed = skeleton.n_prompt + skeleton.n_answer
        return fixed + self._sum(skeleton, values, skeleton.places)

    def prompt_length(self, values: Sequence[Value]) -> int:
        """As `ReferenceEncoder.prompt_length`, by arithmetic."""
        skeleton = self._skeleton(len(values))
        return skeleton.n_prompt + self._sum(skeleton, values, skeleton.places[:-1])

    def answer_tokens(self, height: int, width: int) -> int:
        """Tokens of an answer of this size, stop token included."""
        skeleton = self._smallest
        return (skeleton.n_answer if skeleton else 0) + self._table.lengths[height][width]

    def _skeleton(self, n: int) -> Skeleton:
        skeleton = self._skeletons.get(n)
        if skeleton is None:
            raise FastPathError(f"prompts of {n} values are not looked up")
        return skeleton

    def _sum(self, skeleton: Skeleton, values: Sequence[Value], places: Sequence[int]) -> int:
        """Tokens of the values in the first slots, which hold ``places``."""
        total, lengths = 0, self._table.lengths
        for slot, place in enumerate(places):
            value = values[place]
            if isinstance(value, str):
                total += len(self._ids(skeleton, slot, value))
            else:
                total += lengths[value.shape[0]][value.shape[1]]
        return total

    def _ids(self, skeleton: Skeleton, slot: int, value: Value) -> Ids:
        if not isinstance(value, str):
            return self._table.ids(value)
        ids = self._text(skeleton, slot, value)
        if ids is None:
            raise FastPathError(f"{value!r} is not looked up here")
        return ids

    def _text(self, skeleton: Skeleton, slot: int, text: Value) -> Ids | None:
        """The ids of a text in a slot; None where it does not split from what is around it."""
        assert isinstance(text, str)
        return self._texts.get((text, skeleton.around[slot]), self._learn_text)

    def _learn_text(self, key: tuple[str, Around]) -> Ids | None:
        text, around = key
        if not all(around):
            return None
        # Among sample values, so that nothing depends on the task in which a text is met first.
        skeleton, slot, values = self._shortest[around]
        values = values.copy()
        values[skeleton.places[slot]] = text
        script = self._scripts(skeleton.places[-1])
        try:
            return learn_text(self._tokenizer, script, values, slot, skeleton, self._table)
        except FastPathError:
            return None

    def _prompt(self, skeleton: Skeleton, values: Sequence[Value]) -> list[Ids]:
        """Static pieces and values in turn."""
        n = len(skeleton.outputs)
        pieces: list[Ids] = []
        for slot, place in enumerate(skeleton.places[:n]):
            pieces += (skeleton.statics[slot], self._ids(skeleton, slot, values[place]))
        pieces.append(skeleton.statics[n])
        return pieces

    def _answer(self, skeleton: Skeleton, values: Sequence[Value]) -> list[Ids]:
        ids = self._ids(skeleton, len(skeleton.outputs), values[-1])
        return [skeleton.statics[-2], ids, skeleton.statics[-1]]

    def _learn(self, n: int) -> Skeleton:
        small, other = samples.fillings(n + 1, self._kind.texts(n))
        outputs = self._kind.outputs(n)
        skeleton = learn_skeleton(self._tokenizer, self._scripts(n), small, outputs)
        for slot in skeleton.texts:
            self._shortest.setdefault(skeleton.around[slot], (skeleton, slot, small))
        self._compare(skeleton, small)
        self._compare(skeleton, other)
        return skeleton

    def _compare(self, skeleton: Skeleton, values: Sequence[Value]) -> None:
        ids = np.concatenate(self._prompt(skeleton, values) + self._answer(skeleton, values))
        if not np.array_equal(ids, self._whole.example(values)[0]):
            n = len(values) - 1
            raise FastPathError(f"a sample with {n} values has other tokens than its pieces")


def _score(labels: Ids, ids: Ids, at: int, scored: "np.ndarray[Any, Any]") -> int:
    """Label a static piece's scored tokens; the place behind the piece."""
    end = at + len(scored)
    np.copyto(labels[at:end], ids[at:end], where=scored)
    return end
