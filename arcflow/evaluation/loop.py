"""Evaluation of task batches: tune, ask, collect, journal; the next one is tuned meanwhile."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from arcflow.core.task import Task
from arcflow.engines.base import AdapterRef
from arcflow.evaluation.engine_setup import EngineSession
from arcflow.evaluation.grid_requests import (
    AnswerConfig,
    GridRequests,
    Name,
    answer_loss,
    answer_tokens,
)
from arcflow.evaluation.hindsight import Hindsight, hindsight_tasks
from arcflow.evaluation.outcome import Outcome, Outcomes
from arcflow.evaluation.pending_batch import PendingBatch
from arcflow.evaluation.program_candidates import ProgramCandidate, code_counts
from arcflow.evaluation.program_requests import ProgramRequests, correct_programs
from arcflow.evaluation.program_runtime import Programs
from arcflow.evaluation.rescore_options import RescoreConfig
from arcflow.evaluation.rescoring import Rescoring, rescore_outcomes
from arcflow.evaluation.time_budget import BatchPlan, TimeBudget
from arcflow.scoring.voting import Candidate
from arcflow.text.encode import Encoder
from arcflow.ttft.leave_one_out import TuningSamples
from arcflow.ttft.loss_curve import thin_out
from arcflow.ttft.tuner import Tuner

BASELINE, TTFT = "baseline", "ttft"
_PROBE_VIEWS = 2
_NO_RESCORING = RescoreConfig()

Beside = Callable[[Sequence[Task], float | None], Mapping[str, Sequence[Candidate]]]
"""From tasks and seconds to the answers of solvers by task id."""

Finished = Callable[[Sequence[Task], Outcomes], None]
"""Told of a task batch's tasks and what became of them."""


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        module: the LoRAModule whose model answers.
        encoder: writes the prompts and reads the answers.
        max_tokens: longest prompt and answer together.
        tuner: test-time fine-tuning; None answers with the model as it was trained.
        programs: asks for programs and runs them; None asks for grids.
    """

    module: Any
    encoder: Encoder
    max_tokens: int
    tuner: Tuner | None = None
    programs: Programs | None = None


@dataclass(frozen=True)
class EvaluationOptions:
    """How tasks are answered.

    Attributes:
        answer: how the answers are made.
        compare: answer without test-time fine-tuning too.
        seed: views and samples are functions of it.
        rescore: how answers are scored again.
    """

    answer: AnswerConfig
    compare: bool = True
    seed: int = 0
    rescore: RescoreConfig = _NO_RESCORING

    def variants(self, tuner: Tuner | None) -> tuple[str, ...]:
        """Return the names of what is compared: the baseline, the tuned model, or both."""
        return (BASELINE,) * (tuner is None or self.compare) + (TTFT,) * (tuner is not None)


class Evaluation:
    """Answers task batches, each variant side by side.

    Where the engine works in the background, a task batch is asked and the next one is tuned before
    the answers are waited for; if it shares the trainer's device, it sleeps while adapters are
    trained.

    Args:
        subject: what is evaluated.
        session: the engine that writes the answers, and its files.
        options: how tasks are answered.
        budget: the time there is.
        finished: called with every finished task batch and its outcomes.
        report: called with a few words on what is being done.
        beside: returns by task id the answers of solvers, for which it waits some seconds at most
            (None: until they are there).
    """

    def __init__(
        self,
        subject: Subject,
        session: EngineSession,
        options: EvaluationOptions,
        budget: TimeBudget,
        finished: Finished,
        report: Callable[[str], None] = lambda _: None,
        beside: Beside = lambda _tasks, _seconds: {},
    ) -> None:
        self.module, self.encoder = subject.module, subject.encoder
        self.tuner, self.programs = subject.tuner, subject.programs
        self.max_tokens = subject.max_tokens
        self.engine, self.trained, self.folder = session.engine, session.trained, session.folder
        self.answer, self.seed = options.answer, options.seed
        self.variants = options.variants(subject.tuner)
        self.budget, self.finished, self.report = budget, finished, report
        self._pending: PendingBatch | None = None
        self.rescore, self.beside = options.rescore, beside

    def task_batch(self, tasks: Sequence[Task], left: int) -> None:
        """Tune and ask about one task batch; wait for the one before.

        Args:
            tasks: the task batch; known answers are measured, and hidden from everything else.
            left: tasks that are not finished, those of the task batch included.
        """
        work = self._work(tasks)
        steps = self.tuner.steps if self.tuner is not None else 0
        views, again = self.answer.views, self.rescore.views
        plan = self.budget.plan(len(tasks), left, steps, views, work, again)
        first = self._first_programs(tasks, plan)
        losses: dict[str, list[float]] = {}
        refs = self._tune(tasks, plan, first, losses)
        task_batch = PendingBatch(tasks, refs, plan, work, self._outcomes(tasks, refs, losses))
        if BASELINE in self.variants and not plan.probing:
            task_batch.programs, task_batch.ahead = first, tuple(first)
        self.collect()
        if plan.probing and plan.views > _PROBE_VIEWS:
            self._probe(task_batch)
            self._hand_on(task_batch)
            return
        self._submit(task_batch, range(plan.views))
        self._pending = task_batch
        if not self.engine.in_background:
            self.collect()

    def collect(self) -> None:
        """Wait for the task batch that was asked last, if any, and hand it on."""
        task_batch, self._pending = self._pending, None
        if task_batch is not None:
            self._receive(task_batch)
            self._hand_on(task_batch)

    def _first_programs(
        self, tasks: Sequence[Task], plan: BatchPlan
    ) -> dict[Name, list[ProgramCandidate]]:
        """Return programs that the model as it was trained writes, if it is tuned on them."""
        programs = self.programs
        if programs is None or not programs.config.hindsight:
            return {}
        self.collect()  # the engine is asked here and now
        requests = self._program_requests(programs)
        views = range(min(plan.views, _PROBE_VIEWS) if plan.probing else plan.views)
        for task in tasks:
            requests.ask((task.id, BASELINE), task.without_answers(), self.trained, views)
        self.report(f"answering {len(requests.requests)} prompts")
        until, now = plan.tune_until, self.budget.clock()
        seconds = None if until is None else max(0.0, until - now)
        answers = self.engine.generate(requests.requests, requests.sampling, seconds)
        return requests.programs(answers, lambda: self.budget.over)

    def _tune(
        self,
        tasks: Sequence[Task],
        plan: BatchPlan,
        first: Mapping[Name, Sequence[ProgramCandidate]],
        losses: dict[str, list[float]],
    ) -> Sequence[AdapterRef | None]:
        """Train the adapters, and note the losses of the steps by task id."""
        if self.tuner is None:
            return [None] * len(tasks)
        samples: TuningSamples = self.tuner.leave_one_out(self.encoder, self.max_tokens)
        tuned = tasks
        if self.programs is not None and self.programs.config.hindsight:
            known = {id_: hindsight_tasks(written) for (id_, _), written in first.items()}
            encoder = self.programs.encoder
            samples = Hindsight(encoder, known, self.max_tokens, self.tuner.seed)
            tuned = [task for task in tasks if known[task.id]]
        if not self.engine.in_background:
            self.engine.sleep()
        clock, until = self.budget.clock, plan.tune_until
        began = clock()

        def on_step(task_id: str, step: int, loss: float) -> None:
            losses.setdefault(task_id, []).append(loss)
            self.report(f"tuning, step {step + 1}, loss {loss:.3f}")

        refs = self.tuner.tune(
            self.module,
            self.encoder,
            [task.without_answers() for task in tuned],
            on_step=on_step,
            steps=plan.steps,
            expired=None if until is None else lambda: clock() >= until,
            folder=self.folder,
            samples=samples,
        )
        # Tasks may share an adapter.
        self.budget.tuned(sum({ref.id: ref.steps for ref in refs}.values()), clock() - began)
        of_task = dict(zip([task.id for task in tuned], refs, strict=True))
        return [of_task.get(task.id) for task in tasks]

    def _outcomes(
        self,
        tasks: Sequence[Task],
        refs: Sequence[AdapterRef | None],
        tuning: Mapping[str, Sequence[float]],
    ) -> Outcomes:
        """Return outcomes with the losses of known answers and of tuning, and no candidates yet."""
        outcomes = {}
        for task, ref in zip(tasks, refs, strict=True):
            known = all(pair.output is not None for pair in task.test)
            for variant in self.variants:
                use, loss = ref if variant == TTFT else None, None
                if known and not self.budget.over:
                    with self._answering_with(use):
                        loss = answer_loss(self.module, self.encoder, task, self.max_tokens)
                steps, diverged = (0, False) if use is None else (use.steps, use.diverged)
                curve = thin_out(tuning.get(task.id, ())) if variant == TTFT else []
                outcome = Outcome([], loss, steps, diverged=diverged, losses=curve)
                outcomes[task.id, variant] = outcome
        return outcomes

    def _answering_with(self, ref: AdapterRef | None) -> AbstractContextManager[None]:
        return nullcontext() if self.tuner is None else self.tuner.use_adapter(self.module, ref)

    def _submit(self, task_batch: PendingBatch, views: range) -> None:
        requests: GridRequests | ProgramRequests
        if self.programs is not None:
            requests = self._program_requests(self.programs)
        else:
            requests = GridRequests(self.encoder, self.answer, self.max_tokens, self.seed)
        adapters = self._adapters(task_batch)
        for task in task_batch.tasks:
            for variant in self.variants:
                name = (task.id, variant)
                if name not in task_batch.ahead:
                    requests.ask(name, task.without_answers(), adapters[name], views)
        task_batch.requests, task_batch.views = requests, len(views)
        task_batch.began = self.budget.clock()
        seconds = self._seconds(task_batch)
        self.report(f"answering {len(requests.requests)} prompts")
        if torch.cuda.is_available() and not self.engine.in_background:
            # What tuning has left in torch's cache is the engine's share of the memory.
            torch.cuda.empty_cache()
        task_batch.answers = self.engine.submit(requests.requests, requests.sampling, seconds)

    def _program_requests(self, programs: Programs) -> ProgramRequests:
        return ProgramRequests(programs, self.answer, self.max_tokens, self.seed)

    def _adapters(self, task_batch: PendingBatch) -> dict[Name, AdapterRef | None]:
        """Return the adapter that answers, by task and variant."""
        return {
            (task.id, variant): ref if variant == TTFT and ref is not None else self.trained
            for task, ref in zip(task_batch.tasks, task_batch.refs, strict=True)
            for variant in self.variants
        }

    def _seconds(self, task_batch: PendingBatch) -> float | None:
        """Return the seconds left of a task batch's time; None without a limit."""
        until = task_batch.plan.until
        return None if until is None else max(0.0, until - self.budget.clock())

    def _correcting(self, task_batch: PendingBatch) -> Callable[[], float | None]:
        """Return a function that tells the seconds left for corrections, which begin now."""
        until, clock = task_batch.plan.until, self.budget.clock
        if until is None:
            return lambda: None
        if self.engine.in_background:  # the next task batch was tuned meanwhile, in its own time
            until = clock() + max(0.0, until - task_batch.began)
        end = until if self.budget.end is None else min(until, self.budget.end)
        return lambda: max(0.0, end - clock())

    def _receive(self, task_batch: PendingBatch) -> None:
        assert task_batch.answers is not None
        assert task_batch.requests is not None
        answers = task_batch.answers()
        if isinstance(task_batch.requests, ProgramRequests):
            self.report("running programs")
            for key, written in task_batch.requests.programs(
                answers, lambda: self.budget.over
            ).items():
                task_batch.programs.setdefault(key, []).extend(written)
        else:
            for key, candidates in task_batch.requests.candidates(answers).items():
                task_batch.outcomes[key].candidates += candidates
        for outcome in task_batch.outcomes.values():
            outcome.views += task_batch.views
        part = task_batch.views / self.answer.views
        self.budget.answered(task_batch.work * part, self.budget.clock() - task_batch.began)

    def _probe(self, task_batch: PendingBatch) -> None:
        """Answer a few views of every task first: they show how many more there is time for."""
        began = self.budget.clock()
        self._submit(task_batch, range(_PROBE_VIEWS))
        self._receive(task_batch)
        spent = self.budget.clock() - began
        more = self.budget.more_views(task_batch.plan, _PROBE_VIEWS, self.answer.views, spent)
        if more:
            self._submit(task_batch, range(_PROBE_VIEWS, _PROBE_VIEWS + more))
            self._receive(task_batch)

    def _take_programs(self, task_batch: PendingBatch, programs: Programs) -> None:
        """Have failing programs corrected in the time that is left, then take all as answers."""
        if programs.config.rounds:
            self.report("correcting programs")
        correct_programs(
            task_batch.programs,
            self._adapters(task_batch),
            self.engine,
            partial(self._program_requests, programs),
            programs.config,
            self._correcting(task_batch),
        )
        for key, written in task_batch.programs.items():
            task_batch.outcomes[key].candidates = [c for w in written for c in w.candidates()]
            task_batch.outcomes[key].code = code_counts(written)

    def _hand_on(self, task_batch: PendingBatch) -> None:
        if self.programs is not None:
            self._take_programs(task_batch, self.programs)
        if self.rescore.views:
            self._rescore(task_batch)
        self.finished(task_batch.tasks, task_batch.outcomes)
        for folder in {
            ref.path for ref in task_batch.refs if ref is not None and ref.path is not None
        }:
            shutil.rmtree(folder)

    def _rescore(self, task_batch: PendingBatch) -> None:
        """Score the answers to every task again, those of solvers by the last variant."""
        tasks, budget = task_batch.tasks, self.budget
        seconds = budget.rescore_seconds(task_batch.plan, self.engine.in_background)
        solved = self.beside(tasks, seconds())
        self.report("scoring answers under other views")
        began = budget.clock()
        rescore_outcomes(
            Rescoring(self.encoder, self.answer, self.rescore, self.max_tokens, self.seed),
            self.engine,
            tasks,
            self._adapters(task_batch),
            task_batch.outcomes,
            {self.variants[-1]: solved},
            seconds,
        )
        budget.rescored(len(tasks) * self.rescore.views, budget.clock() - began)

    def _work(self, tasks: Sequence[Task]) -> float:
        """Return the tokens of all prompts and longest answers."""
        tokens, programs = 0, self.programs
        encoder = self.encoder if programs is None else programs.encoder
        for task in (task.without_answers() for task in tasks):
            room = answer_tokens(encoder, task, self.answer.side_margin)
            # A program answers all test inputs at once.
            asked = range(len(task.test)) if programs is None else range(1)
            tokens += sum(encoder.prompt_length(task, i) + room for i in asked)
        return float(tokens * self.answer.views * self.answer.samples * len(self.variants))
