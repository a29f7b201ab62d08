"""``arcflow generate inputs``: ``predict`` with samples of new inputs in the answers' place."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from arcflow.callbacks.input_generation import GenerateConfig, InputGenerator
from arcflow.callbacks.pass_n import PassN
from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.cli.lightning import ArcflowCLI
from arcflow.cli.lightning import run as run_lightning
from arcflow.core.errors import ConfigError
from arcflow.core.task import Task


class GenerateCLI(ArcflowCLI):
    """The options of ``predict`` and the group ``generate``; ``pass_n`` says which engine."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the group."""
        super().add_arguments_to_parser(parser)
        parser.add_class_arguments(GenerateConfig, "generate")

    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        """The parser of ``predict`` says what is done with its options here."""
        if subcommand == "predict":
            kwargs["description"] = "Sample new inputs of tasks from a model, and write those kept."
        return super()._prepare_subcommand_parser(klass, subcommand, **kwargs)

    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        super()._add_subcommands(parser, **kwargs)
        # Its usage line has the words that a user types.
        self._subcommand_parsers["predict"].prog = "arcflow generate inputs"

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer whose callback samples inputs, in the place of those that answer tasks."""
        trainer = super().instantiate_trainer(**kwargs)
        pass_n = next(c for c in trainer.callbacks if isinstance(c, PassN))
        others = (PassN, TestTimeFineTuning)
        config = self._get(self.config_init, "generate")
        generator = InputGenerator(config, pass_n.engine, pass_n.vllm, pass_n.seed)
        trainer.callbacks = [
            generator,
            *(callback for callback in trainer.callbacks if not isinstance(callback, others)),
        ]
        return trainer

    def before_predict(self) -> None:
        """The task batches are those of the tasks that were asked for."""
        part = self._get(self.config_init, "generate").tasks
        data = self.datamodule
        if part == "train":
            data.predict_tasks = lambda: _published(data.train_base_tasks())
        elif part != "predict":
            data.predict_tasks = getattr(data, f"{part}_tasks")


def _published(tasks: Sequence[Task]) -> Sequence[Task]:
    """Return the tasks, of which there must be some."""
    if not tasks:
        raise ConfigError(
            "generate.tasks: no published tasks are behind the training samples",
            value="train",
            expected="training data that is made from tasks",
            next_step="Set --generate.tasks val, or choose other training data.",
        )
    return tasks


def run(argv: Sequence[str]) -> None:
    """Parse the words after ``arcflow generate inputs`` and run."""
    run_lightning(["predict", *argv], GenerateCLI)
