"""Kinds in which a program is written or shown: a text that defines ``task(grid)``.

A program says what leads from a task's inputs to its outputs. The loss "outputs" scores the
answer alone in these kinds: the grids that a prompt shows are no programs, and a program that it
shows may be a wrong one.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid
from arcflow.core.task import FailedProgram, Task
from arcflow.text.grid_text import GridText
from arcflow.text.kinds.base import GridKind, TaskKind, Value
from arcflow.text.kinds.grids import examples, named_examples
from arcflow.text.program_text import normal_text, read_program


class CodeKind(TaskKind[str]):
    """A kind whose answer is a program."""

    shows_program: ClassVar[bool] = True

    def target(self, task: Task, test_index: int) -> str | None:
        """The task's program.

        Raises:
            DataError: the task has none.
        """
        return _code(task)

    def outputs(self, n: int) -> Sequence[int]:
        """None."""
        return ()

    def texts(self, n: int) -> Collection[int]:
        """The target."""
        return (n,)

    def parse(self, text: str, grid_text: GridText) -> str | None:
        """The program in what the model wrote, unjudged; None where there is none."""
        return read_program(text)


class CodeFromExamples(CodeKind):
    """The train pairs are shown, a program that leads from input to output is written."""

    name = "code-from-examples"

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """Input and output of each train pair."""
        return examples(task)

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``examples``, each with ``input`` and ``output``."""
        return {"examples": named_examples(slots)}

    def required(self, n: int) -> Mapping[int, str]:
        """The first pair."""
        return {0: "examples[0].input", 1: "examples[0].output"} if n else {}


class CodeFromExamplesAndTest(CodeKind):
    """The train pairs and a test input are shown, a program is written.

    The train pairs of some tasks leave open what the test input tells.
    """

    name = "code-from-examples-and-test"

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """Input and output of each train pair, then the test input."""
        return [*examples(task), task.test[test_index].input]

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``examples``, each with ``input`` and ``output``, and ``test.input``."""
        return {"examples": named_examples(slots[:-1]), "test": {"input": slots[-1]}}

    def required(self, n: int) -> Mapping[int, str]:
        """The test input."""
        return {n - 1: "test.input"}


class CodeFromInputs(CodeKind):
    """The train inputs are shown, a program that is made for them is written."""

    name = "code-from-inputs"

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """The input of each train pair."""
        return [pair.input for pair in task.train]

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``grids``."""
        return {"grids": list(slots)}

    def required(self, n: int) -> Mapping[int, str]:
        """The first grid."""
        return {0: "grids[0]"} if n else {}


class CodeFromFeedback(CodeKind):
    """The train pairs and a failing program are shown, a right one is written.

    What is wrong with the failing one is shown too.
    """

    name = "code-from-feedback"

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """Input and output of each train pair, then the attempt's program and feedback."""
        attempt = _attempt(task)
        return [*examples(task), attempt.code, attempt.feedback]

    def target(self, task: Task, test_index: int) -> str | None:
        """The task's program.

        Raises:
            DataError: the task has none, or the attempt is that program.
        """
        code = _code(task)
        if normal_text(_attempt(task).code) == normal_text(code):
            raise DataError(
                f"task {task.id}: the attempt is the task's program itself",
                value=code,
                expected="an attempt that fails",
                next_step="Leave the attempt out: the prompt would show the answer.",
            )
        return code

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``examples``, each with ``input`` and ``output``; ``attempt.code``, ``.feedback``."""
        code, feedback = slots[-2:]
        return {
            "examples": named_examples(slots[:-2]),
            "attempt": {"code": code, "feedback": feedback},
        }

    def required(self, n: int) -> Mapping[int, str]:
        """The attempt."""
        return {n - 2: "attempt.code", n - 1: "attempt.feedback"}

    def texts(self, n: int) -> Collection[int]:
        """The attempt and the target."""
        return (n - 2, n - 1, n)


class OutputFromCode(GridKind):
    """The program and a test input are shown, the program's output is written."""

    name = "output-from-code"
    shows_program: ClassVar[bool] = True

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """The program, then the test input."""
        return [_code(task), task.test[test_index].input]

    def target(self, task: Task, test_index: int) -> Grid | None:
        """The test output."""
        return task.test[test_index].output

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``program`` and ``test.input``."""
        return {"program": slots[0], "test": {"input": slots[1]}}

    def outputs(self, n: int) -> Sequence[int]:
        """None."""
        return ()

    def required(self, n: int) -> Mapping[int, str]:
        """Both."""
        return {0: "program", 1: "test.input"}

    def texts(self, n: int) -> Collection[int]:
        """The program."""
        return (0,)


class InputFromCode(GridKind):
    """The program is shown, an input that it is made for is written."""

    name = "input-from-code"
    shows_program: ClassVar[bool] = True

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """The program."""
        return [_code(task)]

    def target(self, task: Task, test_index: int) -> Grid | None:
        """The test input."""
        return task.test[test_index].input

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """``program``."""
        return {"program": slots[0]}

    def outputs(self, n: int) -> Sequence[int]:
        """None."""
        return ()

    def required(self, n: int) -> Mapping[int, str]:
        """The program."""
        return {0: "program"}

    def texts(self, n: int) -> Collection[int]:
        """The program."""
        return (0,)


def _code(task: Task) -> str:
    if task.code is None:
        raise DataError(
            f"task {task.id}: it has no program",
            value=None,
            expected="a task whose code is known",
            next_step="Take tasks with programs, or another kind of question.",
        )
    return task.code


def _attempt(task: Task) -> FailedProgram:
    if task.attempt is None:
        raise DataError(
            f"task {task.id}: it has no attempt to correct",
            value=None,
            expected="a task with a failing program and what is wrong with it",
            next_step="Give the task an Attempt, or ask for code-from-examples.",
        )
    return task.attempt
