"""What a report shows of an evaluation: each task's answers beside the truth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from arcflow.core.grid import Grid, grid_key
from arcflow.core.task import Task
from arcflow.scoring.merge import rank_answers
from arcflow.scoring.rescored import RESCORED, Values, solver_values
from arcflow.scoring.voting import Candidate, candidate_from_dict, with_value

Status = Literal["solved", "partly", "nearly", "wrong", "size", "unanswered", "hidden"]

STATUS_WORDS: dict[Status, str] = {
    "solved": "solved",
    "partly": "partly solved",
    "nearly": "nearly",
    "wrong": "wrong",
    "size": "wrong size",
    "unanswered": "unanswered",
    "hidden": "answer hidden",
}
"""What became of a task, in the words of the page, best first."""

ATTEMPTS = 2
"""The number of ranked answers that count, as on Kaggle."""

NEARLY = 0.1
"""The largest share of wrong cells of an answer that is nearly right."""

ALL = "all"
"""The name of the column that ranks the answers of all variants together."""


@dataclass(frozen=True, eq=False)
class RankedAnswer:
    """One distinct answer to a test input.

    Attributes:
        grid: The answer.
        votes: The number of candidates that gave it, or the sum of their probabilities if they were
            found by a search.
        score: The mean of their log-probabilities a token, in nats.
        rescored: The mean log-probability of the whole answer under other views, in nats, or None.
        sources: Where they came from, e.g. ``("ttft", "search")``.
        confidence: The largest probability that a solver gave it, or None.
        wrong: The number of wrong cells; None if the size is wrong or the truth is hidden.
    """

    grid: Grid
    votes: float
    score: float
    rescored: float | None
    sources: tuple[str, ...]
    confidence: float | None
    wrong: int | None

    @property
    def right(self) -> bool:
        """Whether every cell is right."""
        return self.wrong == 0

    @property
    def votes_in_words(self) -> str:
        """The votes as a person writes them, e.g. "1 vote" or "2.35 votes"."""
        number = f"{self.votes:.0f}" if self.votes == int(self.votes) else f"{self.votes:.2f}"
        return f"{number} vote{'' if self.votes == 1 else 's'}"


@dataclass(frozen=True, eq=False)
class InputAnswers:
    """All answers to one test input in one variant.

    Attributes:
        answers: The distinct answers, best first.
        candidates: The number of candidates, unanswered ones included.
        unanswered: The number of candidates without a grid.
        reasons: Why candidates have no grid, and how many, commonest first.
        status: What became of the test input.
    """

    answers: tuple[RankedAnswer, ...]
    candidates: int
    unanswered: int
    reasons: tuple[tuple[str, int], ...]
    status: Status


@dataclass(frozen=True, eq=False)
class VariantAnswers:
    """The answers of one variant to all test inputs of a task.

    Attributes:
        inputs: The answers to each test input.
        facts: Further facts of the journal's entry by name, e.g. ``{"steps": "120"}``.
        programs: The text of programs that were tried, the best first.
        losses: Steps of test-time fine-tuning, counted from 1, with their losses in nats a token.
    """

    inputs: tuple[InputAnswers, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    losses: tuple[tuple[int, float], ...] = ()

    @property
    def status(self) -> Status:
        """What became of the task."""
        return task_status([one.status for one in self.inputs])

    @property
    def solved(self) -> int:
        """The number of solved test inputs."""
        return sum(one.status == "solved" for one in self.inputs)


@dataclass(frozen=True, eq=False)
class TaskAnswers:
    """One task of a report.

    Attributes:
        task: The task.
        variants: The answers by the name of the variant; the first is the one that counts.
    """

    task: Task
    variants: dict[str, VariantAnswers]

    @property
    def status(self) -> Status:
        """What became of the task in the variant that counts."""
        return next(iter(self.variants.values())).status

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the variants and solvers that solve a test input of the task."""
        found = {
            source: None
            for variant in self.variants.values()
            for one in variant.inputs
            for answer in one.answers[:ATTEMPTS]
            if answer.right
            for source in answer.sources
        }
        return tuple(found)


def task_status(inputs: Sequence[Status]) -> Status:
    """Return what became of a task whose test inputs have these statuses."""
    if not inputs or "hidden" in inputs:
        return "hidden" if inputs else "unanswered"
    if all(one == "solved" for one in inputs):
        return "solved"
    if "solved" in inputs:
        return "partly"
    order = list(STATUS_WORDS)
    return min(inputs, key=order.index)


def gather(tasks: Iterable[Task], entries: Iterable[Mapping[str, Any]]) -> list[TaskAnswers]:
    """Return what became of each task that has an entry.

    Args:
        tasks: The tasks, with their test outputs where they are known.
        entries: The entries of one or more journals: ``task``, ``variant``, ``candidates`` and
            further facts. Entries of the same task and variant count together.

    Returns:
        The tasks in their order, without those that have no entry. If there are several variants,
        the first is :data:`ALL`, their answers ranked together.
    """
    by_task: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    entries = list(entries)
    values = solver_values(entries)
    for entry in entries:
        of_task = by_task.setdefault(str(entry["task"]), {})
        of_task.setdefault(str(entry["variant"]), []).append(entry)
    return [
        TaskAnswers(task, _variants(task, by_task[task.id], values))
        for task in tasks
        if task.id in by_task
    ]


