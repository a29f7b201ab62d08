"""Answers of solvers beside the model's: computed meanwhile, journaled with them."""

import time
from collections.abc import Sequence
from typing import Any

from arcflow.core.errors import ConfigError
from arcflow.core.task import Task
from arcflow.datamodules.task_batches import task_batches
from arcflow.evaluation.results import Results
from arcflow.evaluation.time_budget import TimeBudget
from arcflow.scoring.voting import Candidate
from arcflow.solving.background import BackgroundSolvers
from arcflow.solving.solvers import solving_record

_LOOK = 0.05  # seconds between two looks at what the solvers have finished


class SolverAnswers:
    """The solvers of one evaluation; each process of several lets them answer its share of tasks.

    Args:
        known: the results, which name the solvers; what is finished in them is not done again.
        seconds: wall time for each task, in seconds.
        budget: the time there is.
        batch_size: tasks in a task batch. A process's solvers answer the tasks of its own task
            batches, as re-scoring needs their answers.
    """

    def __init__(
        self, known: Results, seconds: float, budget: TimeBudget, batch_size: int = 1
    ) -> None:
        self._known = known
        batches = task_batches(known.tasks, batch_size)[known.rank :: known.world_size]
        own = [task for batch in batches for task in batch.tasks]
        left = [task for task in own if not known.solved(task)]
        end = budget.end
        until = None if end is None else time.time() + end - budget.clock()
        self._solvers: BackgroundSolvers | None = None
        if left:
            self._solvers = BackgroundSolvers(known.solvers, left, seconds, until)

    def collect(self) -> None:
        """Journal what was finished since the last call."""
        if self._solvers is not None:
            for task, answers in self._solvers.ready():
                self._known.add_solved(task, answers)

    def wait_for(
        self, tasks: Sequence[Task], seconds: float | None = None
    ) -> dict[str, list[Candidate]]:
        """Return by id the answers to some tasks, for which it waits.

        Args:
            tasks: tasks of this process.
            seconds: how long at most; None: until they are there, or the solvers have ended.
        """
        known = self._known
        end = None if seconds is None else time.monotonic() + seconds
        while self._solvers is not None and not all(map(known.solved, tasks)):
            working = self._solvers.working  # before the look: what it finishes last counts
            self.collect()
            if not working or (end is not None and time.monotonic() >= end):
                break
            time.sleep(_LOOK)
        return {
            task.id: [c for name in known.solvers for c in known.answers(task.id, name)]
            for task in tasks
        }

    def finish(self) -> None:
        """Wait for the rest, or for the deadline, and journal it."""
        if self._solvers is not None:
            for task, answers in self._solvers.wait():
                self._known.add_solved(task, answers)
        self.close()

    def close(self) -> None:
        """End the solvers' process."""
        solvers, self._solvers = self._solvers, None
        if solvers is not None:
            solvers.close()


def choose_solvers(search: bool, trees: bool, seconds: float) -> tuple[str, ...]:
    """Return the names of the solvers that two options choose.

    Args:
        search: ``pass_n.search``.
        trees: ``pass_n.trees``.
        seconds: ``pass_n.solver_seconds``, which is checked.

    Raises:
        ConfigError: their time is below zero or not finite.
    """
    if not 0 <= seconds < float("inf"):
        raise ConfigError(
            "pass_n.solver_seconds is no time",
            value=seconds,
            expected="0 or more seconds",
            next_step="Correct --pass_n.solver_seconds.",
        )
    return ("search",) * search + ("trees",) * trees


def solver_options(solvers: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """Return what solvers' answers depend on, by the options' names; {} without solvers."""
    if not solvers:
        return {}
    record = solving_record(solvers, seconds)
    return {
        **{f"pass_n.{name}": True for name in solvers},
        "pass_n.solver_seconds": record["seconds"],
        "code of the solvers": record["code of the solvers"],
    }
