"""Re-scoring: each distinct answer gets its log-probability under other views of the task.

A product of experts, as in Franzen, Disselhoff and Hartmann 2024, "The LLM ARChitect: Solving
ARC-AGI Is A Matter of Perspective" (the ARChitects, winners of ARC Prize 2024): an answer that is
right is probable from every perspective, while a wrong one tends to be probable under the view
that led to it alone. The task and the answer are augmented alike, and the model reads the answer
with teacher forcing; the mean of the log-probabilities over the views ranks the answers.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from arcflow.core.augment import Augmentation
from arcflow.core.grid import Grid, GridKey, grid_key
from arcflow.core.task import Pair, Task
from arcflow.engines.base import AdapterRef, Answers, Engine, ScoreRequest
from arcflow.evaluation.grid_requests import AnswerConfig, Name, answer_tokens
from arcflow.evaluation.outcome import Outcomes
from arcflow.evaluation.rescore_options import RescoreConfig
from arcflow.evaluation.views import evaluation_views
from arcflow.scoring.merge import rank_answers
from arcflow.scoring.voting import Candidate, without_value
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder


@dataclass
class RescoreJob:
    """The answers to one task that one model is to score.

    Attributes:
        task: The task.
        candidates: All answers to it.
        adapter: The adapter to score with; None for the model as it was trained.
    """

    task: Task
    candidates: Sequence[Candidate]
    adapter: AdapterRef | None


@dataclass
class Rescored:
    """The values of re-scoring of one task.

    Attributes:
        values: The mean log-probability in nats and the number of views, by test index and answer.
        answers: The number of distinct answers.
        left_out: The number of them beyond ``max_candidates``.
        too_long: The number of them that are longer than any answer that the model may write.
    """

    values: dict[tuple[int, GridKey], tuple[float, int]] = field(default_factory=dict)
    answers: int = 0
    left_out: int = 0
    too_long: int = 0

    def of(self, candidate: Candidate) -> Candidate:
        """Return a candidate with its value, if it has one."""
        if candidate.grid is None:
            return candidate
        found = self.values.get((candidate.test_index, grid_key(candidate.grid)))
        if found is None:
            return candidate
        return replace(candidate, rescored=found[0], rescore_views=found[1])

    def of_solvers(self, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
        """Return the values of solvers' answers as a journal holds them, each answer once.

        It is what :func:`~arcflow.scoring.rescored.solver_values` reads.
        """
        places = dict.fromkeys(
            (c.test_index, grid_key(c.grid)) for c in candidates if c.grid is not None
        )
        grids = {grid_key(c.grid): c.grid for c in candidates if c.grid is not None}
        return [
            {
                "test_index": place[0],
                "grid": grids[place[1]].tolist(),
                "rescored": self.values[place][0],
                "rescore_views": self.values[place][1],
            }
            for place in places
            if place in self.values
        ]

    def counts(self) -> dict[str, int]:
        """Return the numbers for the journal; of those without a value only if there are any."""
        views = max((views for _, views in self.values.values()), default=0)
        some = {"left out": self.left_out, "too long": self.too_long}
        return {"views": views, "answers": self.answers, "scored": len(self.values)} | {
            name: count for name, count in some.items() if count
        }


@dataclass
class _InputScores:
    """The answers to one test input of a job, and their log-probabilities view by view."""

    job: int
    test_index: int
    grids: list[Grid]
    room: int
    views: list[list[float]] = field(default_factory=list)


class Rescoring:
    """The re-scoring of a task batch: one call of the engine, or one a view under a time limit.

    Args:
        encoder: Writes prompts and answers.
        answer: How the answers were made: their views come first, the next ones are scored.
        config: How they are scored.
        max_tokens: The longest prompt and answer together, in tokens.
        seed: The seed of the views.
    """

    def __init__(
        self,
        encoder: Encoder[Any],
        answer: AnswerConfig,
        config: RescoreConfig,
        max_tokens: int,
        seed: int,
    ) -> None:
        self._encoder, self._answer, self._config = encoder, answer, config
        self._max_tokens, self._seed = max_tokens, seed

    def score(
        self,
        engine: Engine,
        jobs: Sequence[RescoreJob],
        seconds: Callable[[], float | None] = lambda: None,
    ) -> list[Rescored]:
        """Score the distinct answers of each job under the same views.

        Args:
            engine: The engine, which has nothing else to do.
            jobs: The tasks of one task batch, each once for every model that answered it.
            seconds: Returns the time that is left, in seconds; None for no limit. Views for which
                there is no time are left out, for all answers to a test input alike.
        """
        found = [Rescored() for _ in jobs]
        inputs = [
            one
            for number, job in enumerate(jobs)
            for one in self._inputs(number, job, found[number])
        ]
        shown = [self._views(job.task) for job in jobs]
        last = max((len(shown[one.job]) for one in inputs), default=0)
        hurried = seconds() is not None
        for views in [range(v, v + 1) for v in range(last)] if hurried else [range(last)]:
            limit = seconds()
            if limit is not None and limit <= 0:
                break
            asked = [
                (one, request)
                for one in inputs
                for view in shown[one.job][views.start : views.stop]
                if (request := self._request(jobs[one.job], one, view)) is not None
            ]
            answers = engine.score([request for _, request in asked], limit) if asked else []
            self._take([one for one, _ in asked], answers)
        for one in inputs:
            self._combine(one, found[one.job])
        return found

    def _views(self, task: Task) -> list[Augmentation]:
        """Return the views after those that were answered; the last ones if there are too few."""
        config, n = self._answer, self._config.views
        shown = evaluation_views(
            task.without_answers(), config.views + n, config.augment, self._seed
        )
        return shown[-n:]

    def _inputs(self, number: int, job: RescoreJob, found: Rescored) -> Iterator[_InputScores]:
        task, encoder = job.task, self._encoder
        room = answer_tokens(encoder, task.without_answers(), self._answer.side_margin)
        for i in range(len(task.test)):
            given = [without_value(c) for c in job.candidates if c.test_index == i]
            grids = [vote.grid for vote in rank_answers(given)]
            fitting = [g for g in grids if encoder.max_answer_tokens(*g.shape) <= room]
            found.answers += len(grids)
            found.too_long += len(grids) - len(fitting)
            found.left_out += max(0, len(fitting) - self._config.max_candidates)
            if fitting:
                yield _InputScores(number, i, fitting[: self._config.max_candidates], room)

    def _request(
        self, job: RescoreJob, one: _InputScores, view: Augmentation
    ) -> ScoreRequest | None:
        """Return the request for a view; None if its prompt does not fit."""
        task, encoder = job.task, self._encoder
        asked = task.test[one.test_index].input
        with_answers = replace(task, test=tuple(Pair(asked, grid) for grid in one.grids))
        shown = view.apply(with_answers)
        # The prompt is the one that was answered: it leaves room for the largest answer.
        fitted = fit_context(encoder, shown, self._max_tokens, 0, answer_tokens=one.room)
        if fitted is None:
            return None
        prompt = tuple(encoder.prompt(fitted, 0).tolist())
        completions = tuple(
            tuple(encoder.example(fitted, k).input_ids[len(prompt) :].tolist())
            for k in range(len(one.grids))
        )
        if len(prompt) + max(map(len, completions)) > self._max_tokens:
            return None  # where an answer's length is an estimate
        return ScoreRequest(prompt, completions, job.adapter)

    @staticmethod
    def _take(asked: Sequence[_InputScores], answers: Answers) -> None:
        """Keep the views that are complete, so that all answers have the same ones."""
        for one, scores in zip(asked, answers, strict=True):
            if not any(score.error for score in scores):
                one.views.append([score.log_prob for score in scores])

    @staticmethod
    def _combine(one: _InputScores, found: Rescored) -> None:
        for k, grid in enumerate(one.grids):
            values = [view[k] for view in one.views]
            # Half precision can give a value that is no number: such an answer ranks last.
            if values and all(map(math.isfinite, values)):
                mean = math.fsum(values) / len(values)
                found.values[one.test_index, grid_key(grid)] = (mean, len(values))


def rescore_outcomes(
    rescoring: Rescoring,
    engine: Engine,
    tasks: Sequence[Task],
    adapters: Mapping[Name, AdapterRef | None],
    outcomes: Outcomes,
    solved: Mapping[str, Mapping[str, Sequence[Candidate]]],
    seconds: Callable[[], float | None],
) -> None:
    """Give the candidates of a task batch their values, in place.

    Args:
        rescoring: How answers are scored.
        engine: Who scores them.
        tasks: The task batch.
        adapters: The adapter by task id and variant.
        outcomes: The answers by task id and variant.
        solved: The answers of solvers by the variant that scores them and by task id.
        seconds: Returns the time that is left, see :meth:`Rescoring.score`.
    """
    jobs, of_jobs = [], []
    for task in tasks:
        for (task_id, variant), outcome in outcomes.items():
            if task_id == task.id:
                others = solved.get(variant, {}).get(task.id, ())
                adapter = adapters[task.id, variant]
                jobs.append(
                    RescoreJob(task.without_answers(), [*outcome.candidates, *others], adapter)
                )
                of_jobs.append((outcome, others))
    for (outcome, others), one in zip(of_jobs, rescoring.score(engine, jobs, seconds), strict=True):
        outcome.rescoring = one.counts()
        outcome.of_solvers = one.of_solvers(others)
        outcome.candidates = [one.of(candidate) for candidate in outcome.candidates]
