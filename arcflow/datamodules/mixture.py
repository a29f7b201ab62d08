"""MixtureDataModule: training on any sources and task kinds together, each with a weight."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from arcflow.core.augment_sampling import AugmentConfig, order_alone
from arcflow.core.errors import ConfigError, located
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.datamodules.selected import EVALUATION, SelectedDataModule
from arcflow.datamodules.streams.failed_program_stream import FEEDBACK, FailedProgramStream
from arcflow.datamodules.streams.mixture_stream import MixtureStream
from arcflow.datamodules.streams.proposal_stream import ProposalStream
from arcflow.datamodules.streams.resumable_loader import Stream
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.sources.base import Source
from arcflow.sources.load_source import load_source
from arcflow.sources.mixture import check_temperature, sized_weights
from arcflow.sources.select import TaskSelection
from arcflow.text.encode import Encoder
from arcflow.text.kinds import OUTPUT_FROM_EXAMPLES, JudgeKind, get_kind, needs_program
from arcflow.text.tokenizer import load_tokenizer

_log = logging.getLogger(__name__)
_PROBES = 64
"""The number of each part's samples that are made at the start, to see whether any fits."""


@dataclass
class MixtureComponent:
    """One part of a mixture.

    Attributes:
        tasks: published tasks or files; give this or ``source``.
        source: class_path and init_args of a source: ReARC, OmniARC, Counting, PoolSource,
            JsonLines, Mixed (several sources as one), GeneratedInputs or a class of your own.
        weight: of the part, 0 or more; only ratios count.
        kinds: task kind to weight: output-from-examples, input-from-inputs, output-from-outputs;
            verify-output and select-output, which judge the right output and generated wrong ones;
            if tasks have programs, as OmniARC's have, also code-from-examples,
            code-from-examples-and-test, code-from-inputs, code-from-feedback, output-from-code,
            input-from-code.
        augment: for this part alone; null takes the datamodule's. Kinds with a program take only
            the order of pairs and which of them is asked of it: the others would make pairs
            that the program does not make.
        template: prompt version for this part alone; null takes the datamodule's.
    """

    tasks: TaskSelection | None = None
    source: Source | None = None
    weight: float = 1.0
    kinds: dict[str, float] = field(default_factory=lambda: {OUTPUT_FROM_EXAMPLES.name: 1.0})
    augment: AugmentConfig | None = None
    template: str | None = None


