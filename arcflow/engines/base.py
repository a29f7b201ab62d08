"""The protocol between evaluation and the engines that write answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from arcflow.core.errors import ConfigError


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
    """The parameters of sampling.

    Attributes:
        n: The number of completions of each request.
        temperature: The temperature; 0 takes the most probable token each time.
        top_p: The total probability of the smallest set of most probable tokens that is sampled
            from; 1 samples from all.
        max_tokens: The longest completion, in tokens.
        stop_ids: The token ids that end a completion; they are not part of it.
    """

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    stop_ids: tuple[int, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Completion:
    """One completion of a prompt.

    Attributes:
        token_ids: The token ids, without the stop token.
        log_prob: The sum of the tokens' log-probabilities at temperature 1, in nats.
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
"""The ``sampling.n`` completions of each request, in the order of the requests."""


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
    """

    in_background: bool

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


def check_sampling(requests: Sequence[Request], sampling: SamplingParams) -> None:
    """Refuse requests that no engine can answer.

    Args:
        requests: The prompts.
        sampling: The parameters of sampling.

    Raises:
        ConfigError: If a sampling parameter is out of range, or a prompt is empty.
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
