"""``arcflow fit | validate | test | predict``: LightningCLI in subclass mode.

Besides Lightning's own groups, four option groups are always there and compose over several
``-c`` files, which entries of ``trainer.callbacks`` do not: ``checkpoint``, ``test_time``,
``pass_n`` and ``submission``.
"""

import sys
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.cli import (
    ArgsType,
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
)

from arcflow.callbacks.checkpoint import RunCheckpoint, find_checkpoint
from arcflow.callbacks.pass_n import PassN
from arcflow.callbacks.submission import SubmissionWriter
from arcflow.callbacks.test_time import TestTimeFineTuning
from arcflow.datamodules.arc import ARCDataModule
from arcflow.modules.lora import LoRAModule

__all__ = ["ARCDataModule", "ArcflowCLI", "LoRAModule", "RichProgressBar", "run"]

DEFAULT_ROOT = "runs/default"


class ArcflowCLI(LightningCLI):
    """LightningCLI with arcflow's option groups, one run folder and loud resumes."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the four callback groups and one seed for everything."""
        for group, callback in (
            ("checkpoint", RunCheckpoint),
            ("test_time", TestTimeFineTuning),
            ("pass_n", PassN),
            ("submission", SubmissionWriter),
        ):
            parser.add_lightning_class_args(callback, group)
        for target in ("data.init_args.seed", "model.init_args.seed", "test_time.seed"):
            parser.link_arguments("seed_everything", target)
        parser.link_arguments("seed_everything", "pass_n.seed")
        parser.link_arguments(
            "model.tokenizer_name", "data.init_args.tokenizer", apply_on="instantiate"
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse ``args`` alone: Lightning's own warns when the interpreter has arguments too."""
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Keep the options of YAML and command line.

        Lightning's own lets hyperparameters stored in the checkpoint win over them silently.
        """

    def before_instantiate_classes(self) -> None:
        """One folder a run: find ``last`` in it (or fail), log into it."""
        config = self.config[self.subcommand]
        root = config["trainer"]["default_root_dir"]
        if config.get("ckpt_path") is not None:
            config["ckpt_path"] = str(find_checkpoint(root, str(config["ckpt_path"])))
        if config["trainer"].get("logger") in (None, True):
            # A new version folder each start, so that a resumed run keeps its first half's log.
            config["trainer"]["logger"] = self._parser(self.subcommand).parse_object(
                {
                    "trainer": {
                        "logger": {
                            "class_path": "lightning.pytorch.loggers.CSVLogger",
                            "init_args": {"save_dir": root, "name": "logs"},
                        }
                    }
                },
                config,
            )["trainer"]["logger"]


def run(argv: Sequence[str]) -> None:
    """Parse ``argv`` and run the subcommand it names."""
    trainer_defaults: dict[str, Any] = {
        "default_root_dir": DEFAULT_ROOT,
        "max_epochs": 1,
        "check_val_every_n_epoch": None,
        "inference_mode": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": True,
    }
    ArcflowCLI(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        trainer_defaults=trainer_defaults,
        seed_everything_default=0,
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        save_config_callback=SaveConfigCallback,
        save_config_kwargs={"overwrite": True},
        parser_kwargs={"prog": "arcflow"},
        args=list(argv),
    )
    sys.stdout.flush()
