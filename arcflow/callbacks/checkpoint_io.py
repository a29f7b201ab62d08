"""How Lightning's trainer reads and writes checkpoints: whole, and verified."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Trainer

from arcflow.modules.checkpoint_file import verify_checkpoint, write_checkpoint


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its target and moves it there, and verifies what it loads.

    Lightning's own writes into the folder for temporary files first; between two file systems that
    is no atomic step, and takes the space twice.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint in one atomic step.

        Raises:
            CheckpointError: the disk is full or gone; the old checkpoint is unchanged.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
        else:
            write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(self, path: str | Path, *args: Any, **options: Any) -> dict[str, Any]:
        """Return a checkpoint whose bytes are those that were written.

        Raises:
            CheckpointError: a byte has changed; the message names the tensor.
        """
        if Path(path).is_file():
            verify_checkpoint(Path(path))
        return super().load_checkpoint(path, *args, **options)


def use_whole_checkpoints(trainer: Trainer) -> None:
    """Let a trainer write and verify checkpoints so, unless it was given a way of its own."""
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = WholeCheckpointIO()