class MixtureDataModule(SelectedDataModule):
    """A datamodule that trains on several parts at once and evaluates as every datamodule does.

    Samples come from the parts in an order that is a function of the seed. However many are taken
    from the start, the number of each part's samples differs from its share by less than one,
    counting samples that fit no context. Every part is guarded against evaluated tasks.

    Args:
        parts: the parts, by name.
        temperature: null takes the parts' weights as they are; a number T multiplies each with
            the part's size to the power 1 / T (its tasks, or its generators): 1 draws every task
            equally often, a large T every part.
        val: what ``fit`` measures the loss on and ``validate`` answers.
        test: what ``test`` answers; None means the ``val`` tasks.
        predict: what ``predict`` answers; None means the ``val`` tasks, answers hidden.
    """

    def __init__(
        self,
        parts: dict[str, MixtureComponent],
        temperature: float | None = None,
        val: TaskSelection = EVALUATION,
        test: TaskSelection | None = None,
        predict: TaskSelection | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(val, test, predict, **kwargs)
        self.parts, self.temperature = parts, temperature
        sized_weights("data.parts", {name: part.weight for name, part in parts.items()}, {}, None)
        check_temperature("data", temperature)
        for name, part in parts.items():
            _check(name, part)
        self._encoders: dict[tuple[str, str], Encoder] = {}

    def _training(self, ahead: Sequence[Task]) -> tuple[Stream, Sequence[Task]]:
        sources = {
            name: self._guarded(self._source_of(name, part), ahead, f"data.parts.{name}", True)
            for name, part in self.parts.items()
            if part.weight
        }
        weights = sized_weights(
            "data.parts",
            {name: self.parts[name].weight for name in sources},
            {name: len(source) for name, source in sources.items()},
            self.temperature,
        )
        streams: dict[str, TaskStream] = {}
        shares: dict[str, float] = {}
        for name, source in sources.items():
            part = self.parts[name]
            total = sum(part.kinds.values())
            for kind, weight in part.kinds.items():
                if not weight:
                    continue
                key = f"{name}, {kind}"
                augment = self.augment if part.augment is None else part.augment
                streams[key] = _stream_class(kind, source)(
                    source,
                    self._encoder_for(kind, part.template),
                    order_alone(augment) if needs_program(kind) else augment,
                    derive(self.seed, f"part {name} {kind}"),
                    self.max_tokens,
                )
                shares[key] = weights[name] * weight / total
        self._check_context(streams)
        base_tasks = [task for source in sources.values() for task in source.base_tasks()]
        return MixtureStream(streams, shares, self.seed), base_tasks

    def train_base_tasks(self) -> Sequence[Task]:
        """Return the published tasks of all parts, each once."""
        sources = [self._source_of(name, part) for name, part in self.parts.items() if part.weight]
        return list({task.id: task for source in sources for task in source.base_tasks()}.values())

    def _source_of(self, name: str, part: MixtureComponent) -> Source:
        if part.source is not None:
            return part.source
        assert part.tasks is not None
        with located(f"data.parts.{name}"):
            return load_source(part.tasks, length=self.task_tokens)

    def _encoder_for(self, kind: str, template: str | None) -> Encoder:
        text = self.text if template is None else replace(self.text, template=template)
        if kind == OUTPUT_FROM_EXAMPLES.name and text == self.text:
            return self.encoder
        key = kind, text.template
        if key not in self._encoders:
            self._encoders[key] = Encoder(load_tokenizer(self.tokenizer), text, get_kind(kind))
        return self._encoders[key]

    def _check_context(self, streams: dict[str, TaskStream]) -> None:
        """Warn of parts that do not fit the context, as far as a few samples tell."""
        never = [
            name
            for name, stream in streams.items()
            if all(stream.sample(index) is None for index in range(_PROBES))
        ]
        if len(never) == len(streams):
            raise ConfigError(
                "data.max_tokens is too small for every part of the mixture",
                value=self.max_tokens,
                expected=f"one of the first {_PROBES} samples of some part to fit",
                next_step="Raise --data.max_tokens, or choose smaller tasks.",
            )
        for name in never:
            _log.warning(
                "data.parts: nothing of %r fits max_tokens=%d, of its first %d samples: it will "
                "be passed over.",
                name,
                self.max_tokens,
                _PROBES,
            )


def _stream_class(kind: str, source: Source) -> type[TaskStream]:
    """Return the class of the stream that gives tasks what a kind asks about."""
    if isinstance(get_kind(kind), JudgeKind):
        return ProposalStream
    return FailedProgramStream if kind == FEEDBACK and source.own_words else TaskStream


def _check(name: str, part: MixtureComponent) -> None:
    where = f"data.parts.{name}"
    if (part.tasks is None) == (part.source is None):
        both = part.source is not None
        raise ConfigError(
            f"{where}: where do its tasks come from?",
            value="both tasks and source" if both else "neither tasks nor source",
            expected="one of the two: tasks for published sets and files, source for generators",
            next_step=f"Set {where}.tasks to null, or leave source out."
            if both
            else "Give it one, or correct its name if it was to change another part.",
        )
    sized_weights(f"{where}.kinds", part.kinds, {}, None)
    for kind in part.kinds:
        with located(f"{where}.kinds", of=ConfigError):
            get_kind(kind)
        fit = part.source.kinds if part.source is not None else ()
        if fit and kind not in fit:
            raise ConfigError(
                f"{where}: its source has no tasks of this kind",
                value=kind,
                expected=" or ".join(fit),
                next_step=f"Set the part's kinds to {{{fit[0]}: 1}}.",
            )
