"""The protocol between evaluation and the engines that write answers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from arcflow.core.errors import ConfigError

OUT_OF_TIME = "the time limit was reached"
"""The error of a completion for which there was no time."""


@dataclass(frozen=True, slots=True, eq=False)
class AdapterRef:
    """A reference to the weights that test-time fine-tuning made for a task.

    Attributes:
        id: A number that no other adapter of the run has: an engine may serve old weights
            under an id that it has seen.
        state: The tensors by name, for engines in this process; None if they are not given.
        path: A folder in PEFT's own format, new for every adapter, for engines in another
            process; None if it was not written.
        kind: "lora" for an adapter, "weights" if all weights of the model were tuned.
        steps: The number of optimizer steps that made it.
        diverged: Whether training diverged, so that these are the weights as they were before it.
    """

    id: int
    state: Mapping[str, Any] | None = None
    path: Path | None = None
    kind: Literal["lora", "weights"] = "lora"
    steps: int = 0
    diverged: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to complete.

    Attributes:
        prompt_ids: The prompt's token ids, at least one.
        adapter: The adapter to answer with; None takes the model as it was trained.
        seed: The seed of sampling; with a temperature, a completion is a pure function of
            (seed, sample number).
        max_tokens: The longest completion, in tokens; None takes the sampling parameters' limit.
    """

    prompt_ids: tuple[int, ...]
    adapter: AdapterRef | None = None
    seed: int = 0
    max_tokens: int | None = None


class Grammar(Protocol):
    """What a completion may be, token by token; without state of its own.

    Attributes:
        start: The state before the first token.
    """

    start: Any

    def step(self, state: Any, token: int) -> Any | None:
        """Return the state after a token; None if no completion goes on with it."""
        ...

    def may_stop(self, state: Any) -> bool:
        """Return whether a completion may end in a state."""
        ...


@dataclass(frozen=True, slots=True)
class SearchParams:
    """The parameters of a depth-first search for all probable completions.

    Attributes:
        min_probability: The bound p, between 0 and 1: every completion is found whose probability
            (at temperature 1, its end included) is at least p.
        max_forwards: The largest number of tokens that the model computes for a request, the
            prompt's excepted; what was found by then is returned.
        best_guess: Whether the most probable token is taken from place to place until a first
            completion is complete, however improbable it is; it is returned with the others.
        grammar: What a completion may be; None for anything. Probabilities are the model's own,
            not shared out anew among the allowed completions.
    """

    min_probability: float
    max_forwards: int
    best_guess: bool = True
    grammar: Grammar | None = None


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One prompt, and completions of it whose log-probabilities are asked for.

    Attributes:
        prompt_ids: The prompt's token ids, at least one.
        completions: The token ids of each completion, at least one each; a stop token belongs to
            them where it is to be counted.
        adapter: The adapter to score with; None takes the model as it was trained.
    """

    prompt_ids: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]
    adapter: AdapterRef | None = None


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """The parameters of sampling, or of a search in its place.

    Attributes:
        n: The number of completions of each request.
        temperature: The temperature; 0 takes the most probable token each time.
        top_p: The total probability of the smallest set of most probable tokens that is sampled
            from; 1 samples from all.
        max_tokens: The longest completion, in tokens.
        stop_ids: The token ids that end a completion; they are not part of it.
        search: The parameters of a search, which needs one completion (n) at temperature 0 from all
            tokens; None samples.
    """

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    stop_ids: tuple[int, ...] = field(default=())
    search: SearchParams | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One completion of a prompt.

    Attributes:
        token_ids: The token ids, without the stop token.
        log_prob: The sum of the tokens' log-probabilities at temperature 1, in nats. A search
            counts an end by all stop tokens together, as it returns each completion once.
        n_tokens: The number of tokens in that sum, the stop token included.
        finished: Whether a stop token ended it; False if ``max_tokens`` or the time limit did.
        error: The reason why there is no answer, if the engine failed; otherwise empty.
    """

    token_ids: tuple[int, ...]
    log_prob: float
    n_tokens: int
    finished: bool
    error: str = ""


Answers = list[list[Completion]]
"""The completions of each request, in the order of the requests.

Sampling gives ``sampling.n`` of each. A search gives those that it found, the most probable first;
if it found none, one that is not finished and whose ``error`` says why.
"""


