"""OmniARCDataModule: training on tasks with programs, with every task kind."""

import importlib
from dataclasses import replace
from typing import Any

from arcflow.core.errors import ConfigError, located
from arcflow.datamodules.mixture import MixtureComponent, MixtureDataModule
from arcflow.datamodules.selected import EVALUATION
from arcflow.omniarc.source import OmniARC
from arcflow.sources.mixture import sized_weights
from arcflow.sources.select import TaskSelection
from arcflow.text.kinds import get_kind

KINDS = {
    "code-from-examples": 4.0,
    "code-from-examples-and-test": 1.0,
    "code-from-inputs": 0.5,
    "code-from-feedback": 2.0,
    "output-from-code": 1.0,
    "input-from-code": 0.5,
    "output-from-examples": 2.0,
    "input-from-inputs": 0.5,
    "output-from-outputs": 0.5,
}
"""The default weight of every task kind that writes a grid or a program."""

PART = "omni-arc"


class OmniARCDataModule(MixtureDataModule):
    """A datamodule of ARC-AGI-1's training tasks with programs that solve them.

    It trains on programs from examples, outputs from programs and more. Kinds with grids alone
    take ``augment``; those with a program take its order of pairs only. Programs to be corrected
    are made by breaking right ones, and come with the feedback that an evaluation by programs
    would give. Prompts that list primitives list the words of the source's programs, unless
    ``text.primitives`` names others.

    Args:
        omniarc: the source's options; null takes the defaults. With class_path
            arcflow.search.source.SearchPrograms the programs are those that `arcflow solve` found.
        kinds: task kind to weight, 0 or more; only ratios count. null takes the nine that
            write grids or programs, half of the weight on programs from examples and their
            correction.
        parts: other parts to train on too, as MixtureDataModule's; each has its own weight.
        weight: of the tasks with programs, beside other parts.
        val: what ``fit`` measures the loss on and ``validate`` answers.
        test: what ``test`` answers; None means the ``val`` tasks.
        predict: what ``predict`` answers; None means the ``val`` tasks, answers hidden.
    """

    def __init__(
        self,
        omniarc: OmniARC | None = None,
        kinds: dict[str, float] | None = None,
        parts: dict[str, MixtureComponent] | None = None,
        weight: float = 1.0,
        val: TaskSelection = EVALUATION,
        test: TaskSelection | None = None,
        predict: TaskSelection | None = None,
        **kwargs: Any,
    ) -> None:
        if parts and PART in parts:
            raise ConfigError(
                "data.parts: a name that is taken",
                value=PART,
                expected="another name: this one is that of the tasks with programs",
                next_step="Rename the part, or set data.omniarc, data.kinds and data.weight.",
            )
        kinds = dict(KINDS if kinds is None else kinds)
        sized_weights("data.kinds", kinds, {}, None)
        for kind in kinds:
            with located("data.kinds", of=ConfigError):
                get_kind(kind)
        source = OmniARC() if omniarc is None else omniarc
        own = MixtureComponent(source=source, weight=weight, kinds=kinds)
        super().__init__({PART: own, **(parts or {})}, None, val, test, predict, **kwargs)
        if not self.text.primitives:
            words = importlib.import_module(source.own_words).__all__
            self.text = replace(self.text, primitives=tuple(words))
