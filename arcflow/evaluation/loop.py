"""Evaluation of waves: tune, ask, collect, journal; the next wave is tuned meanwhile."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from arcflow.core.task import Task
from arcflow.engines.base import AdapterRef, Answers, Engine
from arcflow.evaluation.grid_requests import (
    AnswerConfig,
    Name,
    Questions,
    answer_loss,
    answer_tokens,
)
from arcflow.evaluation.hindsight import Hindsight, hindsight_tasks
from arcflow.evaluation.program_candidates import Written, code_counts
from arcflow.evaluation.program_requests import ProgramQuestions, correct_programs
from arcflow.evaluation.program_runtime import Programs
from arcflow.evaluation.time_budget import Pace, Plan
from arcflow.scoring.voting import Candidate
from arcflow.text.encode import Encoder
from arcflow.ttft.tuner import TestTimeFineTuning

FROZEN, TUNED = "frozen", "tuned"
_PROBE_VIEWS = 2


@dataclass
class Outcome:
    """What an evaluation knows of one task in one variant.

    Attributes:
        candidates: all of its answers.
        loss: of the true answers: nats summed, and tokens; None where they are hidden.
        steps: optimizer steps that its adapter took.
        views: views that were asked for.
        code: where programs were asked for, numbers of them, see
            :func:`~arcflow.evaluation.program_candidates.code_counts`.
    """

    candidates: list[Candidate]
    loss: tuple[float, int] | None = None
    steps: int = 0
    views: int = 0
    code: dict[str, int] | None = None


Outcomes = dict[tuple[str, str], Outcome]
"""By task id and variant."""

Finished = Callable[[Sequence[Task], Outcomes], None]
"""Told of a wave's tasks and what became of them."""


@dataclass
class _Wave:
    """A wave on its way.

    Attributes:
        tasks: with their answers, where these are known.
        refs: each task's adapter; None for those that are not tuned.
        plan: what of the work fits the time.
        work: tokens of all views, by which answers are timed.
        outcomes: by (task id, variant).
        questions: what was asked last; with ``views``, their number.
        answers: waits for its answers.
        began: clock at that moment.
        written: programs so far, by (task id, variant).
        ahead: of these, (task id, variant) of those that were written before tuning.
    """

    tasks: Sequence[Task]
    refs: Sequence[AdapterRef | None]
    plan: Plan
    work: float
    outcomes: Outcomes
    questions: Questions | ProgramQuestions | None = None
    views: int = 0
    answers: Callable[[], Answers] | None = None
    began: float = 0.0
    written: dict[Name, list[Written]] = field(default_factory=dict)
    ahead: tuple[Name, ...] = ()