class Engine(Protocol):
    """An engine that completes prompts.

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
        in_background: Whether the work of :meth:`submit` goes on while its caller computes
            something else.
        can_search: Whether it takes ``sampling.search``. One that does not must refuse it, as
            :func:`check_sampling` does.
    """

    in_background: bool
    can_search: bool = False

    def submit(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Callable[[], Answers]:
        """Begin to complete every request ``sampling.n`` times.

        Args:
            requests: The prompts.
            sampling: The parameters of sampling.
            seconds: A time limit in seconds, or None; what is not complete by then comes back
                unfinished.

        Returns:
            A function that waits for the answers and returns them; it is called once.
        """
        ...

    def generate(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Answers:
        """Complete every request ``sampling.n`` times and return the answers.

        It takes the arguments of :meth:`submit`.
        """
        return self.submit(requests, sampling, seconds)()

    def score(self, requests: Sequence[ScoreRequest], seconds: float | None = None) -> Answers:
        """Return the log-probability of every given completion.

        An engine of your own needs it for ``pass_n.rescore`` alone.

        Args:
            requests: The prompts with their completions.
            seconds: A time limit in seconds, or None; what is not scored by then comes back with
                an ``error``.

        Returns:
            For each request its completions in their order, each as a finished
            :class:`Completion` with the sum of the log-probabilities of all its tokens.

        Raises:
            ConfigError: The engine cannot score.
        """
        raise ConfigError(
            "pass_n.engine: this engine cannot score given answers",
            value=type(self).__name__,
            expected="an engine with a method score, see arcflow.engines.base.Engine",
            next_step="Write the method, or set --pass_n.rescore.views 0.",
        )

    def sleep(self) -> None:
        """Give back the device's memory until the next :meth:`submit` or :meth:`score`.

        No request may be unanswered when this is called.
        """
        ...

    def close(self) -> None:
        """End the engine; nothing can be submitted afterwards."""
        ...


def check_sampling(
    requests: Sequence[Request], sampling: SamplingParams, can_search: bool = False
) -> None:
    """Refuse requests that an engine cannot answer.

    Args:
        requests: The prompts.
        sampling: The parameters of sampling.
        can_search: Whether the engine can search.

    Raises:
        ConfigError: If a sampling parameter is out of range, if a prompt is empty, or if a search
            is asked of an engine that cannot, or together with sampling.
    """
    next_step = "Correct the sampling options."
    if sampling.search is not None:
        if not can_search:
            raise ConfigError(
                "sampling: this engine cannot search",
                value="search",
                expected="sampling alone, or the transformers engine",
                next_step="Leave search out, or choose the transformers engine.",
            )
        check_search(sampling.search)
        if sampling.n != 1 or sampling.temperature != 0 or sampling.top_p != 1:
            raise ConfigError(
                "sampling: a search does not sample",
                value={
                    "n": sampling.n,
                    "temperature": sampling.temperature,
                    "top_p": sampling.top_p,
                },
                expected="n 1, temperature 0 and top_p 1 with a search",
                next_step=next_step,
            )
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


def check_search(search: SearchParams) -> None:
    """Refuse a search that cannot be done.

    Args:
        search: The parameters of the search.

    Raises:
        ConfigError: If the bound is no probability between 0 and 1, or the limit is below 1.
    """
    bound = search.min_probability
    if not (math.isfinite(bound) and 0 < bound < 1):
        raise ConfigError(
            "search: bad min_probability",
            value=bound,
            expected="a probability above 0 and below 1",
            next_step="Set it to 0.1, for example.",
        )
    if search.max_forwards < 1:
        raise ConfigError(
            "search: bad max_forwards",
            value=search.max_forwards,
            expected="at least 1 token",
            next_step="Set it to 1000, for example.",
        )


def check_scoring(requests: Sequence[ScoreRequest]) -> None:
    """Refuse score requests that no engine can answer.

    Args:
        requests: The prompts with their completions.

    Raises:
        ConfigError: If a prompt or a completion is empty.
    """
    for i, request in enumerate(requests):
        for what, ids in (
            ("prompt", request.prompt_ids),
            *(("completion", completion) for completion in request.completions),
        ):
            if not ids:
                raise ConfigError(
                    f"score request {i}: empty {what}",
                    value=ids,
                    expected="at least one token id",
                    next_step="Leave the request or the completion out.",
                )
