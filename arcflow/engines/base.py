"""The protocol between evaluation and whoever writes answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from arcflow.core.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class AdapterRef:
    """What test-time fine-tuning made for a task, as an engine gets it.

    Attributes:
        id: a fresh number for every adapter of a run (law 5: an engine may serve stale
            weights under an id it has seen).
        state: tensors by name, for engines in this process.
        path: a folder in PEFT's own format, new for every adapter, for engines in another process.
        kind: "lora", or "weights" where all weights of the model were tuned.
        steps: optimizer steps that made it.
    """

    id: int
    state: Mapping[str, Any] | None = None
    path: Path | None = None
    kind: Literal["lora", "weights"] = "lora"
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to complete.

    Attributes:
        prompt_ids: token ids, length L >= 1.
        adapter: whose weights answer; None for the model as it was trained.
        seed: sampling with a temperature is a pure function of (seed, sample number).
        max_tokens: longest completion, in tokens; None takes the sampling's.
    """

    prompt_ids: tuple[int, ...]
    adapter: AdapterRef | None = None
    seed: int = 0
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How completions are drawn.

    Attributes:
        n: completions a request.
        temperature: 0 takes the most probable token each time.
        top_p: smallest set of tokens with this total probability that is sampled from.
        max_tokens: longest completion, in tokens.
        stop_ids: token ids that end a completion; they are not part of it.
    """

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    stop_ids: tuple[int, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer.

    Attributes:
        token_ids: without the stop token.
        log_prob: summed over ``n_tokens`` tokens, in nats, at temperature 1.
        n_tokens: tokens counted in ``log_prob``, the stop token included.
        finished: False where ``max_tokens`` or the time limit cut it off.
        error: why there is no answer, where the engine failed; empty otherwise.
    """

    token_ids: tuple[int, ...]
    log_prob: float
    n_tokens: int
    finished: bool
    error: str = ""


Answers = list[list[Completion]]
"""For each request, in the order of the requests, its ``sampling.n`` completions."""


class Engine(Protocol):
    """Completes prompts; answers in the order of the requests.

    A subclass of your own is named by its class path in ``pass_n.engine``, and is made in the
    trainer's process with these keyword arguments, which are those of
    :class:`~arcflow.engines.transformers.TransformersEngine`:

    - ``model``: the trained model of transformers, its trained adapter attached.
    - ``pad_id``: token id that fills batches up.
    - ``use_adapter``: a function of an :class:`AdapterRef` that returns a context manager, within
      which ``model`` answers with that adapter, None meaning as it was trained; None where there
      is no test-time fine-tuning.
    - ``max_batch_tokens``: the option ``pass_n.answer.max_batch_tokens``.
    - ``clock``: a function that returns seconds, for time limits.

    Adapters come with their tensors (``AdapterRef.state``), not as files.

    Attributes:
        in_background: whether :meth:`submit` works while its caller computes something else.
    """

    in_background: bool

    def submit(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Callable[[], Answers]:
        """Begin to complete every request ``sampling.n`` times.

        Args:
            requests: prompts.
            sampling: how completions are drawn.
            seconds: time limit; what is not complete by then comes back unfinished.

        Returns:
            A function that waits for the answers and returns them; called once.
        """
        ...

    def generate(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Answers:
        """:meth:`submit` and wait."""
        return self.submit(requests, sampling, seconds)()

    def sleep(self) -> None:
        """Give back the device's memory until the next :meth:`submit`; nothing may be under way."""
        ...

    def close(self) -> None:
        """End it; nothing can be submitted afterwards."""
        ...


def check_sampling(requests: Sequence[Request], sampling: SamplingParams) -> None:
    """Refuse what no engine can do.

    Raises:
        ConfigError: sampling options out of range, or an empty prompt.
    """
    next_step = "Correct the sampling options."
    if sampling.n < 1 or sampling.max_tokens < 1:
        raise ConfigError(
            "sampling: nothing to generate",
            value={"n": sampling.n, "max_tokens": sampling.max_tokens},
            expected="n and max_tokens of at least 1",
            next_step=next_step,
        )
    if not sampling.temperature >= 0:
        raise ConfigError(
            "sampling: bad temperature",
            value=sampling.temperature,
            expected="0 (most probable token) or more",
            next_step=next_step,
        )
    if not 0 < sampling.top_p <= 1:
        raise ConfigError(
            "sampling: bad top_p",
            value=sampling.top_p,
            expected="more than 0, at most 1",
            next_step=next_step,
        )
    for i, request in enumerate(requests):
        if not request.prompt_ids:
            raise ConfigError(
                f"request {i}: empty prompt",
                value=request.prompt_ids,
                expected="at least one token id",
                next_step="Check the template: it must write something before the answer.",
            )
