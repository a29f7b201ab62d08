"""Losses and gradients of a training that are no longer finite, noticed without waiting for a GPU.

Each step adds a few numbers to the device's work, which say in which step the first loss and the
first gradient was not finite. On the CPU they are read after the step. From a GPU they are copied
in the background and read as soon as they have arrived, usually after the next step; before a
checkpoint is written they are waited for, as the checkpoint itself has to be.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from arcflow.core.errors import ArcflowError

_NEVER = 2**62
_WHAT = ("loss", "gradient")


class DivergedError(ArcflowError):
    """An error about a training whose numbers are no longer finite."""


class DivergenceWatch:
    """The first step in which the loss, or the gradient, was not finite."""

    def __init__(self) -> None:
        self._first: Tensor | None = None
        self._copy: Tensor | None = None
        self._event: torch.cuda.Event | None = None

    def note_loss(self, loss: Tensor, step: int) -> None:
        """Take the loss of a step, numbered from 1."""
        self._note(0, torch.isfinite(loss.detach()).all(), step)

    def note_gradients(self, parameters: Iterable[nn.Parameter], step: int) -> None:
        """Take the gradients of a step.

        Those in float16 are left out: their loss scale makes them overflow on purpose.
        """
        gradients = [p.grad for p in parameters if p.grad is not None and p.grad.numel()]
        if gradients and all(gradient.dtype != torch.float16 for gradient in gradients):
            norm = nn.utils.get_total_norm(gradients)
            self._note(1, torch.isfinite(norm), step)

    def first(self, wait: bool) -> tuple[int, str] | None:
        """Return the first step that was not finite, and "loss" or "gradient"; None without one.

        Args:
            wait: Whether to wait for the device; otherwise steps may come to light a little later.
        """
        if self._first is None:
            return None
        if self._first.device.type != "cuda":
            return _earliest(self._first)
        if self._copy is None or self._event is None:
            self._copy = torch.full((2,), _NEVER, dtype=torch.int64, pin_memory=True)
            self._event = torch.cuda.Event()
            self._copy.copy_(self._first, non_blocking=True)
            self._event.record()
        if wait:
            return _earliest(self._first.cpu())
        if not self._event.query():
            return None
        found = _earliest(self._copy)
        self._copy.copy_(self._first, non_blocking=True)
        self._event.record()
        return found

    def _note(self, place: int, finite: Tensor, step: int) -> None:
        if self._first is None:
            self._first = torch.full((2,), _NEVER, dtype=torch.int64, device=finite.device)
        now = torch.where(finite.to(self._first.device), _NEVER, step)
        self._first[place] = torch.minimum(self._first[place], now)


def _earliest(first: Tensor) -> tuple[int, str] | None:
    steps = first.tolist()
    step = min(steps)
    return None if step == _NEVER else (step, _WHAT[steps.index(step)])


def diverged(trainer: Trainer, what: str, value: str, last: Path) -> DivergedError:
    """Return the error that ends a training whose numbers are no longer finite.

    Args:
        trainer: The trainer.
        what: What is not finite.
        value: Its value, or the name of the tensor.
        last: The run's last checkpoint, which may not exist.
    """
    rate = trainer.optimizers[0].defaults.get("lr")
    kept = f" {last} holds the last finite weights." if last.exists() else ""
    return DivergedError(
        f"training diverged: {what} is not finite",
        value=value,
        expected="finite numbers",
        next_step=f"Lower --model.optimizer.lr (now {rate:g}), or set "
        f"--trainer.gradient_clip_val 1.{kept} Nothing was written since.",
    )
