"""The encoder of the fast path, and the proof that it equals the reference encoder.

Static text is tokenised once for each number of values, grids become ids by table look-up, and
texts are tokenised once between the static text that stands around them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arcflow.text import probe_grids
from arcflow.text.cells import PromptTokenizer
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
from arcflow.text.reference_encoder import LayoutOf, ReferenceEncoder

_KEPT = 4096
"""The largest number of texts whose ids are cached; one prompt has far fewer."""


class TableEncoder:
    """An encoder with the ids and labels of `ReferenceEncoder`, some hundred times faster.

    Args:
        tokenise: The function that tokenises written prompts.
        grid_text: The written form of grids.
        layout_of: A function from a number of prompt values to the layout of the prompt.
        kind: What is asked of a task.
        whole: The encoder whose ids this one must give.
        sizes: The numbers of prompt values to prove now.
        on_failure: A function that is called with the reason if a number of values that comes later
            cannot be looked up.

    Raises:
        FastPathError: If the ids of look-up and whole text differ on a sample.
    """

    def __init__(
        self,
        tokenise: PromptTokenizer,
        grid_text: GridText,
        layout_of: LayoutOf,
        kind: TaskKind[Any],
        whole: ReferenceEncoder,
        sizes: Sequence[int],
        on_failure: Callable[[FastPathError], None],
    ) -> None:
        self._tokenise, self._layout_of, self._kind = tokenise, layout_of, kind
        self._whole, self._on_failure = whole, on_failure
        units: Units = {}
        for values in probe_grids.every_unit(sizes[0] + 1, kind.texts(sizes[0])):
            learn_units(tokenise, layout_of(sizes[0]), values, units)
        self._table = UnitTable(grid_text, units)
        self._texts: Recent[tuple[str, Around], Ids | None] = Recent(_KEPT)
        self._shortest: dict[Around, tuple[Skeleton, int, list[Value]]] = {}
        self._skeletons: dict[int, Skeleton | None] = {n: self._learn(n) for n in sizes}
        self._smallest = self._skeletons[sizes[0]]
        for values in probe_grids.proofs(sizes, kind.texts):
            self._compare(self._skeleton(len(values) - 1), values)

    def fits(self, values: Sequence[Value], n: int) -> bool:
        """Return whether values can be looked up; new numbers of values and new texts are learned.

        Args:
            values: The values of a prompt and, if it is there, the target.
            n: The number of values of the prompt.

        Returns:
            Whether :meth:`prompt` or :meth:`example` can be called with the values.
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
            index = skeleton.value_indices[slot]
            if index < len(values) and self._text(skeleton, slot, values[index]) is None:
                return False
        return True

    def prompt(self, values: Sequence[Value]) -> Ids:
        """Return the ids of a prompt, as `ReferenceEncoder.prompt` does.

        Args:
            values: The values of the prompt, without the target.

        Returns:
            The ids, int32 of shape (L,).
        """
        return np.concatenate(self._prompt(self._skeleton(len(values)), values))

    def example(self, values: Sequence[Value], *, score_outputs: bool = False) -> tuple[Ids, Ids]:
        """Return the ids and labels of prompt and answer, as `ReferenceEncoder.example` does.

        Args:
            values: The values of the prompt and, last, the target.
            score_outputs: Whether the outputs of the prompt's examples are scored too.

        Returns:
            The ids and the labels, both int32 of shape (L,).
        """
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
        """Return the number of ids of :meth:`example`, by arithmetic."""
        skeleton = self._skeleton(len(values) - 1)
        fixed = skeleton.n_prompt + skeleton.n_answer
        return fixed + self._sum(skeleton, values, skeleton.value_indices)

    def prompt_length(self, values: Sequence[Value]) -> int:
        """Return the number of ids of :meth:`prompt`, by arithmetic."""
        skeleton = self._skeleton(len(values))
        return skeleton.n_prompt + self._sum(skeleton, values, skeleton.value_indices[:-1])

    def answer_tokens(self, height: int, width: int) -> int:
        """Return the number of tokens of an answer of one size, stop token included.

        Args:
            height: The height of the answer in cells.
            width: The width of the answer in cells.

        Returns:
            The number of tokens.
        """
        skeleton = self._smallest
        return (skeleton.n_answer if skeleton else 0) + self._table.lengths[height][width]

    def _skeleton(self, n: int) -> Skeleton:
        skeleton = self._skeletons.get(n)
        if skeleton is None:
            raise FastPathError(f"prompts of {n} values are not looked up")
        return skeleton

    def _sum(
        self, skeleton: Skeleton, values: Sequence[Value], value_indices: Sequence[int]
    ) -> int:
        """Return the number of tokens of the values with these indices, in the first slots."""
        total, lengths = 0, self._table.lengths
        for slot, index in enumerate(value_indices):
            value = values[index]
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
        """Return the ids of a text in a slot, or None if it cannot be looked up there."""
        assert isinstance(text, str)
        return self._texts.get((text, skeleton.around[slot]), self._learn_text)

    def _learn_text(self, key: tuple[str, Around]) -> Ids | None:
        text, around = key
        if not all(around):
            return None
        # Sample values surround it, so that nothing depends on the task in which it comes first.
        skeleton, slot, values = self._shortest[around]
        values = values.copy()
        values[skeleton.value_indices[slot]] = text
        layout = self._layout_of(skeleton.value_indices[-1])
        try:
            return learn_text(self._tokenise, layout, values, slot, skeleton, self._table)
        except FastPathError:
            return None

    def _prompt(self, skeleton: Skeleton, values: Sequence[Value]) -> list[Ids]:
        """Return the ids of static pieces and values in turn."""
        n = len(skeleton.outputs)
        pieces: list[Ids] = []
        for slot, index in enumerate(skeleton.value_indices[:n]):
            pieces += (skeleton.statics[slot], self._ids(skeleton, slot, values[index]))
        pieces.append(skeleton.statics[n])
        return pieces

    def _answer(self, skeleton: Skeleton, values: Sequence[Value]) -> list[Ids]:
        ids = self._ids(skeleton, len(skeleton.outputs), values[-1])
        return [skeleton.statics[-2], ids, skeleton.statics[-1]]

    def _learn(self, n: int) -> Skeleton:
        small, other = probe_grids.fillings(n + 1, self._kind.texts(n))
        outputs = self._kind.outputs(n)
        skeleton = learn_skeleton(self._tokenise, self._layout_of(n), small, outputs)
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
    """Label the scored tokens of a static piece, and return the index behind the piece."""
    end = at + len(scored)
    np.copyto(labels[at:end], ids[at:end], where=scored)
    return end
