"""Requests for grids: views and prompts of tasks, and the answers turned into candidates."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from transformers import PreTrainedModel

from arcflow.core.augment import Augmentation
from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import ConfigError
from arcflow.core.grid import MAX_SIDE
from arcflow.core.seeds import derive
from arcflow.core.task import Task, task_key
from arcflow.engines.base import AdapterRef, Answers, Request, SamplingParams
from arcflow.evaluation.dfs_config import DFSConfig
from arcflow.evaluation.views import evaluation_views
from arcflow.modules.loss.causal_lm import causal_loss
from arcflow.scoring.voting import Candidate
from arcflow.text.context import advice, fit_context, tokens_that_fit
from arcflow.text.encode import Encoder
from arcflow.text.pack import pack_examples

_log = logging.getLogger(__name__)
_AUGMENT, _DFS = AugmentConfig(), DFSConfig()
TOO_LONG = "no prompt fits data.max_tokens"


@dataclass(frozen=True)
class AnswerConfig:
    """How answers are made.

    Attributes:
        views: augmented views of each task; the first one is the task as it is.
        augment: how the views differ: turns and flips, colours, order of the train pairs.
        samples: answers for each view; more than one needs a temperature.
        temperature: 0 takes the most probable token each time.
        top_p: smallest set of tokens with this total probability that is sampled from.
        side_margin: answers may be longer than the longest side of a task's known grids by
            this factor (at most 30 cells); a lower bound saves time on answers that never end.
        max_batch_tokens: tokens, prompts and answers together, the engine holds at once.
        method: "sampling" writes ``samples`` answers for each view; "dfs" finds all that are
            probable enough by depth-first search, and weighs each by its probability (transformers
            engine).
        dfs: options of the depth-first search.
    """

    views: int = 8
    augment: AugmentConfig = _AUGMENT
    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    side_margin: float = 1.5
    max_batch_tokens: int = 16384
    method: Literal["sampling", "dfs"] = "sampling"
    dfs: DFSConfig = _DFS

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.searches and (self.samples, self.temperature, self.top_p) != (1, 0.0, 1.0):
            raise ConfigError(
                "pass_n.answer.method: a search does not sample",
                value={
                    "method": self.method,
                    "samples": self.samples,
                    "temperature": self.temperature,
                    "top_p": self.top_p,
                },
                expected="samples 1, temperature 0 and top_p 1 with dfs",
                next_step="Leave these options out, or set --pass_n.answer.method sampling.",
            )
        if self.views < 1 or self.samples < 1 or (self.samples > 1 and self.temperature <= 0):
            raise ConfigError(
                "pass_n.answer: impossible number of answers",
                value={
                    "views": self.views,
                    "samples": self.samples,
                    "temperature": self.temperature,
                },
                expected="views >= 1, samples >= 1, and a temperature above 0 for samples > 1",
                next_step="Set --pass_n.answer.temperature 0.7, or samples 1.",
            )

    @property
    def searches(self) -> bool:
        """Whether answers are searched instead of sampled."""
        return self.method == "dfs"

    def sampling(self, encoder: Encoder[Any]) -> SamplingParams:
        """Return how an engine samples or searches these answers."""
        return SamplingParams(
            n=self.samples,
            temperature=self.temperature,
            top_p=self.top_p,
            stop_ids=encoder.stop_ids,
            search=self.dfs.params(encoder) if self.searches else None,
        )


Name = tuple[str, str]
"""The name of a set of requests: task id and variant."""


@dataclass(frozen=True, slots=True)
class _AskedView:
    """A test input under a view, and its request's number, or None if it never fits."""

    task: Task
    test_index: int
    view: Augmentation
    request: int | None