class Evaluation:
    """Answers waves of tasks, each variant side by side.

    Where the engine works in the background, a wave is asked and the next one is tuned before
    the answers are waited for; where it shares the trainer's device, it rests while adapters
    are trained.

    Args:
        module: the LoRAModule that is evaluated.
        encoder: prompts and parser.
        engine: who writes the answers.
        answer: how they are made.
        max_tokens: longest prompt and answer together.
        seed: views and samples are functions of it.
        tuner: test-time fine-tuning; None answers with the model as it was trained.
        compare: answer without test-time fine-tuning too.
        pace: the time there is.
        trained: the trained adapter, as an engine in another process needs it.
        folder: where such an engine finds adapters; None where it needs no files.
        finished: told of every wave that is finished.
        tell: told in words what is being done.
        programs: answer by programs, asked for and run by these; None asks for grids.
    """

    def __init__(
        self,
        module: Any,
        encoder: Encoder,
        engine: Engine,
        answer: AnswerConfig,
        max_tokens: int,
        seed: int,
        tuner: TestTimeFineTuning | None,
        compare: bool,
        pace: Pace,
        finished: Finished,
        trained: AdapterRef | None = None,
        folder: Path | None = None,
        tell: Callable[[str], None] = lambda _: None,
        programs: Programs | None = None,
    ) -> None:
        self.module, self.encoder, self.engine = module, encoder, engine
        self.answer, self.max_tokens, self.seed = answer, max_tokens, seed
        self.tuner, self.pace, self.finished = tuner, pace, finished
        self.trained, self.folder, self.tell = trained, folder, tell
        self.programs = programs
        self.variants = (FROZEN,) * (tuner is None or compare) + (TUNED,) * (tuner is not None)
        self._pending: _Wave | None = None

    def wave(self, tasks: Sequence[Task], left: int) -> None:
        """Tune and ask about one wave; wait for the one before.

        Args:
            tasks: the wave; known answers are measured, and hidden from everything else.
            left: tasks that are not finished, those of the wave included.
        """
        work = self._work(tasks)
        steps = self.tuner.steps if self.tuner is not None else 0
        plan = self.pace.plan(len(tasks), left, steps, self.answer.views, work)
        first = self._first_programs(tasks, plan)
        refs = self._tune(tasks, plan, first)
        wave = _Wave(tasks, refs, plan, work, self._losses(tasks, refs))
        if FROZEN in self.variants and not plan.probing:
            wave.written, wave.ahead = first, tuple(first)
        self.collect()
        if plan.probing and plan.views > _PROBE_VIEWS:
            self._probe(wave)
            self._hand_on(wave)
            return
        self._submit(wave, range(plan.views))
        self._pending = wave
        if not self.engine.in_background:
            self.collect()

    def collect(self) -> None:
        """Wait for the wave that was asked last, if any, and hand it on."""
        wave, self._pending = self._pending, None
        if wave is not None:
            self._receive(wave)
            self._hand_on(wave)

    def _first_programs(self, tasks: Sequence[Task], plan: Plan) -> dict[Name, list[Written]]:
        """Programs of the model as it was trained, where tuning learns from them."""
        programs = self.programs
        if programs is None or not programs.config.hindsight:
            return {}
        self.collect()  # the engine is asked here and now
        questions = self._program_questions(programs)
        views = range(min(plan.views, _PROBE_VIEWS) if plan.probing else plan.views)
        for task in tasks:
            questions.ask((task.id, FROZEN), task.without_answers(), self.trained, views)
        self.tell(f"answering {len(questions.requests)} prompts")
        until, now = plan.tune_until, self.pace.clock()
        seconds = None if until is None else max(0.0, until - now)
        answers = self.engine.generate(questions.requests, questions.sampling, seconds)
        return questions.written(answers, lambda: self.pace.over)

    def _tune(
        self, tasks: Sequence[Task], plan: Plan, first: Mapping[Name, Sequence[Written]]
    ) -> Sequence[AdapterRef | None]:
        if self.tuner is None:
            return [None] * len(tasks)
        samples, tuned = None, tasks
        if self.programs is not None and self.programs.config.hindsight:
            known = {id_: hindsight_tasks(written) for (id_, _), written in first.items()}
            encoder = self.programs.encoder
            samples = Hindsight(encoder, known, self.max_tokens, self.tuner.seed)
            tuned = [task for task in tasks if known[task.id]]
        if not self.engine.in_background:
            self.engine.rest()
        clock, until = self.pace.clock, plan.tune_until
        began = clock()
        refs = self.tuner.tune(
            self.module,
            self.encoder,
            [task.without_answers() for task in tuned],
            max_tokens=self.max_tokens,
            on_step=lambda _task, step, loss: self.tell(
                f"tuning, step {step + 1}, loss {loss:.3f}"
            ),
            steps=plan.steps,
            expired=None if until is None else lambda: clock() >= until,
            folder=self.folder,
            samples=samples,
        )
        # Tasks may share an adapter.
        self.pace.tuned(sum({ref.id: ref.steps for ref in refs}.values()), clock() - began)
        of_task = dict(zip([task.id for task in tuned], refs, strict=True))
        return [of_task.get(task.id) for task in tasks]

    def _losses(self, tasks: Sequence[Task], refs: Sequence[AdapterRef | None]) -> Outcomes:
        """Outcomes with the losses of known answers, and no candidates yet."""
        outcomes = {}
        for task, ref in zip(tasks, refs, strict=True):
            known = all(pair.output is not None for pair in task.test)
            for variant in self.variants:
                use, loss = ref if variant == TUNED else None, None
                if known and not self.pace.over:
                    with self._answering_with(use):
                        loss = answer_loss(self.module.model, self.encoder, task, self.max_tokens)
                outcomes[task.id, variant] = Outcome([], loss, 0 if use is None else use.steps)
        return outcomes

    def _answering_with(self, ref: AdapterRef | None) -> AbstractContextManager[None]:
        return nullcontext() if self.tuner is None else self.tuner.use_adapter(self.module, ref)

    def _submit(self, wave: _Wave, views: range) -> None:
        questions: Questions | ProgramQuestions
        if self.programs is not None:
            questions = self._program_questions(self.programs)
        else:
            questions = Questions(self.encoder, self.answer, self.max_tokens, self.seed)
        adapters = self._adapters(wave)
        for task in wave.tasks:
            for variant in self.variants:
                name = (task.id, variant)
                if name not in wave.ahead:
                    questions.ask(name, task.without_answers(), adapters[name], views)
        wave.questions, wave.views, wave.began = questions, len(views), self.pace.clock()
        seconds = self._seconds(wave)
        self.tell(f"answering {len(questions.requests)} prompts")
        if torch.cuda.is_available() and not self.engine.in_background:
            # What tuning has left in torch's cache is the engine's share of the memory.
            torch.cuda.empty_cache()
        wave.answers = self.engine.submit(questions.requests, questions.sampling, seconds)

    def _program_questions(self, programs: Programs) -> ProgramQuestions:
        return ProgramQuestions(programs, self.answer, self.max_tokens, self.seed)

    def _adapters(self, wave: _Wave) -> dict[Name, AdapterRef | None]:
        """Who answers, by task and variant."""
        return {
            (task.id, variant): ref if variant == TUNED and ref is not None else self.trained
            for task, ref in zip(wave.tasks, wave.refs, strict=True)
            for variant in self.variants
        }

    def _seconds(self, wave: _Wave) -> float | None:
        """What is left of a wave's time; None where there is no limit."""
        until = wave.plan.until
        return None if until is None else max(0.0, until - self.pace.clock())

    def _correcting(self, wave: _Wave) -> Callable[[], float | None]:
        """What is left of the time for corrections, which begin now."""
        until, clock = wave.plan.until, self.pace.clock
        if until is None:
            return lambda: None
        if self.engine.in_background:  # the next wave was tuned meanwhile, in its own time
            until = clock() + max(0.0, until - wave.began)
        end = until if self.pace.end is None else min(until, self.pace.end)
        return lambda: max(0.0, end - clock())

    def _receive(self, wave: _Wave) -> None:
        assert wave.answers is not None
        assert wave.questions is not None
        answers = wave.answers()
        if isinstance(wave.questions, ProgramQuestions):
            self.tell("running programs")
            for key, written in wave.questions.written(answers, lambda: self.pace.over).items():
                wave.written.setdefault(key, []).extend(written)
        else:
            for key, candidates in wave.questions.candidates(answers).items():
                wave.outcomes[key].candidates += candidates
        for outcome in wave.outcomes.values():
            outcome.views += wave.views
        part = wave.views / self.answer.views
        self.pace.answered(wave.work * part, self.pace.clock() - wave.began)

    def _probe(self, wave: _Wave) -> None:
        """A few views of every task first: they show how many more there is time for."""
        began = self.pace.clock()
        self._submit(wave, range(_PROBE_VIEWS))
        self._receive(wave)
        spent = self.pace.clock() - began
        more = self.pace.more_views(wave.plan, _PROBE_VIEWS, self.answer.views, spent)
        if more:
            self._submit(wave, range(_PROBE_VIEWS, _PROBE_VIEWS + more))
            self._receive(wave)

    def _take_programs(self, wave: _Wave, programs: Programs) -> None:
        """Have failing programs corrected in the time that is left, then take all as answers."""
        if programs.config.rounds:
            self.tell("correcting programs")
        correct_programs(
            wave.written,
            self._adapters(wave),
            self.engine,
            partial(self._program_questions, programs),
            programs.config,
            self._correcting(wave),
        )
        for key, written in wave.written.items():
            wave.outcomes[key].candidates = [c for w in written for c in w.candidates()]
            wave.outcomes[key].code = code_counts(written)

    def _hand_on(self, wave: _Wave) -> None:
        if self.programs is not None:
            self._take_programs(wave, self.programs)
        self.finished(wave.tasks, wave.outcomes)
        for folder in {ref.path for ref in wave.refs if ref is not None and ref.path is not None}:
            shutil.rmtree(folder)

    def _work(self, tasks: Sequence[Task]) -> float:
        """Tokens of all prompts and longest answers."""
        tokens, programs = 0, self.programs
        encoder = self.encoder if programs is None else programs.encoder
        for task in (task.without_answers() for task in tasks):
            room = answer_tokens(encoder, task, self.answer.side_margin)
            # A program answers all test inputs at once.
            asked = range(len(task.test)) if programs is None else range(1)
            tokens += sum(encoder.prompt_length(task, i) + room for i in asked)
        return float(tokens * self.answer.views * self.answer.samples * len(self.variants))
