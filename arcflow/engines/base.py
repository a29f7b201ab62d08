"""The protocol between evaluation and whoever writes answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, eq=False)
class AdapterRef:
    """One trained adapter, as an engine gets it.

    Attributes:
        id: a fresh number for every adapter of a run (law 5: an engine may serve stale
            weights under an id it has seen).
        state: PEFT adapter tensors by name, for engines in this process.
        path: a folder in PEFT's own format, for engines in another process.
    """

    id: int
    state: Mapping[str, Any] | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to complete.

    Attributes:
        prompt_ids: token ids, length L >= 1.
        adapter: whose weights answer; None for the model as it was trained.
        seed: sampling with a temperature is a pure function of (seed, sample number).
    """

    prompt_ids: tuple[int, ...]
    adapter: AdapterRef | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
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
        finished: False where ``max_tokens`` cut it off.
    """

    token_ids: tuple[int, ...]
    log_prob: float
    n_tokens: int
    finished: bool


class Engine(Protocol):
    """Completes prompts; answers in the order of the requests."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Completion]]:
        """``sampling.n`` completions for each request."""
        ...
