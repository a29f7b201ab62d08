"""Kinds that grids alone are needed for: those shown and the one to write."""

from collections.abc import Mapping, Sequence

from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.text.kinds.base import GridKind, Value


def examples(task: Task) -> list[Value]:
    """Input and output of each train pair."""
    grids: list[Value] = []
    for pair in task.train:
        if pair.output is not None:
            grids += (pair.input, pair.output)
    return grids


def named_examples(slots: Sequence[str]) -> list[dict[str, str]]:
    """The placeholders of `examples` as a template names them."""
    return [{"input": a, "output": b} for a, b in zip(slots[::2], slots[1::2], strict=True)]


class OutputFromExamples(GridKind):
    """Examples and a test input are shown, the test output is written."""

    name = "output-from-examples"

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """Input and output of each train pair, then the test input."""
        return [*examples(task), task.test[test_index].input]

    def target(self, task: Task, test_index: int) -> Grid | None:
        """The test output."""
        return task.test[test_index].output

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``examples``, each with ``input`` and ``output``, and ``test.input``."""
        return {"examples": named_examples(slots[:-1]), "test": {"input": slots[-1]}}

    def outputs(self, n: int) -> Sequence[int]:
        """The train outputs."""
        return range(1, n, 2)

    def required(self, n: int) -> Mapping[int, str]:
        """The test input."""
        return {n - 1: "test.input"}


class _OneMore(GridKind):
    """Grids of one side of the task's pairs are shown, one more is written."""

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``grids``."""
        return {"grids": list(slots)}

    def outputs(self, n: int) -> Sequence[int]:
        """All but the first grid: each is one more than those before it."""
        return range(1, n)

    def required(self, n: int) -> Mapping[int, str]:
        """The first grid."""
        return {0: "grids[0]"}


class InputFromInputs(_OneMore):
    """The train inputs are shown, the test input is written: what else could be asked?"""

    name = "input-from-inputs"

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """The input of each train pair."""
        return [pair.input for pair in task.train]

    def target(self, task: Task, test_index: int) -> Grid | None:
        """The test input."""
        return task.test[test_index].input


class OutputFromOutputs(_OneMore):
    """The train outputs are shown, the test output is written: what does an answer look like?"""

    name = "output-from-outputs"

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """The output of each train pair."""
        return [pair.output for pair in task.train if pair.output is not None]

    def target(self, task: Task, test_index: int) -> Grid | None:
        """The test output."""
        return task.test[test_index].output
