"""Trials of untrusted programs on the pairs of a task, in the sandbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.omniarc.feedback import result_feedback
from arcflow.sandbox import BadOutput, Grids, Nondeterministic, Raised, Result


class RunPrograms(Protocol):
    """A function that runs each program on its own grids, such as ``Sandbox.run``."""

    def __call__(
        self,
        programs: Sequence[str],
        inputs: Sequence[Sequence[Grid]],
        *,
        per_process: int | None = None,
    ) -> Sequence[Result]:
        """Run programs, of which at most ``per_process`` share a process.

        Args:
            programs: The texts of the programs.
            inputs: For each program the grids to run it on.
            per_process: The number of programs that may share a process; None for the default.

        Returns:
            One result for each program, in order.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ProgramResult:
    """The result of a program on the train pairs and the test inputs of a task.

    Attributes:
        runs: Whether it ended without an error on every input.
        valid: Whether it returned a grid for every input.
        right: For each train pair whether its output was reproduced.
        grids: For each input, those of the train pairs first, the grid that was returned; None if
            there is none.
        problem: A description of what is wrong at the first input where something is; "" if every
            train pair is reproduced and every test input has a grid.
    """

    runs: bool
    valid: bool
    right: tuple[bool, ...]
    grids: tuple[Grid | None, ...]
    problem: str

    @property
    def outputs(self) -> tuple[Grid | None, ...]:
        """For each test input the grid that was returned; None if there is none."""
        return self.grids[len(self.right) :]

    @property
    def solves(self) -> bool:
        """Whether all train pairs are reproduced."""
        return all(self.right)


def try_programs(
    run: RunPrograms, programs: Sequence[str], tasks: Sequence[Task]
) -> list[ProgramResult]:
    """Run each program on all inputs of its own task.

    Programs get inputs alone. A program that reproduces all train pairs is run again in a process
    that it shares with no other program, and that result counts. A program that fails on all inputs
    together, but by itself and without being killed, is run on each input too: it may be right
    about some of them.

    Args:
        run: The sandbox's function to run programs.
        programs: The texts of the programs.
        tasks: The task of each program; test outputs are not used, so answers cannot leak.

    Returns:
        One result for each program, in order.
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
    found = []
    for task, grids, result in zip(tasks, inputs, results, strict=True):
        if isinstance(result, Grids):
            each: list[Result] = [Grids((grid,)) for grid in result.outputs]
        elif isinstance(result, Raised | BadOutput):
            each = [next(singles) for _ in grids]
        else:
            each = [result] * len(grids)
        found.append(_program_result(task, result, each))
    return found


def _fits(result: Result, task: Task) -> bool:
    """Return whether a program reproduces all train pairs."""
    return isinstance(result, Grids) and all(
        np.array_equal(grid, pair.output)
        for grid, pair in zip(result.outputs, task.train, strict=False)
        if pair.output is not None
    )


def _program_result(task: Task, whole: Result, each: Sequence[Result]) -> ProgramResult:
    """Build the result of one program from its runs on all inputs together and on each of them."""
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
