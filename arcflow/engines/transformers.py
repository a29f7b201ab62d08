"""An engine on transformers' own ``generate`` that computes shared prompt beginnings once."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from arcflow.core.errors import ConfigError
from arcflow.engines.base import (
    OUT_OF_TIME,
    AdapterRef,
    Answers,
    Completion,
    Engine,
    Request,
    SamplingParams,
    ScoreRequest,
    check_sampling,
    check_scoring,
)
from arcflow.engines.batch_search import search_batch
from arcflow.engines.depth_first import DepthFirst
from arcflow.engines.prefix import PromptGroup, group_prompts, plan_batches
from arcflow.engines.prompt_cache import PromptCache
from arcflow.engines.row_cache import RowCache
from arcflow.engines.sampling import TokenChooser, draw_uniforms
from arcflow.engines.scoring import CompletionScorer

UseAdapter = Callable[[AdapterRef | None], AbstractContextManager[Any]]
"""A function whose context makes the model answer with an adapter; None is the trained model."""


class TransformersEngine(Engine):
    """An engine that runs a transformers causal language model in this process.

    Prompts that begin alike (the views of one task that differ in the test input, the samples
    of one prompt) share one forward pass over the common part: its key-value cache is repeated
    for the rows, and ``generate`` goes on from there. An answer depends on its request alone,
    not on the batch it is computed in, up to rounding. A search
    (:mod:`~arcflow.engines.depth_first`) takes the place of ``generate`` after the prompts.

    Args:
        model: A transformers causal language model, or a PEFT model around one.
        pad_id: The token id that pads batches.
        use_adapter: A function that switches to a request's adapter and back; without it,
            requests must not name one.
        max_batch_tokens: The bound on rows x (padded prompt + new tokens) of a batch, which bounds
            the key-value cache.
        share_prefix: Whether to compute common beginnings once. Models with sliding-window or
            linear attention never share them, because the padding that follows a beginning would
            count.
        clock: A clock in seconds, for time limits.
    """

    in_background = False
    can_search = True

    def __init__(
        self,
        model: Any,
        pad_id: int,
        use_adapter: UseAdapter | None = None,
        max_batch_tokens: int = 32768,
        share_prefix: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # PEFT's wrapper only forwards; its adapters live inside the wrapped model's layers.
        self.model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.pad_id = pad_id
        self.use_adapter = use_adapter
        self.max_batch_tokens = max_batch_tokens
        self._clock = clock
        self._stop_at: float | None = None
        self._rows_left = 0
        self.share_prefix = share_prefix and sees_everything(self.model.config)
        self._prompts = PromptCache(self.model, pad_id)

    def generate(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Answers:
        """Complete every request ``sampling.n`` times, or search its probable completions.

        Args:
            requests: The prompts.
            sampling: The parameters of sampling or of a search; with temperature 0 the n
                completions of a request are equal and are computed once.
            seconds: A time limit in seconds, or None; what is not complete by then comes back
                unfinished, and a search returns what it has found.

        Returns:
            The completions of each request, in the order of the requests.

        Raises:
            ConfigError: If a sampling parameter is out of range, if a prompt is empty, if a
                request names an adapter and there is no ``use_adapter``, or if a search is asked
                of a model whose attention does not see everything.
        """
        check_sampling(requests, sampling, self.can_search)
        if sampling.search is not None:
            check_searchable(self.model.config)
        self._check_adapters(requests)
        self._stop_at = None if seconds is None else self._clock() + seconds
        self._rows_left = len(requests)
        n = sampling.n if sampling.temperature > 0 else 1
        groups: dict[tuple[AdapterRef | None, int], list[int]] = {}
        for i, request in enumerate(requests):
            longest = request.max_tokens or sampling.max_tokens
            groups.setdefault((request.adapter, longest), []).append(i)
        answers: dict[tuple[int, int], list[Completion]] = {}
        with torch.no_grad(), _evaluating(self.model):
            for (adapter, longest), members in groups.items():
                switch = nullcontext() if self.use_adapter is None else self.use_adapter(adapter)
                with switch:
                    self._complete(
                        [requests[i] for i in members],
                        members,
                        n,
                        replace(sampling, max_tokens=longest),
                        answers,
                    )
        return [
            [completion for k in range(sampling.n) for completion in answers[i, k % n]]
            for i in range(len(requests))
        ]

    def submit(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Callable[[], Answers]:
        """Complete the requests before returning, since the engine shares its caller's process.

        It takes the arguments of :meth:`generate` and raises what that raises.

        Returns:
            A function that returns the answers.
        """
        answers = self.generate(requests, sampling, seconds)
        return lambda: answers

    def score(self, requests: Sequence[ScoreRequest], seconds: float | None = None) -> Answers:
        """Return the log-probability of every given completion, by teacher forcing.

        A prompt is computed once for all its completions. A score depends on its prompt and
        completion alone, up to rounding.

        Args:
            requests: The prompts with their completions.
            seconds: A time limit in seconds, or None; what is not scored by then comes back with
                an ``error``.

        Returns:
            The completions of each request with their log-probabilities, in their order.

        Raises:
            ConfigError: If a prompt or a completion is empty, or if a request names an adapter and
                there is no ``use_adapter``.
        """
        check_scoring(requests)
        self._check_adapters(requests)
        self._stop_at = None if seconds is None else self._clock() + seconds
        scorer = CompletionScorer(self.model, self.pad_id, self.max_batch_tokens, self.share_prefix)
        by_adapter: dict[AdapterRef | None, list[int]] = {}
        for i, request in enumerate(requests):
            by_adapter.setdefault(request.adapter, []).append(i)
        scores: dict[tuple[int, int], float] = {}
        with torch.no_grad(), _evaluating(self.model):
            for adapter, members in by_adapter.items():
                switch = nullcontext() if self.use_adapter is None else self.use_adapter(adapter)
                with switch:
                    found = scorer.score([requests[i] for i in members], self._expired)
                scores |= {(members[i], k): score for (i, k), score in found.items()}
        return [
            [
                Completion(ids, scores[i, k], len(ids), finished=True)
                if (i, k) in scores
                else Completion((), 0.0, 0, finished=False, error=OUT_OF_TIME)
                for k, ids in enumerate(request.completions)
            ]
            for i, request in enumerate(requests)
        ]

    def sleep(self) -> None:
        """Do nothing, since the model is the trainer's own."""

    def close(self) -> None:
        """Do nothing, since the model is the trainer's own."""

    def _check_adapters(self, requests: Sequence[Request | ScoreRequest]) -> None:
        for i, request in enumerate(requests):
            if request.adapter is not None and self.use_adapter is None:
                raise ConfigError(
                    f"request {i}: names an adapter, but the engine cannot switch adapters",
                    value=request.adapter.id,
                    expected="an engine made with use_adapter",
                    next_step="Pass use_adapter to TransformersEngine.",
                )

    def _expired(self) -> bool:
        return self._stop_at is not None and self._clock() >= self._stop_at

    def _complete(
        self,
        requests: Sequence[Request],
        numbers: Sequence[int],
        n: int,
        sampling: SamplingParams,
        answers: dict[tuple[int, int], list[Completion]],
    ) -> None:
        """Complete the requests of one adapter, and store answers under the caller's numbers."""
        groups = group_prompts([request.prompt_ids for request in requests], n)
        if not self.share_prefix:
            groups = [
                PromptGroup(len(requests[i].prompt_ids) - 1, ((i, k),), len(requests[i].prompt_ids))
                for i in range(len(requests))
                for k in range(n)
            ]
        compute = self._batch if sampling.search is None else self._search
        for batch in plan_batches(groups, sampling.max_tokens, self.max_batch_tokens):
            rows = [row for group in batch for row in group.rows]
            if self._expired():
                late = Completion((), 0.0, 0, finished=False, error=OUT_OF_TIME)
                answers.update({(numbers[i], k): [late] for i, k in rows})
                continue
            for (i, k), found in zip(rows, compute(batch, requests, sampling), strict=True):
                answers[numbers[i], k] = found
            self._rows_left -= len(rows)

    def _batch(
        self, batch: Sequence[PromptGroup], requests: Sequence[Request], sampling: SamplingParams
    ) -> Iterator[list[Completion]]:
        """Complete one batch and yield each row's completion, in the order of its groups' rows."""
        rows = [row for group in batch for row in group.rows]
        uniforms = None
        if sampling.temperature > 0:
            seeds = [(requests[i].seed, k) for i, k in rows]
            uniforms = draw_uniforms(seeds, sampling.max_tokens)
        chooser = TokenChooser(sampling, uniforms, len(rows), self.model.device)
        start = self._prompts.begin(batch, requests)
        with _plain_generation_config(self.model):
            tokens = self.model.generate(
                input_ids=start.rest,
                attention_mask=start.mask,
                past_key_values=start.cache,
                logits_processor=LogitsProcessorList([chooser]),
                stopping_criteria=StoppingCriteriaList([_Until(self._expired)]),
                generation_config=GenerationConfig(
                    max_new_tokens=sampling.max_tokens,
                    do_sample=False,
                    use_cache=True,
                    pad_token_id=self.pad_id,
                    eos_token_id=list(sampling.stop_ids) or None,
                ),
            )
        columns = zip(
            tokens[:, start.rest.shape[1] :].tolist(),
            chooser.log_prob.tolist(),
            chooser.n_tokens.tolist(),
            chooser.alive.tolist(),
            strict=True,
        )
        for new, log_prob, n_tokens, alive in columns:
            kept = n_tokens if alive else n_tokens - 1
            yield [Completion(tuple(new[:kept]), log_prob, n_tokens, finished=not alive)]

    def _search(
        self, batch: Sequence[PromptGroup], requests: Sequence[Request], sampling: SamplingParams
    ) -> Iterator[list[Completion]]:
        """Search one batch and yield each row's completions, in the order of its groups' rows.

        The batch has its rows' share of the time that is left.
        """
        assert sampling.search is not None
        rows = [row for group in batch for row in group.rows]
        until = None
        if self._stop_at is not None:
            now = self._clock()
            until = now + (self._stop_at - now) * len(rows) / self._rows_left
        start = self._prompts.begin(batch, requests)
        prompts, logits = self._prompts.finish(start)
        stop_ids, room = sampling.stop_ids, sampling.max_tokens
        searches = [DepthFirst(sampling.search, stop_ids, room) for _ in rows]
        search_batch(
            self.model,
            RowCache(prompts, start.mask, room),
            logits,
            searches,
            stop_ids,
            lambda: until is not None and self._clock() >= until,
        )
        for search in searches:
            yield search.completions()


def sees_everything(config: Any) -> bool:
    """Return whether every layer of a model attends to all tokens before."""
    cache = DynamicCache(config=config)
    return not (any(cache.is_sliding) or any(cache.is_linear))


def check_searchable(config: Any) -> None:
    """Refuse a model whose cache cannot be cut back.

    Args:
        config: The model's configuration.

    Raises:
        ConfigError: If a layer has a sliding window or linear attention.
    """
    if not sees_everything(config):
        raise ConfigError(
            "search: the model forgets tokens (sliding windows or linear attention), so its cache"
            " cannot be cut back",
            value=config.model_type,
            expected="a model with full attention in every layer",
            next_step="Sample instead, or choose another model.",
        )


class _Until(StoppingCriteria):
    """A stopping criterion that ends a batch once a condition holds; asked before every token."""

    def __init__(self, expired: Callable[[], bool]) -> None:
        self.expired = expired

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        return torch.full((len(input_ids),), self.expired(), device=input_ids.device)


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Set evaluation mode inside the block, and restore each submodule's own mode after it."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _plain_generation_config(model: Any) -> Iterator[None]:
    """Hide the model's own defaults, since instruct models ship penalties that change answers."""
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own
