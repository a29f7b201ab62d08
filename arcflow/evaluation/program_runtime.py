"""Answers by programs: the options, the prompts, and the sandbox that runs what is written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.errors import ConfigError
from arcflow.core.grid import Grid
from arcflow.sandbox import Limits, Result, Sandbox
from arcflow.sandbox.pool import API
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.kinds import get_kind
from arcflow.text.tokenizer import load_tokenizer

SEARCH_API, SEARCH_WORD = "arcflow.search.words", "piece"
"""The module of the words of a search's programs, and one of them that the DSL lacks."""

_FEEDBACK = "code-from-feedback"
_LIMITS = Limits()
_POLICY = tuple(
    f"arcflow.sandbox.{name}"
    for name in ("allowlist", "ast_policy", "namespace", "outputs", "results")
)
_WORDS = ("arcflow.omniarc.feedback", "arcflow.omniarc.trial")
"""The options that decide which programs may run, and the feedback on those that fail."""


@dataclass(frozen=True)
class CodeConfig:
    """How tasks are answered by programs that the model writes.

    For each view ``answer.samples`` programs are written, each at most ``data.text.code_tokens``
    long. Each runs in the sandbox on the inputs of the view; it votes, with the grids it gives
    for the test inputs, if it reproduces every train pair of the view.

    Attributes:
        kind: what is asked: with the test input in view (of several each in turn), or without.
        seconds: longest time of a program, on all inputs together.
        memory_mb: memory that a program may use.
        workers: programs that run at the same time.
        strict: refuse to run where this machine lacks one of the sandbox's layers.
        rounds: how often failing programs go back to be corrected, with what is wrong with them;
            only for tasks of which no program reproduces all train pairs.
        corrected: failing programs of a task that go back in a round: those that reproduce most.
        token_budget: most tokens of a task's corrections, prompts and answers of all rounds.
        hindsight: test-time fine-tuning trains on programs in place of grids: those that the model
            as it was trained writes for a task, each as the answer to the outputs that it gives.
    """

    kind: Literal["code-from-examples", "code-from-examples-and-test"] = "code-from-examples"
    seconds: float = _LIMITS.seconds
    memory_mb: int = _LIMITS.memory_mb
    workers: int = 2
    strict: bool = False
    rounds: int = 0
    corrected: int = 4
    token_budget: int = 16384
    hindsight: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name, least in (("workers", 1), ("rounds", 0), ("corrected", 1), ("token_budget", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"pass_n.code.{name} is too small",
                    value=getattr(self, name),
                    expected=f"at least {least}",
                    next_step=f"Set --pass_n.code.{name} {least} or more.",
                )
        self.limits()

    def limits(self) -> Limits:
        """Return the bounds of each program.

        Raises:
            SandboxError: they are out of range.
        """
        return Limits(seconds=self.seconds, memory_mb=self.memory_mb)


class Programs:
    """Prompts for programs, and the sandbox that runs them.

    Args:
        tokenizer: name or folder.
        text: how tasks and programs become text.
        config: what is asked, and how programs run.

    Attributes:
        config: as given.
        encoder: asks for programs.
        corrector: asks to correct one; None where none goes back.
        words: the module whose words programs may use: the DSL's, and those of a search if prompts
            list them.
    """

    def __init__(self, tokenizer: str, text: TextConfig, config: CodeConfig) -> None:
        self.config = config
        self.words = SEARCH_API if SEARCH_WORD in text.primitives else API
        loaded = load_tokenizer(tokenizer)
        self.encoder: Encoder[Any] = Encoder(loaded, text, get_kind(config.kind))
        self.corrector: Encoder[Any] | None = None
        if config.rounds:
            self.corrector = Encoder(loaded, text, get_kind(_FEEDBACK))
        self._sandbox: Sandbox | None = None

    def record(self) -> dict[str, object]:
        """Return what answers depend on: plain values by the options' names, for a journal's
        header."""
        options = asdict(self.config)
        del options["workers"]  # may change on the way
        record = {f"pass_n.code.{name}": value for name, value in options.items()}
        encoders = [self.encoder, *([self.corrector] if self.corrector is not None else [])]
        texts = {encoder.kind.name: encoder.fingerprint() for encoder in encoders}
        return record | {
            "pass_n.code text": texts,
            "data.text.code_tokens": self.encoder.config.code_tokens,
            "the DSL's code": code_fingerprint(self.words),
            "the sandbox's policy": code_fingerprint(*_POLICY),
            "the feedback's code": code_fingerprint(*_WORDS),
        }

    def open(self) -> None:
        """Start the sandbox.

        Raises:
            SandboxError: there can be none on this machine.
        """
        if self._sandbox is None:
            config = self.config
            self._sandbox = Sandbox(
                config.workers, config.limits(), self.words, strict=config.strict
            )

    def run(
        self,
        programs: Sequence[str],
        inputs: Sequence[Sequence[Grid]],
        *,
        per_process: int | None = None,
    ) -> list[Result]:
        """Run each program on its own grids, and return a result for each; see
        :meth:`arcflow.sandbox.Sandbox.run`."""
        self.open()
        assert self._sandbox is not None
        return self._sandbox.run(programs, inputs, per_process=per_process)

    def close(self) -> None:
        """End the sandbox."""
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()
