"""Callbacks that watch or kill a run from within; apart from `runs`, since they need Lightning."""

import os
import signal
from typing import Any

from lightning.pytorch import Callback

from arcflow.datamodules.task_batches import TaskBatch


class Recorder(Callback):
    """Appends every step's loss, exactly, to a file; kills its process when told to.

    Of several processes the first writes, the loss over all of them, and all are killed.

    Args:
        path: text file, one line a step: the number of its last batch, and its loss as a
            hexadecimal float.
        kill_at: batch number after which the process gets SIGKILL; 0 never.
    """

    def __init__(self, path: str, kill_at: int = 0) -> None:
        self.path, self.kill_at, self.pid = path, kill_at, os.getpid()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        number = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        if trainer.is_global_zero and not trainer.fit_loop._should_accumulate():
            # What a batch returns is this process's share, of this one of the accumulated batches.
            loss = trainer.callback_metrics["train_loss"]
            with open(self.path, "a") as lines:
                lines.write(f"{number} {loss.item().hex()}\n")
                lines.flush()
                os.fsync(lines.fileno())
        if number == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class KillAfterTaskBatches(Callback):
    """Kills its process with SIGKILL after a number of evaluated task batches.

    Args:
        task_batches: number of task batches that are answered first.
    """

    def __init__(self, task_batches: int) -> None:
        self.left = task_batches

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.left -= isinstance(batch, TaskBatch)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
