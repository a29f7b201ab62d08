"""Progress of a run: a bar on a terminal, lines in a log, a text that is replaced in a notebook."""

import os
import sys
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, TQDMProgressBar

from arcflow.datamodules.task_batches import TaskBatch
from arcflow.evaluation.status import in_words


class RunProgress(TQDMProgressBar):
    """Counts training batches up to ``trainer.max_steps``: the stream itself has no end.

    Args:
        refresh_rate: batches between two updates; 0 takes 1 on a terminal and 50 elsewhere, as
            a log keeps them all.
    """

    def __init__(self, refresh_rate: int = 0) -> None:
        super().__init__(refresh_rate=refresh_rate or (1 if sys.stdout.isatty() else 50))
        self._told = 0.0

    @property
    def total_train_batches(self) -> int | float:
        """The number of batches of the whole run."""
        trainer = self.trainer
        if trainer.max_steps > 0:
            return trainer.max_steps * trainer.accumulate_grad_batches
        return super().total_train_batches

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, *place: Any
    ) -> None:
        """Name what is counted: batches of the loss, or of tasks."""
        super().on_validation_batch_start(trainer, pl_module, batch, *place)
        self.val_progress_bar.set_description(_counted(batch))

    def on_test_batch_start(self, trainer: Any, pl_module: Any, batch: Any, *place: Any) -> None:
        """Name what is counted."""
        super().on_test_batch_start(trainer, pl_module, batch, *place)
        self.test_progress_bar.set_description(_counted(batch))

    def on_predict_batch_start(self, trainer: Any, pl_module: Any, batch: Any, *place: Any) -> None:
        """Name what is counted."""
        super().on_predict_batch_start(trainer, pl_module, batch, *place)
        self.predict_progress_bar.set_description(_counted(batch))

    def report(self, text: str) -> None:
        """Say behind the bar what an evaluation is doing, at most twice a second.

        Args:
            text: What it is doing.
        """
        now = time.monotonic()
        if self.is_disabled or now - self._told < 0.5:
            return
        self._told = now
        # Only the running command's bar is there to be asked for.
        running = self.trainer.state.fn
        if running is not None and running != "fit":
            name = {"validate": "val"}.get(running.value, running.value)
            getattr(self, f"{name}_progress_bar").set_postfix_str(text)

    def finished(self, line: str) -> None:
        """Show a line above the bar.

        Args:
            line: What is known of a task batch that is finished.
        """
        self.print(line)

    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, Any]:
        """Return the logged values, without the logger's version number."""
        items = super().get_metrics(trainer, pl_module)
        items.pop("v_num", None)
        if "tokens_per_s" in items:
            items["tokens_per_s"] = f"{float(items['tokens_per_s']):,.0f}"
        return items


class LineProgress(ProgressBar):
    """Progress as lines of text, for logs and pipes, which keep every move of a bar.

    Training writes a line at its first and its last step and every ``seconds`` between; an
    evaluation one for each task batch, and what it is doing every ``seconds``.

    Args:
        seconds: Seconds between two lines.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._enabled = True
        self._told = self._began = 0.0
        self._first_step = self._told_step = self._tokens = 0

    def disable(self) -> None:
        """Write nothing from now on; Lightning calls this in all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Write lines from now on."""
        self._enabled = True

    def print(self, *values: Any, **options: Any) -> None:
        """Print at once, as nobody sees what waits in a buffer."""
        if self._enabled:
            print(*values, **options, flush=True)

    def report(self, text: str) -> None:
        """Write what an evaluation is doing, unless there was a line a short time ago.

        Args:
            text: What it is doing.
        """
        if time.monotonic() - self._told >= self._seconds:
            self.finished(text)

    def finished(self, line: str) -> None:
        """Write a line.

        Args:
            line: What is known of a task batch that is finished.
        """
        self._told = time.monotonic()
        self.print(line)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for the first line of an evaluation."""
        if trainer.state.fn != "fit":
            self._told = time.monotonic()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for the first line of an evaluation."""
        self._told = time.monotonic()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for the first line of an evaluation."""
        self._told = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count steps and tokens."""
        self._began, self._tokens = time.monotonic(), 0
        self._first_step = self._told_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a line where it is time for one."""
        if isinstance(batch, dict) and "input_ids" in batch:
            self._tokens += batch["input_ids"].numel() * trainer.world_size
        step = trainer.global_step
        if step == self._told_step:
            return
        first = self._told_step == self._first_step
        late = time.monotonic() - self._told >= self._seconds
        if first or late or step == trainer.max_steps:
            self._told_step = step
            self.finished(self._training(trainer, step))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the loss of a validation inside of training."""
        loss = trainer.callback_metrics.get("val_loss")
        if trainer.state.fn == "fit" and not trainer.sanity_checking and loss is not None:
            self.finished(f"step {trainer.global_step}: val_loss {float(loss):.4g}")

    def _training(self, trainer: Trainer, step: int) -> str:
        seconds = max(time.monotonic() - self._began, 1e-9)
        words = [f"step {step}/{trainer.max_steps}" if trainer.max_steps > 0 else f"step {step}"]
        loss = trainer.callback_metrics.get("train_loss")
        if loss is not None:
            words.append(f"loss {float(loss):.4g}")
        words.append(f"{self._tokens / seconds:,.0f} tokens/s")
        if trainer.max_steps > 0:
            each = seconds / (step - self._first_step)
            words.append(f"{in_words(each * (trainer.max_steps - step))} left")
        return ", ".join(words)


class NotebookProgress(LineProgress):
    """Progress as a text below a notebook's cell that is replaced, not added to.

    It shows the last line about steps or finished tasks, the last validation, and what an
    evaluation is doing. It needs IPython's display alone, no widgets.

    Args:
        seconds: Seconds between two texts.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        super().__init__(seconds)
        self._place: Any = None
        self._lines: dict[str, str] = {}

    def report(self, text: str) -> None:
        """Show what an evaluation is doing, below its last line.

        Args:
            text: What it is doing.
        """
        if time.monotonic() - self._told >= self._seconds:
            self._told = time.monotonic()
            self._show("doing", text)

    def finished(self, line: str) -> None:
        """Show a line in the place of the one before.

        Args:
            line: What is known of a step, a validation or a task batch.
        """
        self._told = time.monotonic()
        self._lines.pop("doing", None)
        self._show("validation" if "val_loss" in line else "line", line)

    def _show(self, name: str, text: str) -> None:
        if not self._enabled:
            return
        from IPython.display import display

        self._lines[name] = text
        words = {"text/plain": "\n".join(self._lines.values())}
        if self._place is None:
            self._place = display(words, raw=True, display_id=True)
        else:
            self._place.update(words, raw=True)


Progress = RunProgress | LineProgress


def run_progress() -> Progress:
    """Return what suits the output: a terminal, a notebook's cell, or anything else."""
    if _in_notebook():
        return NotebookProgress()
    return RunProgress() if sys.stdout.isatty() and _columns() else LineProgress()


def _columns() -> int:
    """Return the terminal's width; 0 where it has none, as under some schedulers: a bar would be
    empty there."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 80


def _in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def _counted(batch: Any) -> str:
    return "task batches" if isinstance(batch, TaskBatch) else "loss"
