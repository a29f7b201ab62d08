"""``arcflow fit | validate | test | predict``: LightningCLI in subclass mode.

Besides Lightning's own groups, three option groups are always there and compose over several
``-c`` files, which entries of ``trainer.callbacks`` do not: ``checkpoint``, ``test_time`` and
``pass_n``.
"""

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import yaml
from jsonargparse import ArgumentParser, Namespace, get_loader, set_loader
from jsonargparse.typing import NonNegativeInt
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar, TQDMProgressBar
from lightning.pytorch.cli import (
    ArgsType,
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
)

from arcflow.callbacks.checkpoint import RunCheckpoint, find_checkpoint
from arcflow.callbacks.data_stats import DataStatsLogger
from arcflow.callbacks.monitors import check_monitors
from arcflow.callbacks.pass_n import PassN
from arcflow.callbacks.progress import run_progress
from arcflow.callbacks.termination import handle_termination
from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.cli.run_lock import lock_run, run_locks
from arcflow.cli.word_forms import RUN_FOLDER, fill_loggers
from arcflow.core.errors import ArcflowError, ConfigError
from arcflow.core.yaml_text import prepare_yaml
from arcflow.datamodules.arc import ARCDataModule
from arcflow.datamodules.mixture import MixtureDataModule
from arcflow.datamodules.omniarc import OmniARCDataModule
from arcflow.datamodules.rearc import ReARCDataModule
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.omniarc.source import OmniARC
from arcflow.sources.arc_gen.source import ARCGen
from arcflow.sources.counting import Counting
from arcflow.sources.files.json_lines import JsonLines
from arcflow.sources.files.pair_dump import PairDump
from arcflow.sources.generated import GeneratedInputs
from arcflow.sources.mixture import Mixed
from arcflow.sources.pool.source import PoolSource
from arcflow.sources.rearc.source import ReARC

# Classes that are imported here are found by their bare names in YAML.
__all__ = [
    "ARCDataModule",
    "ARCGen",
    "ArcflowCLI",
    "Counting",
    "GeneratedInputs",
    "JsonLines",
    "LoRAModule",
    "Mixed",
    "MixtureDataModule",
    "OmniARC",
    "OmniARCDataModule",
    "PairDump",
    "PoolSource",
    "ReARC",
    "ReARCDataModule",
    "run",
]

DEFAULT_ROOT = "runs/default"
DEFAULT_CLASSES = {
    "model": "arcflow.modules.lora_module.LoRAModule",
    "data": "arcflow.datamodules.arc.ARCDataModule",
}

_yaml = get_loader("yaml")


class ArcflowCLI(LightningCLI):
    """LightningCLI with arcflow's option groups, one run folder and loud resumes.

    Attributes:
        groups: The callbacks that are always there, by the name of their group of options.
    """

    groups: ClassVar[dict[str, type[Callback]]] = {
        "checkpoint": RunCheckpoint,
        "test_time": TestTimeFineTuning,
        "pass_n": PassN,
    }
    # What writes a run's options beside its log; a dry run writes nothing.
    _saves_config: type[SaveConfigCallback] | None = SaveConfigCallback

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the callbacks' groups, default classes and one seed for everything."""
        parser.set_defaults(
            {group: {"class_path": class_path} for group, class_path in DEFAULT_CLASSES.items()}
        )
        parser.add_argument(
            "--threads",
            type=NonNegativeInt,
            default=0,
            help="CPU threads of torch in this process; 0 leaves the number to torch. One is "
            "slower on idle cores, but does not stall beside other programs.",
        )
        for group, callback in self.groups.items():
            parser.add_lightning_class_args(callback, group)
        for target in ("data.init_args.seed", "model.init_args.seed", "test_time.seed"):
            parser.link_arguments("seed_everything", target)
        parser.link_arguments("seed_everything", "pass_n.seed")
        parser.link_arguments(
            "model.tokenizer_name", "data.init_args.tokenizer", apply_on="instantiate"
        )

    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        """The subcommand's parser; Lightning's own result table is off, PassN prints one."""
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand in ("validate", "test"):
            parser.set_defaults({"verbose": False})
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse ``args`` alone: Lightning's own warns when the interpreter has arguments too."""
        try:
            self.config = parser.parse_args(args)
        except UnicodeDecodeError as error:
            raise ConfigError(
                "a config file is not text",
                value=error.object[error.start : error.start + 4],
                expected="YAML in UTF-8",
                next_step="Check the files after -c.",
            ) from error

    def _set_seed(self) -> None:
        """Lightning's, with an error of one line."""
        seed = self.config[self.subcommand].get("seed_everything")
        if isinstance(seed, int) and not 0 <= seed < 2**32:
            raise ConfigError(
                "seed_everything is out of range",
                value=seed,
                expected="0 to 4294967295",
                next_step="Correct --seed_everything.",
            )
        super()._set_seed()

    def _parse_ckpt_path(self) -> None:
        """Keep the options of YAML and command line.

        Lightning's own lets hyperparameters stored in the checkpoint win over them silently.
        """

    def before_instantiate_classes(self) -> None:
        """One folder a run: find ``last`` in it (or fail), log into it."""
        config = self.config[self.subcommand]
        if config["threads"]:
            torch.set_num_threads(config["threads"])
        trainer = config["trainer"]
        root = trainer["default_root_dir"] or "."
        _make_folder(root)
        if self.subcommand == "fit" and not trainer.get("fast_dev_run"):  # a trial writes nothing
            lock_run(root)
        self.take_checkpoint(config, root)
        if trainer.get("logger") in (None, True):
            # A new version folder each start, so that a resumed run keeps its first half's log.
            trainer["logger"] = Namespace(
                class_path="lightning.pytorch.loggers.CSVLogger",
                init_args=Namespace(save_dir=root, name="logs"),
            )
        loggers = trainer["logger"] if isinstance(trainer["logger"], list) else [trainer["logger"]]
        for logger in loggers:
            options = logger.get("init_args") if isinstance(logger, Namespace) else None
            if options is not None and options.get("save_dir") == RUN_FOLDER:
                options["save_dir"] = root

    def take_checkpoint(self, config: Namespace, root: str) -> None:
        """Find the checkpoint that a run begins with, or fail.

        Args:
            config: The subcommand's options, which get the file's path.
            root: The run's folder.
        """
        if config.get("ckpt_path") is None:
            return
        config["ckpt_path"] = str(find_checkpoint(root, str(config["ckpt_path"])))
        options = config["model"].get("init_args") or {}
        if self.subcommand != "fit" and "start_from" in options:
            # What is evaluated holds all that was trained; the start may be gone by now.
            options["start_from"] = None

    def before_fit(self) -> None:
        """Refuse a callback that waits for a value which is never measured."""
        check_monitors(self.trainer, self.model)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Lightning's, with progress that knows the run's end: a bar, or lines off a terminal."""
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except ArcflowError:
            raise
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"trainer: Lightning refuses its options ({str(error).strip().splitlines()[0]})",
                value=_trainer_values(self.config[self.subcommand]["trainer"]),
                expected="options that Lightning's Trainer takes together on this machine",
                next_step="Correct the options of --trainer; `arcflow fit --help` lists them.",
            ) from error
        trainer.callbacks.append(DataStatsLogger())
        handle_termination(trainer)
        bars = [c for c in trainer.callbacks if isinstance(c, ProgressBar)]
        if [type(bar) for bar in bars] in ([TQDMProgressBar], [RichProgressBar]):
            # First, so that it names a task batch before another callback begins to evaluate it.
            trainer.callbacks.remove(bars[0])
            trainer.callbacks.insert(0, run_progress())
        return trainer


def _trainer_values(trainer: Namespace) -> dict[str, Any]:
    """Return the options on which it depends where and how a trainer computes."""
    names = ("accelerator", "strategy", "devices", "num_nodes", "precision", "max_time")
    return {name: trainer[name] for name in names if trainer.get(name) is not None}


def _make_folder(root: str) -> None:
    """Make the run's folder before anything is loaded for it."""
    try:
        Path(root).mkdir(parents=True, exist_ok=True)
        why = None if os.access(root, os.W_OK) else "not writable"
    except FileExistsError:
        why = "not a folder"
    except OSError as error:
        why = error.strerror
    if why is not None:
        raise ConfigError(
            f"trainer.default_root_dir: the run's folder cannot be used ({why})",
            value=root,
            expected="a folder that can be made and written to",
            next_step="Choose another --trainer.default_root_dir.",
        )


