"""Trials: what programs that nobody trusts do with the pairs of a task, in the sandbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.omniarc.feedback import result_feedback
from arcflow.sandbox import BadOutput, Grids, Nondeterministic, Raised, Result


class RunPrograms(Protocol):
    """Runs each program on its own grids, as ``Sandbox.run`` does."""

    def __call__(
        self,
        programs: Sequence[str],
        inputs: Sequence[Sequence[Grid]],
        *,
        per_process: int | None = None,
    ) -> Sequence[Result]:
        """At most ``per_process`` programs share a process."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ProgramResult:
    """What a program did with a task: its train pairs and its test inputs.

    Attributes:
        runs: it ended without an error on every input.
        valid: it gave a grid for every input.
        right: for each train pair whether its output was reproduced.
        grids: for each input, those of the train pairs first, what it gave; None where no grid.
        problem: what is wrong, in words, of the first input where something is; "" where every
            train pair is reproduced and every test input has a grid.
    """

    runs: bool
    valid: bool
    right: tuple[bool, ...]
    grids: tuple[Grid | None, ...]
    problem: str

    @property
    def outputs(self) -> tuple[Grid | None, ...]:
        """For each test input the grid it gave, None where it gave none."""
        return self.grids[len(self.right) :]

    @property
    def solves(self) -> bool:
        """Whether all train pairs are reproduced."""
        return all(self.right)


def try_programs(
    run: RunPrograms, programs: Sequence[str], tasks: Sequence[Task]
) -> list[ProgramResult]:
    """Run each program on all inputs of its own task.

    Programs get inputs alone. What reproduces all train pairs is run again in a process that it
    shares with no other program, and that counts. What fails on all inputs together is run on
    each of them too, where it failed by itself and was not killed: it may be right about some.

    Args:
        run: the sandbox's.
        programs: texts.
        tasks: the task of each program; test outputs play no part (law 7).
    """
    inputs = [[pair.input for pair in (*task.train, *task.test)] for task in tasks]
    results = list(run(programs, inputs))
    fit = [i for i, result in enumerate(results) if _fits(result, tasks[i])]
    if fit:
        again = run([programs[i] for i in fit], [inputs[i] for i in fit], per_process=1)
        for i, result in zip(fit, again, strict=True):
            results[i] = result
    parts = [
        (i, grid)
        for i, result in enumerate(results)
        if isinstance(result, Raised | BadOutput)
        for grid in inputs[i]
    ]
    singles = iter(run([programs[i] for i, _ in parts], [[grid] for _, grid in parts]))
    trials = []
    for task, grids, result in zip(tasks, inputs, results, strict=True):
        if isinstance(result, Grids):
            each: list[Result] = [Grids((grid,)) for grid in result.outputs]
        elif isinstance(result, Raised | BadOutput):
            each = [next(singles) for _ in grids]
        else:
            each = [result] * len(grids)
        trials.append(_trial(task, result, each))
    return trials


def _fits(result: Result, task: Task) -> bool:
    """Whether a program reproduces all train pairs."""
    return isinstance(result, Grids) and all(
        np.array_equal(grid, pair.output)
        for grid, pair in zip(result.outputs, task.train, strict=False)
        if pair.output is not None
    )


def _trial(task: Task, whole: Result, each: Sequence[Result]) -> ProgramResult:
    """The trial of one program from what came of all inputs together and of each."""
    n = len(task.train)
    right, problems = [], []
    for pair, result in zip(task.train, each, strict=False):
        assert pair.output is not None
        right.append(isinstance(result, Grids) and np.array_equal(result.outputs[0], pair.output))
        problems.append(result_feedback(result, [pair.output]))
    grids = [result.outputs[0] if isinstance(result, Grids) else None for result in each]
    problems += [
        result_feedback(result, []) for result in each[n:] if not isinstance(result, Grids)
    ]
    return ProgramResult(
        isinstance(whole, Grids | BadOutput | Nondeterministic),
        isinstance(whole, Grids),
        tuple(right),
        tuple(grids),
        next((problem for problem in problems if problem), ""),
    )
