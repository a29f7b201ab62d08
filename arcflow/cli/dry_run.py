"""``--dry-run``: what a run would do, and its time and memory, from a few real steps."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from jsonargparse import Namespace
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar

from arcflow.callbacks.checkpoint import RunCheckpoint
from arcflow.callbacks.data_stats import DataStatsLogger
from arcflow.callbacks.measured_evaluation import MeasuredPassN
from arcflow.callbacks.measured_fit import STEPS, StepMeter, UnsavedCheckpoint
from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.cli.dry_run_page import evaluation_lines, fit_lines, memory_lines
from arcflow.cli.lightning import ArcflowCLI
from arcflow.cli.lightning import run as run_lightning

_LIMITS = {
    "fit": "limit_val_batches",
    "validate": "limit_val_batches",
    "test": "limit_test_batches",
    "predict": "limit_predict_batches",
}


class DryRunCLI(ArcflowCLI):
    """The options and refusals of a run; a few steps, and a page of text in the run's place.

    Attributes:
        scratch: A temporary folder in the place of the run's.
    """

    groups: ClassVar[dict[str, type[Callback]]] = {
        "checkpoint": UnsavedCheckpoint,
        "test_time": TestTimeFineTuning,
        "pass_n": MeasuredPassN,
    }
    _saves_config = None
    scratch = ""

    def before_instantiate_classes(self) -> None:
        """Find the checkpoint; take no lock, make no folder and open no log."""
        config = self.config[self.subcommand]
        if config["threads"]:
            torch.set_num_threads(config["threads"])
        trainer = config["trainer"]
        self.root = Path(trainer["default_root_dir"] or ".")
        self.take_checkpoint(config, str(self.root))
        trainer["logger"] = Namespace(
            class_path="lightning.pytorch.loggers.logger.DummyLogger", init_args=Namespace()
        )
        limit = _LIMITS[self.subcommand]
        self.limit, self.validates_every = trainer[limit], 0
        if self.subcommand != "fit":
            trainer["default_root_dir"] = self.scratch
            return
        if isinstance(trainer["val_check_interval"], int) and self.limit != 0:
            self.validates_every = trainer["val_check_interval"]
            trainer["val_check_interval"] = STEPS * trainer["accumulate_grad_batches"]
        trainer["min_steps"] = trainer["min_epochs"] = None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Return a trainer that shows no bar and saves nothing."""
        trainer = super().instantiate_trainer(**kwargs)
        if self.limit != 0:
            setattr(trainer, _LIMITS[self.subcommand], 1)
        trainer.callbacks = [
            one
            for one in trainer.callbacks
            if not isinstance(one, ProgressBar | DataStatsLogger)
            and (not isinstance(one, Checkpoint) or isinstance(one, RunCheckpoint))
        ]
        return trainer

    def _run_subcommand(self, subcommand: str) -> None:
        """Measure, and tell what was measured."""
        trainer, meter = self.trainer, StepMeter()
        evaluation = next(c for c in trainer.callbacks if isinstance(c, MeasuredPassN))
        evaluation.run_folder = self.root
        if subcommand == "fit":
            trainer.callbacks.append(meter)
        super()._run_subcommand(subcommand)
        if not trainer.is_global_zero:
            return
        if subcommand == "fit":
            lines = fit_lines(trainer, meter.times, self.validates_every, self.limit)
        else:
            lines = evaluation_lines(trainer, evaluation, self.limit)
        print(f"dry run of arcflow {subcommand}: nothing was written to {self.root}")
        for name, text in (*lines, *memory_lines()):
            print(f"{name:<12}{text}")


def run(argv: Sequence[str]) -> None:
    """Measure the run that a command line describes.

    Args:
        argv: The subcommand and its options, without ``--dry-run``.
    """
    with tempfile.TemporaryDirectory(prefix="arcflow-dry-run-") as scratch:
        run_lightning(argv, type("DryRunCLI", (DryRunCLI,), {"scratch": scratch}))
