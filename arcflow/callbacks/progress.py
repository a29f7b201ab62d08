"""A progress bar that knows where a run ends."""

import sys
import time
from typing import Any

from lightning.pytorch.callbacks import TQDMProgressBar

from arcflow.datamodules.task_batches import TaskBatch


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
        """Name what is counted: batches of the loss, or tasks."""
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
        """Say behind the bar what an evaluation is doing, at most twice a second."""
        now = time.monotonic()
        if self.is_disabled or now - self._told < 0.5:
            return
        self._told = now
        # Only the running command's bar is there to be asked for.
        running = self.trainer.state.fn
        if running is not None and running != "fit":
            name = {"validate": "val"}.get(running.value, running.value)
            getattr(self, f"{name}_progress_bar").set_postfix_str(text)

    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, Any]:
        """Return the logged values, without the logger's version number."""
        items = super().get_metrics(trainer, pl_module)
        items.pop("v_num", None)
        return items


def _counted(batch: Any) -> str:
    return "tasks" if isinstance(batch, TaskBatch) else "loss"
