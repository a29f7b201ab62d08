"""Kinds in which proposed outputs are judged, with one word as the answer.

They are learned beside the others. In training a proposal is right or plausibly wrong, and the
test output, which is not shown, decides which; where the test output is hidden, proposals are the
candidates of an evaluation, and the question has no known answer.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.text.grid_text import GridText
from arcflow.text.kinds.base import TaskKind, Value
from arcflow.text.kinds.grids import examples, named_examples


class JudgeKind(TaskKind[str]):
    """A kind whose answer is one of a few words about proposed outputs.

    Attributes:
        n_proposals: The number of proposed outputs that are shown.
    """

    n_proposals: ClassVar[int]

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """Input and output of each train pair, the test input, then the proposed outputs."""
        proposed = _proposed(task, test_index, self.n_proposals)
        return [*examples(task), task.test[test_index].input, *proposed]

    def outputs(self, n: int) -> Sequence[int]:
        """The train outputs; a proposal may be wrong."""
        return range(1, n - self.n_proposals - 1, 2)

    def texts(self, n: int) -> Collection[int]:
        """The target."""
        return (n,)

    def parse(self, text: str, grid_text: GridText) -> str | None:
        """The word that was written; None where it is another, or more than a word."""
        word = text.strip()
        return word if word in self.words else None


class VerifyOutput(JudgeKind):
    """Examples, a test input and a proposed output are shown: is it right or wrong?"""

    name = "verify-output"
    words: ClassVar[tuple[str, ...]] = ("right", "wrong")
    n_proposals: ClassVar[int] = 1

    def target(self, task: Task, test_index: int) -> str | None:
        """``"right"`` or ``"wrong"``; None where the test output is hidden."""
        right = _right(task, test_index, self.n_proposals)
        return None if right is None else self.words[0 if right[0] else 1]

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``examples``, each with ``input`` and ``output``, ``test.input`` and ``proposal``."""
        return {
            "examples": named_examples(slots[:-2]),
            "test": {"input": slots[-2]},
            "proposal": slots[-1],
        }

    def required(self, n: int) -> Mapping[int, str]:
        """The test input and the proposal."""
        return {n - 2: "test.input", n - 1: "proposal"}


class SelectOutput(JudgeKind):
    """Examples, a test input and two proposed outputs are shown: which one is right?"""

    name = "select-output"
    words: ClassVar[tuple[str, ...]] = ("first", "second")
    n_proposals: ClassVar[int] = 2

    def target(self, task: Task, test_index: int) -> str | None:
        """``"first"`` or ``"second"``; None where the test output is hidden.

        Raises:
            DataError: Both proposals are right, or none of them is.
        """
        right = _right(task, test_index, self.n_proposals)
        if right is None:
            return None
        if sum(right) != 1:
            raise DataError(
                f"task {task.id}, test pair {test_index}: nothing to choose between the proposals",
                value="both are right" if all(right) else "both are wrong",
                expected="one right output and one wrong output",
                next_step="Propose the right output and another.",
            )
        return self.words[right.index(True)]

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``examples``, each with ``input`` and ``output``, ``test.input``, ``proposals[]``."""
        return {
            "examples": named_examples(slots[:-3]),
            "test": {"input": slots[-3]},
            "proposals": list(slots[-2:]),
        }

    def required(self, n: int) -> Mapping[int, str]:
        """The test input and both proposals."""
        return {n - 3: "test.input", n - 2: "proposals[0]", n - 1: "proposals[1]"}


def _proposed(task: Task, test_index: int, n: int) -> list[Grid]:
    """Return the first n outputs that are proposed for a test input."""
    asked = task.test[test_index].input
    proposed = [
        pair.output
        for pair in task.proposals
        if pair.output is not None and np.array_equal(pair.input, asked)
    ]
    if len(proposed) < n:
        raise DataError(
            f"task {task.id}, test pair {test_index}: too few outputs are proposed",
            value=len(proposed),
            expected=f"{n} for this test input",
            next_step="Give the task its proposals, or ask for output-from-examples.",
        )
    return proposed[:n]


def _right(task: Task, test_index: int, n: int) -> list[bool] | None:
    """Return which of the first n proposals are right, or None if the output is hidden."""
    output = task.test[test_index].output
    if output is None:
        return None
    return [np.array_equal(grid, output) for grid in _proposed(task, test_index, n)]
