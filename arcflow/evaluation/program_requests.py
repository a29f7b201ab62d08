"""Requests for programs: asked, read, run, and corrected."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from arcflow.core.augment import Augmentation
from arcflow.core.errors import DataError
from arcflow.core.seeds import derive
from arcflow.core.task import FailedProgram, Task, task_key
from arcflow.engines.base import AdapterRef, Answers, Engine, Request, SamplingParams
from arcflow.evaluation.grid_requests import TOO_LONG, AnswerConfig, Name
from arcflow.evaluation.program_candidates import ProgramCandidate, to_correct
from arcflow.evaluation.program_runtime import CodeConfig, Programs
from arcflow.evaluation.views import evaluation_views
from arcflow.omniarc.trial import ProgramResult, try_programs
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder

_AT_ONCE = 64

_Key = tuple[str, Augmentation, str | None]
"""What a trial is a function of: task id, view and program."""


@dataclass(frozen=True, slots=True)
class _AskedProgram:
    """A program that is asked for under a view, and its request's number, or None if it never
    fits."""

    task: Task
    view: Augmentation
    request: int | None


class ProgramRequests:
    """The requests to an engine for programs; they run what it answers.

    Args:
        programs: prompts and sandbox.
        config: how many answers are made, and how they are drawn.
        max_tokens: prompt and answer together; views lose train pairs until they fit. A view
            that never fits counts as programs that were not written.
        seed: views and samples are functions of (seed, task id).
    """

    def __init__(
        self, programs: Programs, config: AnswerConfig, max_tokens: int, seed: int
    ) -> None:
        self._programs, self._config = programs, config
        self._max_tokens, self._seed = max_tokens, seed
        self._asked: dict[Name, list[_AskedProgram]] = {}
        self.requests: list[Request] = []

    @property
    def sampling(self) -> SamplingParams:
        """How the requests are to be completed."""
        return self._config.sampling(self._programs.encoder)

    def ask(
        self, name: Name, task: Task, adapter: AdapterRef | None, views: range | None = None
    ) -> None:
        """Ask for programs that solve a task.

        Args:
            name: under which :meth:`programs` returns the programs.
            task: its answers hidden.
            adapter: who answers; None for the model as it was trained.
            views: numbers of the views; None for all of ``config.views``.
        """
        task = task.without_answers()
        wanted = range(self._config.views) if views is None else views
        asked = self._asked.setdefault(name, [])
        shown = evaluation_views(task, wanted.stop, self._config.augment, self._seed)
        for v in wanted[: max(0, len(shown) - wanted.start)]:
            drawn = derive(self._seed, "program", task_key(task), v)
            i = v % len(task.test)
            number = self._request(
                self._programs.encoder, shown[v].apply(task), i, adapter, drawn, None
            )
            asked.append(_AskedProgram(task, shown[v], number))

    def correct(
        self,
        name: Name,
        failing: Iterable[ProgramCandidate],
        adapter: AdapterRef | None,
        turn: int,
        tokens: int,
    ) -> None:
        """Ask to correct programs of one task, until no tokens are left.

        Args:
            name: under which :meth:`programs` returns the corrected ones.
            failing: programs that ran, the most promising first.
            adapter: who answers.
            turn: number of the round.
            tokens: that prompts and the longest answers may have together.
        """
        encoder = self._programs.corrector
        assert encoder is not None
        for j, wrong in enumerate(failing):
            assert wrong.code is not None
            assert wrong.trial is not None
            shown = replace(
                wrong.view.apply(wrong.task), attempt=FailedProgram(wrong.code, wrong.trial.problem)
            )
            drawn = derive(self._seed, "correct", task_key(wrong.task), turn, j)
            try:
                number = self._request(encoder, shown, 0, adapter, drawn, tokens)
            except DataError:  # a text that no prompt can hold
                continue
            if number is not None:
                self._asked.setdefault(name, []).append(
                    _AskedProgram(wrong.task, wrong.view, number)
                )
                tokens -= self._most(self.requests[number])

    def programs(
        self, answers: Answers, expired: Callable[[], bool] = lambda: False
    ) -> dict[Name, list[ProgramCandidate]]:
        """Run the programs, and return them by the names they were asked under,
        ``config.samples`` each.

        Args:
            answers: one list for each of ``requests``.
            expired: asked now and then; once True, what has not run yet is not run.
        """
        found = {
            name: [written for ask in asked for written in self._read(ask, answers)]
            for name, asked in self._asked.items()
        }
        jobs = {
            _key(written): written
            for of_name in found.values()
            for written in of_name
            if written.code is not None
        }
        ran: dict[_Key, ProgramResult] = {}
        keys = list(jobs)
        for start in range(0, len(keys), _AT_ONCE):
            if expired():
                break
            part = keys[start : start + _AT_ONCE]
            texts = [code for *_, code in part if code is not None]
            tasks = [view.apply(jobs[_id, view, code].task) for _id, view, code in part]
            trials = try_programs(self._programs.run, texts, tasks)
            ran |= dict(zip(part, trials, strict=True))
        return {name: [_with_trial(w, ran) for w in of_name] for name, of_name in found.items()}

    def spent(self, answers: Answers) -> dict[Name, int]:
        """Return the tokens of prompts and answers by the names they were asked under."""
        return {
            name: sum(
                len(self.requests[ask.request].prompt_ids)
                + sum(answer.n_tokens for answer in answers[ask.request])
                for ask in asked
                if ask.request is not None
            )
            for name, asked in self._asked.items()
        }

    def _request(
        self,
        encoder: Encoder[Any],
        shown: Task,
        test_index: int,
        adapter: AdapterRef | None,
        seed: int,
        tokens: int | None,
    ) -> int | None:
        """Ask about a view, and return the request's number, or None if it does not fit."""
        room = encoder.max_answer_tokens()
        fitted = fit_context(encoder, shown, self._max_tokens, test_index, answer_tokens=room)
        if fitted is None:
            return None
        prompt = tuple(encoder.prompt(fitted, test_index).tolist())
        request = Request(prompt, adapter, seed, room)
        if tokens is not None and self._most(request) > tokens:
            return None
        self.requests.append(request)
        return len(self.requests) - 1

    def _most(self, request: Request) -> int:
        """Return the tokens of its prompt and of its longest answers."""
        return len(request.prompt_ids) + self._config.samples * (request.max_tokens or 0)

    def _read(self, ask: _AskedProgram, answers: Answers) -> Iterable[ProgramCandidate]:
        if ask.request is None:
            return [
                ProgramCandidate(ask.task, ask.view, None, reason=TOO_LONG)
            ] * self._config.samples
        found = []
        for answer in answers[ask.request]:
            text, code = self._programs.encoder.decode(answer.token_ids)
            reason = answer.error or ("" if answer.finished else "the program has no end")
            if reason:
                code = None
            elif code is None:
                reason = "no program"
            found.append(ProgramCandidate(ask.task, ask.view, answer, text, code, None, reason))
        return found


