"""The check of what callbacks such as EarlyStopping wait for, before any step is taken."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from arcflow.core.class_path import did_you_mean
from arcflow.core.errors import ConfigError
from arcflow.modules.lora_module import LoRAModule

MEASURED = ("val_loss", "train_loss", "lr", "tokens_per_s")
"""What :class:`LoRAModule` logs while it trains."""
_OURS = ("arcflow.", "lightning.")


def check_monitors(trainer: Trainer, module: LightningModule) -> None:
    """Check that each value that a callback monitors is measured in training.

    Nothing is refused where a module or a callback of the user's own may log the value.

    Args:
        trainer: The trainer with its callbacks.
        module: What it trains.

    Raises:
        ConfigError: If a callback monitors a value that nothing logs.
    """
    callbacks: list[Any] = list(getattr(trainer, "callbacks", ()))
    kinds = [type(one).__module__ for one in callbacks]
    if type(module) is not LoRAModule or not all(kind.startswith(_OURS) for kind in kinds):
        return
    for callback in callbacks:
        name = getattr(callback, "monitor", None)
        # Lightning counts for its checkpoints, which rank by age where no metric is named.
        counted = ("epoch", "step") if isinstance(callback, ModelCheckpoint) else ()
        if isinstance(name, str) and name not in (*MEASURED, *counted):
            raise ConfigError(
                f"trainer.callbacks: {type(callback).__name__} monitors a value that is not "
                f"measured{did_you_mean(name, MEASURED)}",
                value=name,
                expected=f"one of {', '.join(MEASURED)}",
                next_step="Correct its monitor.",
            )
