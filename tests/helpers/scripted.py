"""An engine that writes what a script says, in place of a model."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from lightning.pytorch import Callback

import arcflow.callbacks.pass_n
from arcflow.engines.base import Answers, Completion, Request, SamplingParams
from arcflow.evaluation.engine_setup import EngineSession
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.scripted_programs import WRITINGS

Script = Callable[[str, int, int], str]
"""From the prompt's text, the request's seed and the sample's number to what is written."""


class ScriptedEngine:
    """Writes a script; a pure function of each request, as an engine has to be.

    Args:
        script: what is written.
        in_background: what it says of itself.
    """

    def __init__(self, script: Script, in_background: bool = False) -> None:
        self.script, self.in_background = script, in_background
        self.tokenizer: Any = load_tokenizer("characters")
        self.prompts: list[str] = []
        self.requests: list[Request] = []

    def generate(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Answers:
        self.requests += requests
        return [self._complete(request, sampling) for request in requests]

    def _complete(self, request: Request, sampling: SamplingParams) -> list[Completion]:
        prompt = self.tokenizer.decode(request.prompt_ids)
        self.prompts.append(prompt)
        found = []
        for k in range(sampling.n):
            text = self.script(prompt, request.seed, k)
            ids = tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
            most = request.max_tokens or sampling.max_tokens
            found.append(Completion(ids[:most], -0.5 * len(ids), len(ids) + 1, len(ids) < most))
        return found

    def submit(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Callable[[], Answers]:
        return lambda: self.generate(requests, sampling, seconds)

    def sleep(self) -> None:
        pass

    def close(self) -> None:
        pass


def by_seed(prompt: str, seed: int, sample: int) -> str:
    """One of WRITINGS, drawn by the request."""
    return WRITINGS[(seed // 7 + 3 * sample) % len(WRITINGS)]


def use_engine(engine: ScriptedEngine, patch: pytest.MonkeyPatch) -> None:
    """Have evaluations ask this engine."""
    patch.setattr(arcflow.callbacks.pass_n, "open_engine", lambda *_, **__: EngineSession(engine))


class Scripted(Callback):
    """In a child process, for all of its life: evaluations ask a scripted engine.

    Args:
        background: whether the engine says that it works in the background.
    """

    def __init__(self, background: bool = False) -> None:
        use_engine(ScriptedEngine(by_seed, background), pytest.MonkeyPatch())
