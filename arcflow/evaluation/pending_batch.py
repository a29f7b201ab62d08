"""A task batch that has been asked and not answered yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from arcflow.core.task import Task
from arcflow.engines.base import AdapterRef, Answers
from arcflow.evaluation.grid_requests import GridRequests, Name
from arcflow.evaluation.outcome import Outcomes
from arcflow.evaluation.program_candidates import ProgramCandidate
from arcflow.evaluation.program_requests import ProgramRequests
from arcflow.evaluation.time_budget import BatchPlan


@dataclass
class PendingBatch:
    """A task batch whose answers are not complete yet.

    Attributes:
        tasks: with their answers, where these are known.
        refs: each task's adapter; None for those that are not tuned.
        plan: the part of the work that fits the time.
        work: tokens of all views, by which answers are timed.
        outcomes: the results so far, by (task id, variant).
        requests: the requests that were submitted last.
        views: the number of views that these ask about.
        answers: waits for their answers and returns them.
        began: when they were submitted, in seconds of the budget's clock.
        programs: the programs so far, by (task id, variant).
        ahead: the (task id, variant) whose programs were written before tuning.
    """

    tasks: Sequence[Task]
    refs: Sequence[AdapterRef | None]
    plan: BatchPlan
    work: float
    outcomes: Outcomes
    requests: GridRequests | ProgramRequests | None = None
    views: int = 0
    answers: Callable[[], Answers] | None = None
    began: float = 0.0
    programs: dict[Name, list[ProgramCandidate]] = field(default_factory=dict)
    ahead: tuple[Name, ...] = ()