def _load_yaml(text: str) -> Any:
    """YAML; and None, which jsonargparse hands on where null was given for an inner option."""
    value = fill_loggers(_yaml(prepare_yaml(text)))
    return None if value == "None" else value


def _no_advertisement(record: logging.LogRecord) -> bool:
    """Drop Lightning's tips for its paid services; they hide what a run has to say."""
    return "Tip:" not in str(record.msg)


def _named_help(argv: Sequence[str]) -> list[str]:
    """``--data.help`` alone shows the default class; jsonargparse's base class has no options."""
    words = list(argv)
    for i, word in enumerate(words):
        group, dot, rest = word.removeprefix("--").partition(".")
        bare = i + 1 == len(words) or words[i + 1].startswith("-")
        if group in DEFAULT_CLASSES and dot and rest == "help" and bare:
            words[i] = f"{word}={DEFAULT_CLASSES[group]}"
    return words


def _lora_help(option: str) -> None:
    """Print the options of an adapter; jsonargparse shows none of a value that may be null."""
    parser = ArgumentParser(prog="arcflow")
    parser.add_class_arguments(LoRAConfig, option)
    parser.print_help()


def run(argv: Sequence[str], cli: type[ArcflowCLI] = ArcflowCLI) -> None:
    """Parse ``argv`` and run the subcommand it names.

    Args:
        argv: subcommand and options.
        cli: what parses them.
    """
    for option in ("model.lora", "test_time.lora"):
        if f"--{option}.help" in argv:
            _lora_help(option)
            return
    # torch 2.13 deprecates what Lightning 2.6 calls on every batch that it moves.
    warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`")
    # Callbacks write the answers; predict_step has nothing to return.
    warnings.filterwarnings("ignore", "predict returned None")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero"):
        logging.getLogger(name).addFilter(_no_advertisement)
    # Said wherever bitsandbytes is installed without an optional kernel, 4 bits in use or not.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    set_loader("yaml", _load_yaml, (yaml.YAMLError,))
    trainer_defaults: dict[str, Any] = {
        "default_root_dir": DEFAULT_ROOT,
        # The stream is one endless epoch; max_steps ends a run.
        "max_epochs": -1,
        "check_val_every_n_epoch": None,
        "inference_mode": False,
        "num_sanity_val_steps": 0,
    }
    with run_locks():
        cli(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            trainer_defaults=trainer_defaults,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            save_config_callback=cli._saves_config,
            save_config_kwargs={"overwrite": True},
            # Its errors come out as exceptions: arcflow.cli.main tells them without pages of usage.
            parser_kwargs={"prog": "arcflow", "exit_on_error": False, "allow_abbrev": False},
            args=_named_help(argv),
        )
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # Else the first process to end takes the others' connections with it.
        torch.distributed.destroy_process_group()
    sys.stdout.flush()
