"""A run of solvers over tasks: journaled task by task, with a submission that is always valid."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.errors import CheckpointError, ConfigError, DataError
from arcflow.core.task import Task
from arcflow.scoring.journal import Journal, write_journal
from arcflow.scoring.merge import rank_answers
from arcflow.scoring.submission import Submission, build_submission, write_submission
from arcflow.scoring.voting import Candidate, by_test_input, candidate_from_dict, candidate_to_dict
from arcflow.solving.pool import SolverPool
from arcflow.solving.solvers import Answers, run_record

_WRITE_EVERY = 2.0  # seconds at least between two versions of the submission
_RESERVE = 2.0  # seconds kept before the deadline for the last submission


class SolveRun:
    """Answers tasks with solvers, and keeps what is finished.

    Killed at any moment, the same run goes on with the tasks that are left, and its journal and
    submission equal those of a run that was never killed, byte by byte.

    Args:
        tasks: The tasks in order.
        solvers: The names of the solvers.
        seconds: The wall time for each task, in seconds.
        output: The submission's file; None keeps nothing.
        overwrite: Whether to begin anew even if there is a journal to continue.

    Raises:
        CheckpointError: The journal is of another run.
        ConfigError: Another process writes the journal.
        DataError: A file cannot be written, or the journal is damaged.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        solvers: Sequence[str],
        seconds: float,
        output: Path | None = None,
        overwrite: bool = False,
    ) -> None:
        self.tasks, self.solvers, self.seconds = tuple(tasks), tuple(solvers), seconds
        self.output = output
        self._entries: dict[tuple[str, str], dict[str, Any]] = {}
        self._journal: Journal | None = None
        self._written = 0.0
        self._pool: SolverPool | None = None
        self._submission: Submission = build_submission(self.tasks, [])
        if output is not None:
            self._open(output, overwrite)

    @property
    def journal_path(self) -> Path | None:
        """The journal, beside the submission."""
        return None if self.output is None else self.output.with_suffix(".journal.jsonl")

    @property
    def preparing(self) -> bool:
        """Whether the solvers are still being loaded and, once on a machine, compiled."""
        return self._pool is not None and self._pool.preparing

    def _open(self, output: Path, overwrite: bool) -> None:
        path = output.with_suffix(".journal.jsonl")
        self._record = run_record(self.tasks, self.solvers, self.seconds)
        with _own_advice():
            if overwrite:
                path.unlink(missing_ok=True)
            self._journal = Journal.open(path, self._record)
        for entry in self._journal.entries:
            self._entries.setdefault((entry["task"], entry["variant"]), entry)
        for task in self.tasks:
            if self.finished(task):
                self._submit(task)
        self._write(always=True)

    def finished(self, task: Task) -> bool:
        """Return whether all solvers have answered a task."""
        return all((task.id, name) in self._entries for name in self.solvers)

    @property
    def left(self) -> list[Task]:
        """The tasks that are not finished, in order."""
        return [task for task in self.tasks if not self.finished(task)]

    def candidates(self, task: Task) -> list[Candidate]:
        """Return the candidates of a finished task, solver after solver."""
        return [
            candidate_from_dict(obj)
            for name in self.solvers
            for obj in self._entries[task.id, name]["candidates"]
        ]

    def solve(
        self,
        jobs: int = 1,
        deadline: float | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> Iterator[Task]:
        """Answer the tasks that are left and yield each one when it is finished.

        Args:
            jobs: The number of processes.
            deadline: The time of ``time.time()`` at which the run must have ended; None for none.
            wake: A function that is called about every second.
        """
        left = self.left
        until = None if deadline is None else deadline - _RESERVE

        def share(unfinished: int) -> float:
            if until is None:
                return self.seconds
            rounds = -(-unfinished // jobs)
            return max(0.0, min(self.seconds, (until - time.time()) / rounds))

        with SolverPool(self.solvers, min(jobs, max(1, len(left)))) as pool:
            self._pool = pool
            for found in pool.answer(left, share, until, wake=1.0):
                if found is None:
                    wake()
                    continue
                number, answers = found
                self.add(left[number], answers)
                yield left[number]

    def add(self, task: Task, answers: Answers) -> None:
        """Keep a finished task: in the journal at once, in the submission soon."""
        entries = [
            journal_entry(task, name, answers.get(name, []))
            for name in self.solvers
            if (task.id, name) not in self._entries
        ]
        if self._journal is not None:
            self._journal.append(entries)
        self._entries |= {(task.id, entry["variant"]): entry for entry in entries}
        self._submit(task)
        self._write()

    def close(self) -> None:
        """Write the submission, and the journal in the tasks' order if the run is complete."""
        if self._journal is None or self.output is None:
            return
        self._write(always=True)
        order = [(task.id, name) for task in self.tasks for name in self.solvers]
        entries = [self._entries[key] for key in order if key in self._entries]
        unordered = entries != self._journal.entries
        self._journal.close()
        if unordered and not self.left:
            write_journal(self._journal.path, self._record, entries)

    def _submit(self, task: Task) -> None:
        self._submission |= build_submission([task], self.candidates(task))

    def _write(self, always: bool = False) -> None:
        if self.output is not None and (always or time.time() - self._written >= _WRITE_EVERY):
            write_submission(self.output, self._submission)
            self._written = time.time()


def journal_entry(task: Task, variant: str, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return the journal's entry of one task and solver."""
    return {
        "task": task.id,
        "variant": variant,
        "candidates": [candidate_to_dict(candidate) for candidate in candidates],
        "loss": None,
        "steps": 0,
        "views": 0,
    }


def is_solved(task: Task, candidates: Sequence[Candidate]) -> bool | None:
    """Return whether one of two attempts at every test input is right; None if that is hidden."""
    if any(pair.output is None for pair in task.test):
        return None
    by_input = by_test_input(candidates, task.id, len(task.test))
    return all(
        any(
            pair.output is not None and np.array_equal(vote.grid, pair.output)
            for vote in rank_answers(found)[:2]
        )
        for pair, found in zip(task.test, by_input, strict=True)
    )


@contextmanager
def _own_advice() -> Iterator[None]:
    """Give errors of the journal the advice of this command."""
    advice: Mapping[type, str] = {
        CheckpointError: "Name another --output, or start anew with --overwrite.",
        ConfigError: "Wait until that run has ended, or name another --output.",
    }
    try:
        yield
    except (CheckpointError, ConfigError) as error:
        raise type(error)(
            error.what, value=error.value, expected=error.expected, next_step=advice[type(error)]
        ) from error
    except DataError as error:
        raise DataError(
            error.what,
            value=error.value,
            expected=error.expected,
            next_step="Name another --output, or start anew with --overwrite.",
        ) from error
    except OSError as error:
        raise DataError(
            f"the journal cannot be replaced ({error.strerror})",
            value=str(error.filename),
            expected="a file in a folder that can be written to",
            next_step="Name another --output.",
        ) from error
