"""An engine on transformers' own ``generate`` that computes shared prompt beginnings once."""

import inspect
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
from arcflow.engines.prefix import PromptGroup, group_prompts, plan_batches
from arcflow.engines.sampling import TokenChooser, draw_uniforms
from arcflow.engines.scoring import CompletionScorer

LATE = "the time limit was reached"

UseAdapter = Callable[[AdapterRef | None], AbstractContextManager[Any]]
"""A function whose context makes the model answer with an adapter; None is the trained model."""


class TransformersEngine(Engine):
    """An engine that runs a transformers causal language model in this process.

    Prompts that begin alike (the views of one task that differ in the test input, the samples
    of one prompt) share one forward pass over the common part: its key-value cache is repeated
    for the rows, and ``generate`` goes on from there. An answer depends on its request alone,
    not on the batch it is computed in, up to rounding.

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
        cache = DynamicCache(config=self.model.config)
        self.share_prefix = share_prefix and not (any(cache.is_sliding) or any(cache.is_linear))
        forward = inspect.signature(self.model.forward).parameters
        self._last_logits = {"logits_to_keep": 1} if "logits_to_keep" in forward else {}

    def generate(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Answers:
        """Complete every request ``sampling.n`` times.

        Args:
            requests: The prompts.
            sampling: The parameters of sampling; with temperature 0 the n completions of a
                request are equal and are computed once.
            seconds: A time limit in seconds, or None; what is not complete by then comes back
                unfinished.

        Returns:
            The completions of each request, in the order of the requests.

        Raises:
            ConfigError: If a sampling parameter is out of range, if a prompt is empty, or if a
                request names an adapter and there is no ``use_adapter``.
        """
        check_sampling(requests, sampling)
        self._check_adapters(requests)
        self._stop_at = None if seconds is None else self._clock() + seconds
        n = sampling.n if sampling.temperature > 0 else 1
        groups: dict[tuple[AdapterRef | None, int], list[int]] = {}
        for i, request in enumerate(requests):
            longest = request.max_tokens or sampling.max_tokens
            groups.setdefault((request.adapter, longest), []).append(i)
        answers: dict[tuple[int, int], Completion] = {}
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
        return [[answers[i, k % n] for k in range(sampling.n)] for i in range(len(requests))]

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
                else Completion((), 0.0, 0, finished=False, error=LATE)
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
        answers: dict[tuple[int, int], Completion],
    ) -> None:
        """Complete the requests of one adapter, and store answers under the caller's numbers."""
        groups = group_prompts([request.prompt_ids for request in requests], n)
        if not self.share_prefix:
            groups = [
                PromptGroup(len(requests[i].prompt_ids) - 1, ((i, k),), len(requests[i].prompt_ids))
                for i in range(len(requests))
                for k in range(n)
            ]
        for batch in plan_batches(groups, sampling.max_tokens, self.max_batch_tokens):
            rows = [row for group in batch for row in group.rows]
            if self._expired():
                late = Completion((), 0.0, 0, finished=False, error=LATE)
                answers.update({(numbers[i], k): late for i, k in rows})
                continue
            for (i, k), completion in zip(
                rows, self._batch(batch, requests, sampling), strict=True
            ):
                answers[numbers[i], k] = completion

    def _batch(
        self, batch: Sequence[PromptGroup], requests: Sequence[Request], sampling: SamplingParams
    ) -> Iterator[Completion]:
        """Complete one batch and yield its completions, in the order of its groups' rows."""
        rows = [row for group in batch for row in group.rows]
        device = self.model.device
        uniforms = None
        if sampling.temperature > 0:
            seeds = [(requests[i].seed, k) for i, k in rows]
            uniforms = draw_uniforms(seeds, sampling.max_tokens)
        chooser = TokenChooser(sampling, uniforms, len(rows), device)
        sharing = any(len(group.rows) > 1 and group.shared > 0 for group in batch)
        shared = [group.shared if sharing else 0 for group in batch]
        rest, mask = self._left_padded(
            [
                requests[i].prompt_ids[start:]
                for start, group in zip(shared, batch, strict=True)
                for i, _ in group.rows
            ]
        )
        cache = None
        if sharing:
            beginnings = [
                requests[group.rows[0][0]].prompt_ids[:start]
                for start, group in zip(shared, batch, strict=True)
            ]
            owner = torch.tensor([g for g, group in enumerate(batch) for _ in group.rows])
            cache, beginning_mask = self._prefill(beginnings, owner.to(device))
            mask = torch.cat([beginning_mask, mask], dim=1)
        with _plain_generation_config(self.model):
            tokens = self.model.generate(
                input_ids=rest,
                attention_mask=mask,
                past_key_values=cache,
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
            tokens[:, rest.shape[1] :].tolist(),
            chooser.log_prob.tolist(),
            chooser.n_tokens.tolist(),
            chooser.alive.tolist(),
            strict=True,
        )
        for new, log_prob, n_tokens, alive in columns:
            kept = n_tokens if alive else n_tokens - 1
            yield Completion(tuple(new[:kept]), log_prob, n_tokens, finished=not alive)

    def _prefill(
        self, beginnings: Sequence[Sequence[int]], owner: Tensor
    ) -> tuple[DynamicCache, Tensor]:
        """Return each beginning's cache, repeated for its rows, and the mask (B, P) over it."""
        ids, mask = self._left_padded(beginnings)
        cache = DynamicCache(config=self.model.config)
        self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            **self._last_logits,
        )
        cache.batch_select_indices(owner)
        return cache, mask[owner]

    def _left_padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return token ids and mask, int64 of shape (B, L), with padding on the left."""
        length = max(len(row) for row in rows)
        ids = torch.tensor([[self.pad_id] * (length - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self.model.device), mask.to(self.model.device)


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
