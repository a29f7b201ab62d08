"""Task kinds: what is asked of a task, as prompt parts, a target and a parser."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.text.grid_text import GridText, GridTextError


class TaskKind(ABC):
    """One kind of question; without state.

    The grids of a question form one flat list: those of the prompt in a fixed order, then the
    target. A placeholder stands for each when the template is rendered, so the text depends on
    their number alone. A grid is named by its place in the list.

    Attributes:
        name: e.g. ``"output-from-examples"``.
        templates: the shipped template for each format.
    """

    name: ClassVar[str]
    templates: ClassVar[Mapping[str, str]]

    @abstractmethod
    def prompt_grids(self, task: Task, test_index: int) -> list[Grid]:
        """The prompt's grids."""

    @abstractmethod
    def target(self, task: Task, test_index: int) -> Grid | None:
        """The grid to write, None where it is not known."""

    @abstractmethod
    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """The template's variables, made of the placeholders of the prompt's grids."""

    @abstractmethod
    def outputs(self, n: int) -> Sequence[int]:
        """Of n prompt grids the places of those that the loss "outputs" scores."""

    @abstractmethod
    def required(self, n: int) -> Mapping[int, str]:
        """Of n prompt grids those that every prompt must show: place to template variable."""

    def parse(self, text: str, grid_text: GridText) -> Grid | None:
        """The grid in what the model wrote; None where it is malformed."""
        try:
            return grid_text.decode(text)
        except GridTextError:
            return None


def check_test_index(task: Task, test_index: int) -> None:
    """Refuse a test index the task does not have.

    Raises:
        DataError: naming the task.
    """
    if not 0 <= test_index < len(task.test):
        raise DataError(
            f"task {task.id}: no such test input",
            value=test_index,
            expected=f"0..{len(task.test) - 1}",
            next_step="Ask for a test input that the task has.",
        )


class OutputFromExamples(TaskKind):
    """Examples and a test input are shown, the test output is written."""

    name = "output-from-examples"
    templates: ClassVar[Mapping[str, str]] = {"chat": "chat-v1", "compact": "compact-v1"}

    def prompt_grids(self, task: Task, test_index: int) -> list[Grid]:
        """Input and output of each train pair, then the test input."""
        grids: list[Grid] = []
        for pair in task.train:
            if pair.output is not None:
                grids += (pair.input, pair.output)
        grids.append(task.test[test_index].input)
        return grids

    def target(self, task: Task, test_index: int) -> Grid | None:
        """The test output."""
        return task.test[test_index].output

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``examples``, each with ``input`` and ``output``, and ``test.input``."""
        pairs = zip(slots[:-1:2], slots[1::2], strict=True)
        examples = [{"input": a, "output": b} for a, b in pairs]
        return {"examples": examples, "test": {"input": slots[-1]}}

    def outputs(self, n: int) -> Sequence[int]:
        """The train outputs."""
        return range(1, n, 2)

    def required(self, n: int) -> Mapping[int, str]:
        """The test input."""
        return {n - 1: "test.input"}


class _OneMore(TaskKind):
    """Grids of one side of the task's pairs are shown, one more is written."""

    templates: ClassVar[Mapping[str, str]] = OutputFromExamples.templates

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

    def prompt_grids(self, task: Task, test_index: int) -> list[Grid]:
        """The input of each train pair."""
        return [pair.input for pair in task.train]

    def target(self, task: Task, test_index: int) -> Grid | None:
        """The test input."""
        return task.test[test_index].input


class OutputFromOutputs(_OneMore):
    """The train outputs are shown, the test output is written: what does an answer look like?"""

    name = "output-from-outputs"

    def prompt_grids(self, task: Task, test_index: int) -> list[Grid]:
        """The output of each train pair."""
        return [pair.output for pair in task.train if pair.output is not None]

    def target(self, task: Task, test_index: int) -> Grid | None:
        """The test output."""
        return task.test[test_index].output


OUTPUT_FROM_EXAMPLES = OutputFromExamples()
INPUT_FROM_INPUTS = InputFromInputs()
OUTPUT_FROM_OUTPUTS = OutputFromOutputs()

_ALL: tuple[TaskKind, ...] = (OUTPUT_FROM_EXAMPLES, INPUT_FROM_INPUTS, OUTPUT_FROM_OUTPUTS)

KINDS: dict[str, TaskKind] = {kind.name: kind for kind in _ALL}
"""Every kind by name."""


def get_kind(name: str) -> TaskKind:
    """The kind of that name.

    Raises:
        ConfigError: where there is none.
    """
    if name not in KINDS:
        raise ConfigError(
            "unknown task kind",
            value=name,
            expected=f"one of {sorted(KINDS)}",
            next_step="Correct the kind's name.",
        )
    return KINDS[name]