class GridRequests:
    """The requests to an engine about some tasks; they turn its answers into candidates.

    Args:
        encoder: prompts and parser.
        config: how the answers are made.
        max_tokens: prompt and answer together; views lose train pairs until they fit. A view
            that never fits counts as unanswered.
        seed: views and samples are functions of (seed, task id).
    """

    def __init__(self, encoder: Encoder, config: AnswerConfig, max_tokens: int, seed: int) -> None:
        self._encoder, self._config = encoder, config
        self._max_tokens, self._seed = max_tokens, seed
        self._asked: dict[Name, list[_AskedView]] = {}
        self.requests: list[Request] = []

    @property
    def sampling(self) -> SamplingParams:
        """The parameters with which an engine completes the requests."""
        return self._config.sampling(self._encoder)

    def ask(
        self, name: Name, task: Task, adapter: AdapterRef | None, views: range | None = None
    ) -> None:
        """Ask about every test input of a task.

        Args:
            name: under which :meth:`candidates` returns the answers.
            task: its answers hidden.
            adapter: who answers; None for the model as it was trained.
            views: numbers of the views; None for all of ``config.views``.
        """
        config, encoder, seed = self._config, self._encoder, self._seed
        room = answer_tokens(encoder, task, config.side_margin)
        asked = self._asked.setdefault(name, [])
        wanted = range(config.views) if views is None else views
        shown = evaluation_views(task, wanted.stop, config.augment, seed)
        for v in wanted[: max(0, len(shown) - wanted.start)]:
            seen = shown[v].apply(task)
            for i in range(len(task.test)):
                fitted = fit_context(encoder, seen, self._max_tokens, i, answer_tokens=room)
                number = None
                if fitted is not None:
                    number = len(self.requests)
                    prompt = tuple(encoder.prompt(fitted, i).tolist())
                    drawn = derive(seed, "sample", task_key(task), v, i)
                    self.requests.append(Request(prompt, adapter, drawn, room))
                asked.append(_AskedView(task, i, shown[v], number))

    def candidates(self, answers: Answers) -> dict[Name, list[Candidate]]:
        """Return the candidates by the names they were asked under: ``config.samples`` for each
        request, or as many as a search found.

        Args:
            answers: one list for each of ``requests``.
        """
        return {
            name: [candidate for ask in asked for candidate in self._candidates(ask, answers)]
            for name, asked in self._asked.items()
        }

    def _candidates(self, ask: _AskedView, answers: Answers) -> Iterator[Candidate]:
        place = (ask.task.id, ask.test_index)
        if ask.request is None:
            for _ in range(self._config.samples):
                yield Candidate(*place, None, 0.0, 0, ask.view.name, reason=TOO_LONG)
            return
        for answer in answers[ask.request]:
            text, grid = self._encoder.decode(answer.token_ids)
            if grid is not None:
                grid = ask.view.invert(grid) if answer.finished else None
            yield Candidate(
                *place,
                grid,
                answer.log_prob,
                answer.n_tokens,
                ask.view.name,
                text,
                answer.error,
                weight=min(1.0, math.exp(answer.log_prob)) if self._config.searches else 1.0,
            )


def check_context(
    encoder: Encoder, tasks: Sequence[Task], config: AnswerConfig, max_tokens: int
) -> None:
    """Warn of tasks that are too long to be answered as they are, and refuse if all are.

    Args:
        encoder: measures the tokens.
        tasks: answers hidden.
        config: how long an answer may be.
        max_tokens: prompt and answer together.

    Raises:
        ConfigError: no test input of any task fits, even with one train pair.
    """
    shortened = unanswered = total = 0
    needs = []
    for task in tasks:
        room = answer_tokens(encoder, task, config.side_margin)
        for i in range(len(task.test)):
            total += 1
            fitted = fit_context(encoder, task, max_tokens, i, answer_tokens=room)
            if fitted is not task:
                needs.append(tokens_that_fit(encoder, task, i, room))
            if fitted is None:
                unanswered += 1
            else:
                shortened += len(fitted.train) < len(task.train)
    if total and unanswered == total:
        raise ConfigError(
            f"data.max_tokens is too small to answer any of the {len(tasks)} tasks",
            value=max_tokens,
            expected="room for one train pair and the largest answer: "
            f"{min(least for least, _ in needs)} tokens for the shortest task",
            next_step=f"{advice(needs, max_tokens)} Or choose a shorter text.",
        )
    if shortened or unanswered:
        _log.warning(
            "Answers at max_tokens=%d: of %d test inputs %d are asked with fewer train pairs, "
            "%d never fit and count as unanswered. %s",
            max_tokens,
            total,
            shortened,
            unanswered,
            advice(needs, max_tokens),
        )


def answer_tokens(encoder: Encoder, task: Task, margin: float) -> int:
    """Return the tokens of the largest answer that a model may write.

    Args:
        encoder: Writes answers as tokens.
        task: The task, whose longest side bounds the answer's sides.
        margin: The bound as a multiple of that side; it is at least one cell more, at most 30.
    """
    longest = max(max(grid.shape) for grid in task.grids())
    side = min(MAX_SIDE, max(longest + 1, round(longest * margin)))
    return encoder.max_answer_tokens(side, side)


def answer_loss(module: Any, encoder: Encoder, task: Task, max_tokens: int) -> tuple[float, int]:
    """Return the loss of the task's true answers, asked as published: its sum, and the tokens.

    It is the loss that the module trains with: the cross entropy in nats, unless it has its own.
    Answers that do not fit ``max_tokens`` are left out. This measures; nothing learns from it.

    Args:
        module: The LightningModule with the model.
        encoder: Writes prompts and answers as tokens.
        task: The task with its answers.
        max_tokens: The longest prompt and answer together, in tokens.

    Returns:
        The sum over all scored tokens, and their number.
    """
    model: PreTrainedModel = module.model
    compute_loss = getattr(module, "compute_loss", partial(causal_loss, model))
    total, tokens = 0.0, 0
    training = model.training
    model.eval()
    try:
        for i in range(len(task.test)):
            fitted = fit_context(encoder, task, max_tokens, i)
            if fitted is None:
                continue
            row = pack_examples([encoder.example(fitted, i)])
            batch = {
                name: torch.from_numpy(getattr(row, name))[None].to(model.device)
                for name in ("input_ids", "labels", "position_ids")
            }
            with torch.no_grad():
                loss, scored = compute_loss(batch)
            total, tokens = total + loss.item() * scored, tokens + scored
    finally:
        model.train(training)
    return total, tokens