def _key(written: ProgramCandidate) -> _Key:
    return written.task.id, written.view, written.code


def _with_trial(written: ProgramCandidate, ran: Mapping[_Key, ProgramResult]) -> ProgramCandidate:
    if written.code is None:
        return written
    trial = ran.get(_key(written))
    return replace(written, trial=trial, reason="" if trial else "the time limit was reached")


def correct_programs(
    written: Mapping[Name, list[ProgramCandidate]],
    adapters: Mapping[Name, AdapterRef | None],
    engine: Engine,
    questions: Callable[[], ProgramRequests],
    config: CodeConfig,
    seconds: Callable[[], float | None],
) -> None:
    """Send failing programs back for ``config.rounds`` rounds; the corrected ones are appended.

    Args:
        written: programs so far by name.
        adapters: who answers, by name.
        engine: it has nothing else to do.
        questions: makes the questions of a round.
        config: rounds, programs and tokens.
        seconds: that are left; None for no limit.
    """
    before: dict[Name, set[str]] = {name: set() for name in written}
    left = dict.fromkeys(written, config.token_budget)
    for turn in range(config.rounds):
        asked, limit = questions(), seconds()
        if limit == 0:
            return
        for name, programs in written.items():
            failing = to_correct(programs, before[name], config.corrected)
            asked.correct(name, failing, adapters[name], turn, left[name])
        if not asked.requests:
            return
        answers = engine.generate(asked.requests, asked.sampling, limit)
        for name, spent in asked.spent(answers).items():
            left[name] -= spent
        for name, found in asked.programs(answers, lambda: seconds() == 0).items():
            written[name].extend(found)
