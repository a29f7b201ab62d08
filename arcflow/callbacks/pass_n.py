"""PassN: answer tasks over augmented views, vote, measure, and write the submission."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from arcflow.callbacks.answer import AnswerConfig, answer_loss, answer_tasks, check_context
from arcflow.callbacks.measures import ARCMeasures
from arcflow.callbacks.submission import SubmissionWriter
from arcflow.callbacks.table import measures_table, print_table
from arcflow.callbacks.test_time import TestTimeFineTuning
from arcflow.core.errors import ConfigError
from arcflow.core.task import Task
from arcflow.core.vote import Candidate
from arcflow.datamodules.base import ArcflowDataModule
from arcflow.datamodules.waves import Wave
from arcflow.engines.base import AdapterRef
from arcflow.engines.transformers import TransformersEngine

_ANSWER = AnswerConfig()

C = TypeVar("C", bound=Callback)

FROZEN, TUNED = "frozen", "tuned"


class PassN(Callback):
    """Evaluates the waves of ``validate``, ``test`` and ``predict``.

    Each task is answered over ``answer.views`` augmented views; the views are undone and the
    answers vote. With test-time fine-tuning on (``test_time.steps`` > 0) a task is answered
    with its own adapter, and with the model as it was trained beside it where ``compare`` is
    true. The submission comes from the tuned answers.

    Args:
        answer: how the answers are made.
        compare: evaluate without test-time fine-tuning too, side by side.
        seed: views and sampling are functions of it.
    """

    def __init__(self, answer: AnswerConfig = _ANSWER, compare: bool = True, seed: int = 0) -> None:
        self.answer, self.compare, self.seed = answer, compare, seed
        self._measures: dict[str, ARCMeasures] = {}
        self._losses: dict[str, list[tuple[float, int]]] = {}
        self.results: dict[str, dict[str, float]] = {}

    # Lightning's hooks: one pair a subcommand.

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, unless this is the validation inside ``fit``."""
        if trainer.state.fn != "fit":
            self._begin(trainer, "val")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._begin(trainer, "test")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._begin(trainer, "predict")

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Evaluate a wave; other batches are the loss's."""
        self._on_batch(trainer, pl_module, batch)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Evaluate a wave; other batches are the loss's."""
        self._on_batch(trainer, pl_module, batch)

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Evaluate a wave."""
        self._on_batch(trainer, pl_module, batch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table and log it."""
        if trainer.state.fn != "fit":
            self._finish(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table and log it."""
        self._finish(trainer)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the submission is."""
        self._finish(trainer)

    # What they do.

    def _begin(self, trainer: Trainer, part: str) -> None:
        data = _datamodule(trainer)
        if trainer.world_size > 1:
            raise ConfigError(
                "evaluation in several processes",
                value=trainer.world_size,
                expected="one process",
                next_step="Set --trainer.devices 1 for validate, test and predict.",
            )
        self._measures, self._losses, self.results = {}, {}, {}
        hidden = [task.without_answers() for task in data.tasks(part)]
        check_context(data.encoder, hidden, self.answer, data.max_tokens)
        writer = _find(trainer, SubmissionWriter)
        if writer is not None:
            writer.begin(hidden, trainer.default_root_dir)

    def _on_batch(self, trainer: Trainer, module: LightningModule, batch: Any) -> None:
        if isinstance(batch, Wave):
            self.evaluate(trainer, module, batch.tasks)

    def evaluate(self, trainer: Trainer, module: Any, tasks: Sequence[Task]) -> None:
        """Answer one wave, frozen and tuned as asked for, and count the answers."""
        data = _datamodule(trainer)
        tuner = _find(trainer, TestTimeFineTuning)
        tuned = tuner is not None and tuner.steps > 0
        candidates: dict[str, list[Candidate]] = {}
        if not tuned or self.compare:
            candidates = self._answer(module, data, tasks, FROZEN, {}, None)
        if tuner is not None and tuned:
            hidden = [task.without_answers() for task in tasks]
            refs = tuner.tune(module, data.encoder, hidden, max_tokens=data.max_tokens)
            adapters = {task.id: ref for task, ref in zip(tasks, refs, strict=True)}
            candidates = self._answer(module, data, tasks, TUNED, adapters, tuner)
        writer = _find(trainer, SubmissionWriter)
        if writer is not None:
            writer.add(candidates)

    def _answer(
        self,
        module: Any,
        data: ArcflowDataModule,
        tasks: Sequence[Task],
        variant: str,
        adapters: Mapping[str, AdapterRef],
        tuner: TestTimeFineTuning | None,
    ) -> dict[str, list[Candidate]]:
        """Candidates by task id; measures them where the answers are known."""
        use_adapter = None if tuner is None else partial(tuner.use_adapter, module)
        engine = TransformersEngine(
            module.model,
            pad_id=data.pad_id,
            use_adapter=use_adapter,
            max_batch_tokens=self.answer.max_batch_tokens,
        )
        found = answer_tasks(
            engine,
            data.encoder,
            [task.without_answers() for task in tasks],
            adapters,
            self.answer,
            max_tokens=data.max_tokens,
            seed=self.seed,
        )
        for task in tasks:
            outputs = [pair.output for pair in task.test if pair.output is not None]
            if len(outputs) < len(task.test):
                continue
            if variant not in self._measures:
                self._measures[variant], self._losses[variant] = ARCMeasures(), []
            self._measures[variant].update(task.id, found[task.id], outputs)
            with use_adapter(adapters.get(task.id)) if use_adapter else nullcontext():
                self._losses[variant].append(
                    answer_loss(module.model, data.encoder, task, data.max_tokens)
                )
        return found

    def _finish(self, trainer: Trainer) -> None:
        for variant, measures in self._measures.items():
            total, tokens = map(sum, zip(*self._losses[variant], strict=True))
            loss = total / tokens if tokens else float("nan")
            self.results[variant] = {"loss": loss, **measures.compute()}
        if self.results:
            print()  # the progress bar leaves the cursor at its end
            print_table(measures_table(self.results))
            for logger in trainer.loggers:
                _log_results(logger, self.results, trainer.global_step)
        writer = _find(trainer, SubmissionWriter)
        if writer is not None:
            print(f"submission: {writer.target}")


def _log_results(logger: Logger, results: Mapping[str, Mapping[str, float]], step: int) -> None:
    logger.log_metrics(
        {
            f"{variant}/{name}": value
            for variant, of in results.items()
            for name, value in of.items()
        },
        step,
    )
    logger.save()


def _datamodule(trainer: Trainer) -> ArcflowDataModule:
    data = trainer.datamodule
    if isinstance(data, ArcflowDataModule):
        return data
    raise ConfigError(
        "evaluation needs tasks, not only batches",
        value=type(data).__name__,
        expected="a datamodule that subclasses arcflow.datamodules.base.ArcflowDataModule",
        next_step="See docs/datamodule.md for one in 20 lines.",
    )


def _find(trainer: Trainer, kind: type[C]) -> C | None:
    return next((c for c in trainer.callbacks if isinstance(c, kind)), None)
