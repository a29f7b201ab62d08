"""How far an evaluation is, in one line for each task batch and a few at the end."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from arcflow.core.task import Task
from arcflow.evaluation.outcome import Outcomes
from arcflow.scoring.metrics import task_metrics
from arcflow.scoring.voting import Candidate, by_test_input


class EvaluationStatus:
    """Counts of finished tasks, and their words.

    Args:
        tasks: All tasks of the evaluation, with their answers where these are known.
        steps: The optimizer steps that a task is meant to be tuned for; 0 without tuning.
        views: The views over which a task is meant to be answered.
        clock: The clock, in seconds.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        steps: int,
        views: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._steps, self._views, self._clock = steps, views, clock
        self._known = all(p.output is not None for task in tasks for p in task.test)
        self._right: dict[str, bool] = {}
        self._tokens = 0
        self._began, self._before = clock(), 0

    def add(self, found: Mapping[str, Sequence[Candidate]]) -> None:
        """Take the answers of finished tasks.

        Args:
            found: The candidates by task id; tasks that were taken before are passed over.
        """
        for task_id in found.keys() - self._right.keys():
            task, candidates = self._tasks[task_id], found[task_id]
            outputs = [pair.output for pair in task.test if pair.output is not None]
            if self._known:
                right = task_metrics(candidates, outputs, task_id)["vote_2"] == 1.0
            else:
                right = unanswered_inputs(task, candidates) == 0
            self._right[task_id] = right

    def begin(self) -> None:
        """Count the time from now on; the tasks that were taken before took none of it."""
        self._began, self._before = self._clock(), len(self._right)

    def line(self, outcomes: Outcomes, seconds_left: float | None = None) -> str:
        """Return the line for a task batch that is finished.

        Args:
            outcomes: What became of the task batch.
            seconds_left: The time in seconds until the deadline; None without one.

        Returns:
            The finished tasks, those of them that are solved (answered, if the solutions are
            hidden), the seconds a task, the time left, the mean of the batch's last losses of
            fine-tuning, the tokens of all answers so far by the time that passed, and the steps
            and views of this batch.
        """
        done, total = len(self._right), len(self._tasks)
        seconds = self._clock() - self._began
        each = seconds / max(1, done - self._before)
        self._tokens += sum(c.n_tokens for o in outcomes.values() for c in o.candidates)
        left = each * (total - done)
        if seconds_left is not None:
            left = min(left, max(0.0, seconds_left))
        words = [
            f"tasks: {done}/{total}",
            f"{'solved' if self._known else 'answered'} {sum(self._right.values())}",
            f"{each:.3g} s a task",
            f"{in_words(left)} left",
        ]
        last = [outcome.losses[-1][1] for outcome in outcomes.values() if outcome.losses]
        if last:
            words.append(f"loss {sum(last) / len(last):.3g}")
        words.append(f"{self._tokens / max(seconds, 1e-9):,.0f} tokens/s")
        if self._steps:
            words.append(_of("steps", max(o.steps for o in outcomes.values()), self._steps))
        words.append(_of("views", max(o.views for o in outcomes.values()), self._views))
        return ", ".join(words)


def summary(
    tasks: Sequence[Task], found: Mapping[str, Sequence[Candidate]], places: Mapping[str, Path]
) -> list[str]:
    """Return the lines for the end of an evaluation.

    Args:
        tasks: All tasks of the evaluation.
        found: The candidates of the finished tasks, by task id.
        places: What was written, and where.

    Returns:
        A line with the tasks that have an answer to each test input, those that have not, and the
        test outputs for which the submission holds placeholders; then a line for each file.
    """
    missing = {task.id: unanswered_inputs(task, found.get(task.id, ())) for task in tasks}
    unanswered = sum(count > 0 for count in missing.values())
    late = sum(task.id not in found for task in tasks)
    reached = f" ({late} not reached)" if late else ""
    return [
        f"tasks: {len(tasks)}, answered {len(tasks) - unanswered}, unanswered {unanswered}"
        f"{reached}, placeholders for {sum(missing.values())} of "
        f"{sum(len(task.test) for task in tasks)} test outputs",
        *(f"{name}: {path}" for name, path in places.items()),
    ]


def unanswered_inputs(task: Task, candidates: Sequence[Candidate]) -> int:
    """Return the number of a task's test inputs to which no candidate is a grid."""
    grouped = by_test_input(candidates, task.id, len(task.test))
    return sum(all(c.grid is None for c in of_input) for of_input in grouped)


def in_words(seconds: float) -> str:
    """Return a duration as a reader says it: ``"45s"``, ``"12m 05s"`` or ``"3h 20m"``.

    Args:
        seconds: The duration in seconds.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def _of(name: str, done: int, meant: int) -> str:
    return f"{name} {done}" if done == meant else f"{name} {done} of {meant}"
