"""What a solver without a language model takes and gives: tasks in, ranked answers out."""

from dataclasses import dataclass
from typing import Protocol

from arcflow.core.grid import Grid
from arcflow.core.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One distinct answer of a solver to one test input.

    Attributes:
        grid: The answer, a grid of the original task.
        confidence: The probability, in [0, 1], that the answer is right, as calibrated on training
            tasks.
        solver: The name of the solver, e.g. ``"search"`` or ``"trees"``.
        pairs_fitted: The number of the task's train pairs that the rule behind the answer
            reproduces exactly (for trees: that it predicts exactly when they are left out).
        program: A program that defines ``task(grid)`` and gives the answer when the sandbox runs
            it on the test input, if there is one.
        rule: One line that says in words how the answer was made.
    """

    grid: Grid
    confidence: float
    solver: str
    pairs_fitted: int
    program: str | None = None
    rule: str = ""


class Solver(Protocol):
    """A solver: one call answers all test inputs of one task.

    The answers are a function of task, seed and the amount of work done; where ``seconds`` suffice
    for the whole of the work, they do not depend on the machine's speed.
    """

    name: str

    def solve(self, task: Task, seconds: float) -> list[list[Answer]]:
        """Return the answers to each test input, best first and without repeats.

        Args:
            task: The task; its test outputs are not read.
            seconds: The wall time that the call may take, in seconds; 0 still gives an answer
                where one is found at once.

        Returns:
            One list for each test input, empty where nothing was found.
        """
        ...
