"""A few real steps of a training run, measured; nothing is written."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from arcflow.callbacks.checkpoint import RunCheckpoint

STEPS = 3
"""Optimizer steps that are taken. The first one is left out of the mean if there are others: it
allocates memory, compiles and starts the workers."""


class UnsavedCheckpoint(RunCheckpoint):
    """Refuses what :class:`RunCheckpoint` refuses, and writes and removes no file."""

    @property
    def state_key(self) -> str:
        """The key of the checkpoints' own state, so that Lightning misses no callback."""
        return super().state_key.replace(type(self).__qualname__, RunCheckpoint.__qualname__, 1)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        pass

    def _remove_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        pass

    def _save_last(self, trainer: Trainer) -> None:
        pass

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Export nothing."""


@dataclass
class StepTimes:
    """What was measured.

    Attributes:
        start: The optimizer steps that were taken before, by an earlier run.
        began: When the first batch was asked for, in seconds since 1970.
        steps: Seconds of each measured optimizer step, its data included.
        tokens: Tokens of each measured step, of all processes.
        samples: The samples of all measured steps, of this process.
        longest: Tokens of the longest sample.
        validation: Seconds of each measured validation batch.
    """

    start: int = 0
    began: float = 0.0
    steps: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    samples: int = 0
    longest: int = 0
    validation: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """Seconds of one step; None if no step was taken."""
        known = self.steps[1:] or self.steps
        return sum(known) / len(known) if known else None

    @property
    def tokens_per_step(self) -> float:
        """The mean number of tokens of a step."""
        return sum(self.tokens) / max(1, len(self.tokens))


class StepMeter(Callback):
    """Measures optimizer steps and validation batches, and ends the run after :data:`STEPS`."""

    def __init__(self) -> None:
        self.times = StepTimes()
        self._mark = self._validating = 0.0
        self._tokens, self._last = 0, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note where the run begins."""
        self.times.start = self._last = trainer.global_step
        self.times.began, self._mark = time.time(), _now()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure a step at its last batch."""
        tokens, samples, longest = _sizes(batch)
        self._tokens += tokens * trainer.world_size
        self.times.samples += samples
        self.times.longest = max(self.times.longest, longest)
        if trainer.global_step == self._last:
            return
        self._last, now = trainer.global_step, _now()
        self.times.steps.append(now - self._mark)
        self.times.tokens.append(self._tokens)
        self._mark, self._tokens = now, 0
        if len(self.times.steps) >= STEPS:
            trainer.should_stop = True

    def on_validation_batch_start(self, *_: Any) -> None:
        """Start the clock of a validation batch."""
        self._validating = _now()

    def on_validation_batch_end(self, *_: Any) -> None:
        """Measure a validation batch."""
        self.times.validation.append(_now() - self._validating)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the validation out of the next step."""
        self._mark = _now()


def _now() -> float:
    """Return the clock in seconds, after what a GPU has been asked to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _sizes(batch: Any) -> tuple[int, int, int]:
    """Return the tokens and samples of a batch, and the tokens of its longest sample."""
    if not isinstance(batch, dict) or not isinstance(batch.get("input_ids"), Tensor):
        return 0, 0, 0
    mask, positions = batch.get("attention_mask"), batch.get("position_ids")
    if mask is not None:
        lengths = mask.sum(1)
        return int(lengths.sum()), len(lengths), int(lengths.max())
    tokens = batch["input_ids"].numel()
    if positions is None:
        return tokens, len(batch["input_ids"]), batch["input_ids"].shape[-1]
    return tokens, int((positions == 0).sum()), int(positions.max()) + 1
