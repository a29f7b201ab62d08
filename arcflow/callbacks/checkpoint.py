"""Checkpoints of a run: one folder, one ``last.ckpt``, never another run's.

A checkpoint holds what a resumed run restores: the trained weights and a fingerprint of the base
(:mod:`arcflow.modules.lora_module`), the optimizer, the schedule and the step (Lightning), the
place in the stream of samples (:mod:`arcflow.datamodules.streams.resumable_loader`), and the
callbacks' states. Random numbers need no state: each is a function of seed and index.
:mod:`arcflow.modules.checkpoint_file` writes and checks the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, Timer
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor

from arcflow.callbacks.checkpoint_io import use_whole_checkpoints
from arcflow.callbacks.divergence import DivergenceWatch, diverged
from arcflow.callbacks.termination import any_process, termination_requested
from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.core.termination import Terminated
from arcflow.modules.checkpoint_file import read_checkpoint
from arcflow.modules.finite import first_not_finite
from arcflow.modules.lora_module import LoRAModule


class RunCheckpoint(ModelCheckpoint):
    """Saves the run to ``<trainer.default_root_dir>/checkpoints``.

    ``last.ckpt`` is always the newest; ``arcflow fit --ckpt_path last`` continues from it bit
    for bit.

    Args:
        every_n_steps: save after so many optimizer steps; 0 saves after each validation.
        keep: how many checkpoints to keep besides ``last.ckpt``, by ``monitor``; 0 keeps none.
        monitor: the logged value that ranks checkpoints (smaller is better); empty ranks by age.
        export: at the end write into ``<trainer.default_root_dir>``: "trained" what was trained
            (``adapter`` in PEFT's format, or ``model`` where all weights were trained), "merged"
            a whole ``model`` that transformers loads, adapter included.
        overwrite: let a new run (no ``--ckpt_path``) replace the checkpoints in its folder.
    """

    def __init__(
        self,
        every_n_steps: int = 0,
        keep: int = 0,
        monitor: str = "",
        export: Literal["none", "trained", "merged"] = "none",
        overwrite: bool = False,
    ) -> None:
        if every_n_steps < 0 or keep < 0:
            raise ConfigError(
                "checkpoint: negative number",
                value={"every_n_steps": every_n_steps, "keep": keep},
                expected="numbers >= 0",
                next_step="Set checkpoint.every_n_steps and checkpoint.keep to 0 or more.",
            )
        self.overwrite, self.export = overwrite, export
        self._due = False
        self._watch = DivergenceWatch()
        super().__init__(
            monitor=monitor or ("step" if keep else None),
            mode="min" if monitor else "max",
            save_top_k=keep,
            save_last=True,
            every_n_train_steps=every_n_steps or None,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
            filename="step={step}",
            auto_insert_metric_name=False,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the folder of the checkpoints, and how they are written."""
        use_whole_checkpoints(trainer)
        self.dirpath = str(checkpoint_folder(trainer.default_root_dir))
        super().setup(trainer, pl_module, stage)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to run over another run's checkpoints, and saves that could not be continued."""
        if self.export != "none":
            _module(pl_module)
            if isinstance(trainer.strategy, FSDPStrategy):
                raise ConfigError(
                    "checkpoint.export: no process has the whole model",
                    value="trainer.strategy: fsdp",
                    expected="checkpoint.export: none under FSDP",
                    next_step="Export afterwards on one device: --ckpt_path last with one more "
                    "of trainer.max_steps, or load last.ckpt in Python.",
                )
        # A time (HH:MM:SS) is no such attribute of the trainer; it can fall anywhere.
        interval = getattr(trainer, "val_check_interval", None)
        parts = trainer.accumulate_grad_batches
        within = parts > 1 and (interval is None or interval % parts != 0)
        if self.save_top_k and self._every_n_train_steps == 0 and within:
            raise ConfigError(
                "checkpoint.keep: validation falls between the batches of one optimizer step, "
                "whose gradients no checkpoint holds",
                value=f"trainer.val_check_interval: {interval or 'a time'}",
                expected=f"a multiple of trainer.accumulate_grad_batches, {parts}",
                next_step="Change one of the two, or set checkpoint.every_n_steps.",
            )
        if not trainer.strategy.restore_checkpoint_after_setup:
            self._refuse_another_run(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse another run's checkpoints under FSDP, whose trainer knows only now what it
        continues."""
        super().on_train_start(trainer, pl_module)
        if trainer.strategy.restore_checkpoint_after_setup:
            self._refuse_another_run(trainer)

    def _refuse_another_run(self, trainer: Trainer) -> None:
        if trainer.fast_dev_run:
            return
        last = checkpoint_folder(trainer.default_root_dir) / "last.ckpt"
        # As the first process sees it, on whose disk the run is: all stop, or none.
        taken = trainer.strategy.broadcast(last.exists())
        if trainer.ckpt_path is None and taken and not self.overwrite:
            raise CheckpointError(
                "this folder holds the checkpoints of another run",
                value=str(last),
                expected="a new folder for a new run",
                next_step="Continue that run with --ckpt_path last, choose another "
                "--trainer.default_root_dir, or replace it with --checkpoint.overwrite true.",
            )

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let ``trainer.max_time`` count from this start.

        Lightning adds the time of earlier starts, so that a run which reached its limit would stop
        again at once.
        """
        states = checkpoint.get("callbacks", {})
        for callback in trainer.callbacks:
            if isinstance(callback, Timer) and callback.state_key in states:
                states[callback.state_key]["time_elapsed"] = {}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        """Note whether the gradient of the step is finite."""
        if trainer.precision != "16-mixed":  # whose loss scale is found by overflows
            parameters = (p for group in optimizer.param_groups for p in group["params"])
            self._watch.note_gradients(parameters, trainer.global_step + 1)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, if no number of steps was given; Lightning's own hook does so only for the kept
        ones."""
        if trainer.state.fn == "fit":
            loss = trainer.callback_metrics.get("val_loss")
            if loss is not None and not torch.isfinite(loss):
                raise diverged(trainer, "the validation loss", str(float(loss)), self._last)
        super().on_validation_end(trainer, pl_module)
        if self._every_n_train_steps == 0:
            # Between the batches of one optimizer step gradients are under way, which no
            # checkpoint holds: the save waits for the step.
            self._due = _in_a_step(trainer)
            if not self._due:
                self._save_last(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save at steps, at the last one, and what a validation within a step left to save.

        The last step is saved here, not only at the end of training: there the epoch counts as
        done, and a run continued with more steps would not be the longer run's continuation.
        """
        in_a_step = _in_a_step(trainer)
        if isinstance(outputs, Mapping) and isinstance(outputs.get("loss"), Tensor):
            self._watch.note_loss(outputs["loss"], trainer.global_step + in_a_step)
        if not in_a_step:
            self._check_finite(trainer)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if in_a_step:
            return
        if self._due or trainer.global_step == trainer.max_steps:
            self._due = False
            self._save_last(trainer)
        self._end_if_terminated(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """End a validation within ``fit`` where SIGTERM arrived, unless an optimizer step is under
        way, which no checkpoint holds."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and not _in_a_step(trainer):
            self._end_if_terminated(trainer)

    def _end_if_terminated(self, trainer: Trainer) -> None:
        """Save and end the run if SIGTERM was received, except where all steps are done: what is
        left then is to export."""
        if trainer.global_step == trainer.max_steps or not termination_requested(trainer):
            return
        self._save_last(trainer)
        raise Terminated(f"Step {trainer.global_step} is saved: continue with --ckpt_path last.")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end of a run that stopped early, and export; a fast_dev_run leaves nothing."""
        if trainer.fast_dev_run:
            return
        super().on_train_end(trainer, pl_module)
        self._save_last(trainer)
        if self.export != "none":
            self._check_finite(trainer, saving=True)
        if self.export != "none" and trainer.is_global_zero:
            module, root = _module(pl_module), Path(trainer.default_root_dir)
            if self.export == "trained" and module.lora is not None:
                written = module.export(root / "adapter")
            else:
                written = module.merge(root / "model")
            print(f"exported: {written}")
        # Processes that end while another still works take its connections with them.
        trainer.strategy.barrier("arcflow_exported")

    def _check_finite(self, trainer: Trainer, saving: bool = False) -> None:
        """End a training whose loss or gradient, or before a save a weight, is not finite."""
        alone = trainer.world_size == 1
        found = self._watch.first(wait=saving or not alone)
        bad = first_not_finite(trained(trainer.lightning_module)) if saving else None
        if alone and found is None and bad is None:
            return
        if not any_process(trainer, found is not None or bad is not None):
            return
        if found is not None:
            step, what = found
            raise diverged(trainer, f"the {what} of step {step}", "nan or inf", self._last)
        where = f"a weight after step {trainer.global_step}"
        raise diverged(trainer, where, bad or "another process's", self._last)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        """Save, unless something is not finite: then the last finite checkpoint stays."""
        self._check_finite(trainer, saving=True)
        super()._save_checkpoint(trainer, filepath)

    @property
    def _last(self) -> Path:
        return Path(str(self.dirpath)) / "last.ckpt"

    def _save_last(self, trainer: Trainer) -> None:
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))


def _module(module: LightningModule) -> LoRAModule:
    if isinstance(module, LoRAModule):
        return module
    raise ConfigError(
        "checkpoint.export: the module does not know how",
        value=type(module).__name__,
        expected="a LoRAModule, or a subclass of it",
        next_step="Set --checkpoint.export none, or derive the module from LoRAModule.",
    )


def trained(module: LightningModule) -> dict[str, Tensor]:
    """Return the parameters that a module trains, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _in_a_step(trainer: Trainer) -> bool:
    """Return whether the next batch adds to gradients that no optimizer step has used yet."""
    return bool(trainer.fit_loop._should_accumulate())


def checkpoint_folder(root: str | Path) -> Path:
    """Return where a run with this ``default_root_dir`` keeps its checkpoints."""
    return Path(root) / "checkpoints"


def find_checkpoint(root: str | Path, name: str) -> Path:
    """Return the file that ``--ckpt_path NAME`` means: ``last``, or a path.

    Raises:
        CheckpointError: there is no such file (Lightning itself would start from scratch), or it
            is not a checkpoint.
    """
    path = checkpoint_folder(root) / "last.ckpt" if name == "last" else Path(name)
    if not path.is_file():
        raise CheckpointError(
            f"--ckpt_path {name}: no checkpoint there",
            value=str(path),
            expected="a checkpoint file",
            next_step="Give the --trainer.default_root_dir of the run to continue, or a path; "
            "leave --ckpt_path out to start from scratch.",
        )
    read_checkpoint(path)
    return path