def _variants(
    task: Task, entries: dict[str, list[Mapping[str, Any]]], values: Values
) -> dict[str, VariantAnswers]:
    found: dict[str, VariantAnswers] = {}
    everything: list[tuple[str, Candidate]] = []
    names: list[str] = [name for name in ("ttft", "baseline") if name in entries]
    names += sorted(set(entries) - set(names))
    for name in names:
        candidates = [
            (name, with_value(candidate_from_dict(one), values))
            for entry in entries[name]
            for one in entry["candidates"]
        ]
        # As in a submission: the tuned model's answers count in place of the untuned model's.
        if not (name == "baseline" and "ttft" in entries):
            everything += candidates
        found[name] = VariantAnswers(
            _inputs(task, candidates),
            _facts(entries[name]),
            _programs(candidates),
            _losses(entries[name]),
        )
    counted = [name for name in names if not (name == "baseline" and "ttft" in entries)]
    if len(counted) > 1:
        found = {ALL: VariantAnswers(_inputs(task, everything))} | found
    return found


def _inputs(task: Task, candidates: Sequence[tuple[str, Candidate]]) -> tuple[InputAnswers, ...]:
    by_input: list[list[tuple[str, Candidate]]] = [[] for _ in task.test]
    for name, candidate in candidates:
        if candidate.test_index < len(by_input):
            by_input[candidate.test_index].append((name, candidate))
    return tuple(
        _input(pair.output, found) for pair, found in zip(task.test, by_input, strict=True)
    )


def _input(output: Grid | None, found: Sequence[tuple[str, Candidate]]) -> InputAnswers:
    given: dict[Any, list[tuple[str, Candidate]]] = {}
    reasons: dict[str, int] = {}
    for name, candidate in found:
        if candidate.grid is None:
            reason = candidate.reason or "no grid"
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            given.setdefault(grid_key(candidate.grid), []).append((name, candidate))
    answers = []
    for vote in rank_answers([candidate for _, candidate in found]):
        behind = given[grid_key(vote.grid)]
        sure = [c.confidence for _, c in behind if c.confidence is not None]
        answers.append(
            RankedAnswer(
                vote.grid,
                vote.weight,
                vote.score,
                vote.rescored,
                tuple(dict.fromkeys(c.source or name for name, c in behind)),
                max(sure, default=None),
                wrong_cells(vote.grid, output),
            )
        )
    return InputAnswers(
        tuple(answers),
        len(found),
        sum(reasons.values()),
        tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        _status(answers, output),
    )


def wrong_cells(grid: Grid, output: Grid | None) -> int | None:
    """Return the number of wrong cells; None if the size is wrong or the truth is hidden."""
    if output is None or grid.shape != output.shape:
        return None
    return int(np.count_nonzero(grid != output))


def _status(answers: Sequence[RankedAnswer], output: Grid | None) -> Status:
    if output is None:
        return "hidden" if answers else "unanswered"
    if not answers:
        return "unanswered"
    if any(answer.right for answer in answers[:ATTEMPTS]):
        return "solved"
    wrong = [answer.wrong for answer in answers[:ATTEMPTS] if answer.wrong is not None]
    if any(answer.right for answer in answers) or (wrong and min(wrong) <= NEARLY * output.size):
        return "nearly"
    return "wrong" if wrong else "size"


def _facts(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what a journal says of a task beside its candidates, in words."""
    facts: dict[str, str] = {}
    for entry in entries:
        for name, value in entry.items():
            if name in ("task", "variant", "candidates", "losses", RESCORED) or value is None:
                continue
            if name == "loss":
                nats, tokens = value
                facts["loss"] = f"{nats / tokens:.4f} nats a token" if tokens else "no tokens"
            elif isinstance(value, dict):
                facts[name] = ", ".join(f"{key} {one}" for key, one in value.items())
            else:
                facts[name] = str(value)
    return facts


def _losses(entries: Sequence[Mapping[str, Any]]) -> tuple[tuple[int, float], ...]:
    """Return the losses of fine-tuning of the last entry that has them."""
    for entry in reversed(entries):
        points = entry.get("losses")
        if isinstance(points, list) and points:
            return tuple((int(step), float(loss)) for step, loss in points)
    return ()


def _programs(candidates: Sequence[tuple[str, Candidate]], most: int = 3) -> tuple[str, ...]:
    """Return the first different programs among the texts that candidates keep."""
    texts = [candidate.text for _, candidate in candidates if "def task" in candidate.text]
    return tuple(dict.fromkeys(texts))[:most]
