"""The time budget: a deadline and a limit for each task, as steps and views that still fit."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from arcflow.core.errors import ConfigError

_DURATION = re.compile(r"\s*(?:([\d.]+)\s*h)?\s*(?:([\d.]+)\s*m)?\s*(?:([\d.]+)\s*s?)?\s*$", re.I)
_RESERVE_SHARE, _SHORTEST_RESERVE, _LONGEST_RESERVE = 0.02, 1.0, 60.0
_MARGIN, _REMEMBERED = 0.9, 7
_RESCORE_GUESS, _MOST_RESCORING = 0.1, 1 / 3


def read_deadline(text: str, started: float = 0.0, option: str = "pass_n.deadline") -> float | None:
    """Return when the run must have ended, in seconds since 1970, or None without a deadline.

    Args:
        text: "" for none; a duration from the start of the run ("11h30m", "90m", "3600");
            or a date and time ("2026-11-21T18:00", in the machine's zone unless it names one).
        started: what durations count from, in seconds since 1970.
        option: the name of the option, for the error message.

    Raises:
        ConfigError: neither.
    """
    if not text.strip():
        return None
    found = _DURATION.match(text)
    try:
        if found is not None:
            hours, minutes, seconds = (float(part or 0) for part in found.groups())
            return started + 3600 * hours + 60 * minutes + seconds
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{option}: neither a duration nor a time",
            value=text,
            expected="11h30m, 90m, 3600 (seconds), or a time such as 2026-11-21T18:00",
            next_step=f"Correct --{option}.",
        ) from error


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The part of a task batch's work that fits its time.

    Attributes:
        steps: optimizer steps a task.
        views: views a task.
        tune_until: clock at which tuning ends where it stands; None: no limit.
        until: clock at which its answers end; None: no limit.
        probing: nothing was measured yet: answer a few views first, then decide.
        rescore_until: clock at which re-scoring ends, which follows the answers; None: no limit.
    """

    steps: int
    views: int
    tune_until: float | None = None
    until: float | None = None
    probing: bool = False
    rescore_until: float | None = None


class TimeBudget:
    """Shares the remaining time among the remaining tasks.

    What a step and an answer cost is measured with every task batch; while nothing is known,
    tuning may take half of a task batch's time.

    Args:
        deadline: when the run must have ended, on ``clock``; None for no deadline. A fiftieth of
            the time from now, from a second to a minute, is kept in reserve.
        task_seconds: longest time for one task; 0 for no limit.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        deadline: float | None = None,
        task_seconds: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock, self.task_seconds = clock, task_seconds
        self.end: float | None = None
        if deadline is not None:
            reserve = _RESERVE_SHARE * (deadline - clock())
            self.end = deadline - min(_LONGEST_RESERVE, max(_SHORTEST_RESERVE, reserve))
        self._step_cost: float | None = None
        self._answers: list[tuple[float, float]] = []
        self._rescore_cost: float | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.end is not None or self.task_seconds > 0

    @property
    def over(self) -> bool:
        """Whether the deadline, less its reserve, has come."""
        return self.end is not None and self.clock() >= self.end

    def plan(
        self, tasks: int, left: int, steps: int, views: int, work: float, rescore_views: int = 0
    ) -> BatchPlan:
        """Return the steps and views that fit the next task batch's share of the time.

        Args:
            tasks: in the task batch.
            left: tasks that are not finished, those of the task batch included.
            steps: optimizer steps a task, at most.
            views: views a task, at most.
            work: what answering all views costs, in any unit (tokens, say).
            rescore_views: views under which a task's answers are scored again, at most. The time
                that they take is reserved after the answers: up to a third of the share, or a
                tenth while it is not known.
        """
        if not self.limited:
            return BatchPlan(steps, views)
        now = self.clock()
        shares = []
        if self.end is not None:
            shares.append((self.end - now) * tasks / left)
        if self.task_seconds > 0:
            shares.append(self.task_seconds * tasks)
        whole = max(0.0, min(shares))
        share, end = whole - self._rescoring(tasks * rescore_views, whole), now + whole
        if not self._answers or (steps and self._step_cost is None):
            return BatchPlan(steps, views, now + share / 2, now + share, True, end)
        tune = steps * tasks * (self._step_cost or 0.0)
        once, each = self._answer_cost()
        answer = work * each
        scale = _share_of(_MARGIN * share - once, tune + answer)
        # Fewer views than these would save no time.
        fewest = 1 if answer > once / 10 else views
        asked = max(fewest, int(views * scale))
        # Answers come first: a model that was not tuned may be right, one not asked is not.
        answering = min(share, once + answer * asked / views)
        tune_until, until = now + share - answering, now + share
        return BatchPlan(int(steps * scale), asked, tune_until, until, rescore_until=end)

    def more_views(self, plan: BatchPlan, done: int, views: int, seconds: float) -> int:
        """Return how many further views fit the time of a plan.

        Args:
            plan: The plan of the task batch.
            done: The number of views that are answered.
            views: The number of views that are wanted in all.
            seconds: The time that the answered ones took, in seconds.
        """
        if plan.until is None:
            return views - done
        left = _MARGIN * (plan.until - self.clock())
        return max(0, min(views - done, int(left * done / seconds) if seconds > 0 else views))

    def tuned(self, steps: int, seconds: float) -> None:
        """Note the seconds that ``steps`` optimizer steps of all tasks together took."""
        if steps:
            self._step_cost = _mean(self._step_cost, seconds / steps)

    def answered(self, work: float, seconds: float) -> None:
        """Note the seconds that answers of ``work`` took."""
        if work:
            self._answers = [*self._answers[-_REMEMBERED:], (work, seconds)]

    def rescored(self, views: int, seconds: float) -> None:
        """Note the seconds that re-scoring took, under ``views`` views of all tasks together."""
        if views:
            self._rescore_cost = _mean(self._rescore_cost, seconds / views)

    def rescore_seconds(self, plan: BatchPlan, in_background: bool) -> Callable[[], float | None]:
        """Return a function that tells the seconds left for re-scoring, which begins now.

        Args:
            plan: The plan of the task batch.
            in_background: Whether the next task batch was tuned while the answers were written, in
                its own time, so that what the plan kept free is free still.
        """
        until, clock = plan.rescore_until, self.clock
        if until is None or plan.until is None:
            return lambda: None
        if in_background:
            until = max(until, clock() + until - plan.until)
        end = until if self.end is None else min(until, self.end)
        return lambda: max(0.0, end - clock())

    def _rescoring(self, views: int, share: float) -> float:
        """Return the seconds of a task batch's share that are kept free for re-scoring."""
        if not views:
            return 0.0
        if self._rescore_cost is None:
            return _RESCORE_GUESS * share
        return min(_MOST_RESCORING * share, views * self._rescore_cost / _MARGIN)

    def _answer_cost(self) -> tuple[float, float]:
        """Return the seconds that answers take once, and for each unit of work: a line of least
        squares.

        Where many rows are answered at a time, a few more of them cost next to nothing.
        """
        n = len(self._answers)
        work, seconds = (sum(column) / n for column in zip(*self._answers, strict=True))
        spread = sum((w - work) ** 2 for w, _ in self._answers)
        slope = seconds / work
        if spread > 0:
            slope = sum((w - work) * (s - seconds) for w, s in self._answers) / spread
        slope = min(max(slope, 0.0), seconds / work)
        return seconds - slope * work, slope


def _share_of(available: float, wanted: float) -> float:
    if wanted <= 0:
        return 1.0
    return min(1.0, max(0.0, available) / wanted)


def _mean(old: float | None, new: float) -> float:
    """Return a mean that leans to the new value: tasks differ, and machines become slower."""
    return new if old is None else 0.3 * old + 0.7 * new
