"""ArcflowDataModule: a subclass gives the tasks, and this class does everything else about data."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

from lightning.pytorch import LightningDataModule

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.contamination import guard
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.task import Task
from arcflow.datamodules.streams.resumable_loader import LossLoader, Stream, TrainLoader, check_rows
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.datamodules.task_batches import TaskBatchLoader, task_batches
from arcflow.datamodules.trainer_options import check_trainer_options
from arcflow.sources.base import Source, TaskList
from arcflow.text.context import advice, fit_context, tokens_that_fit
from arcflow.text.encode import Encoder, Example, TextConfig
from arcflow.text.tokenizer import load_tokenizer

_log = logging.getLogger(__name__)
_TEXT = TextConfig()
_AUGMENT = AugmentConfig()


class ArcflowDataModule(LightningDataModule):
    """The base of every datamodule.

    A subclass defines :meth:`train_tasks` and :meth:`val_tasks`, and may define
    :meth:`test_tasks` and :meth:`predict_tasks`; everything else follows from the options.

    Args:
        text: how grids and tasks become text.
        augment: what happens to a task before it is learned.
        max_tokens: longest sequence, prompt and answer together; tasks that are longer lose
            train pairs until they fit.
        tokens_per_batch: token budget of one row: a batch, unless rows_per_batch says otherwise.
        rows_per_batch: rows of a training batch over all processes, a multiple of their number:
            the same samples in the same steps on any number of devices. null: one row a process.
        packing: "packed" joins samples to rows of the budget, "padded" makes rectangular
            batches with an attention mask.
        workers: processes that prepare samples; 0 prepares them in the trainer's process.
            The batches are the same for any number.
        task_batch_size: evaluation tasks that are adapted to and answered together.
        contamination: what happens to training tasks that are evaluated too, be it turned or
            recoloured: "drop" removes them and says so, "refuse" stops, "allow" keeps them.
        allow_contaminated: evaluated tasks that may be trained on all the same, by name: ids, or
            sources such as "arc-agi-2/training".
        tokenizer: "characters", a local folder or a hub name; the command line takes it from
            the model.
        seed: the stream of samples is a function of it.
    """

    def __init__(
        self,
        text: TextConfig = _TEXT,
        augment: AugmentConfig = _AUGMENT,
        max_tokens: int = 4096,
        tokens_per_batch: int = 8192,
        rows_per_batch: int | None = None,
        packing: Literal["packed", "padded"] = "packed",
        workers: int = 0,
        task_batch_size: int = 1,
        contamination: Literal["drop", "refuse", "allow"] = "drop",
        allow_contaminated: tuple[str, ...] = (),
        tokenizer: str = "characters",
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("max_tokens", max_tokens, 1),
            ("tokens_per_batch", tokens_per_batch, max_tokens),
            ("rows_per_batch", 1 if rows_per_batch is None else rows_per_batch, 1),
            ("workers", workers, 0),
            ("task_batch_size", task_batch_size, 1),
        ):
            if value < least:
                raise ConfigError(
                    f"data.{name} is too small",
                    value=value,
                    expected=f"at least {least}"
                    + (" (data.max_tokens)" if name == "tokens_per_batch" else ""),
                    next_step=f"Set --data.{name} {least} or more.",
                )
        self.text, self.augment, self.seed = text, augment, seed
        self.max_tokens, self.tokens_per_batch = max_tokens, tokens_per_batch
        self.rows_per_batch = rows_per_batch
        self.packing, self.workers, self.task_batch_size = packing, workers, task_batch_size
        self.contamination, self.allow_contaminated = contamination, allow_contaminated
        self.tokenizer = tokenizer
        self._encoder: Encoder | None = None
        self._tasks: dict[str, tuple[Task, ...]] = {}
        self._stream: Stream | None = None
        self._base_tasks: Sequence[Task] = ()

    # The methods that a subclass defines.

    def train_tasks(self) -> Sequence[Task]:
        """Return the tasks that ``fit`` trains on."""
        raise NotImplementedError(f"{type(self).__name__} must define train_tasks()")

    def train_source(self) -> Source:
        """Return the source of the tasks that ``fit`` trains on.

        Unless a subclass has another source, that is the list of :meth:`train_tasks`.
        """
        return TaskList(self.train_tasks())

    def train_base_tasks(self) -> Sequence[Task]:
        """Return the published tasks that training samples are made from, whatever is evaluated."""
        return self.train_source().base_tasks()

    def val_tasks(self) -> Sequence[Task]:
        """Return the tasks whose loss ``fit`` measures and that ``validate`` answers."""
        raise NotImplementedError(f"{type(self).__name__} must define val_tasks()")

    def test_tasks(self) -> Sequence[Task]:
        """Return the tasks that ``test`` answers: the validation tasks, unless overridden."""
        return self.val_tasks()

    def predict_tasks(self) -> Sequence[Task]:
        """Return the tasks that ``predict`` answers; :meth:`setup` hides their answers."""
        return self.val_tasks()

    # The methods that other parts of arcflow call.

    @property
    def encoder(self) -> Encoder:
        """The encoder between tasks and token ids, made at first use."""
        if self._encoder is None:
            self._encoder = Encoder(load_tokenizer(self.tokenizer), self.text)
        return self._encoder

    @property
    def pad_id(self) -> int:
        """The token id that pads batches."""
        tokenizer = load_tokenizer(self.tokenizer)
        pad = tokenizer.pad_token_id
        return int(tokenizer.eos_token_id if pad is None else pad)

    @property
    def text_fingerprint(self) -> dict[str, str]:
        """The properties of the text that a trained model depends on; checkpoints record them."""
        return self.encoder.fingerprint()

    def task_tokens(self, task: Task) -> int:
        """Return the number of tokens of a task's longest prompt with its answer.

        If an answer is hidden, the task's largest train output stands in for it.

        Args:
            task: The task, with at least one train pair.

        Returns:
            The largest number of tokens over the test pairs.
        """
        longest = max(
            (pair.output for pair in task.train if pair.output is not None),
            key=lambda grid: grid.size,
        )
        known = tuple(
            pair if pair.output is not None else type(pair)(pair.input, longest)
            for pair in task.test
        )
        probe = Task(task.id, task.train, known, task.source)
        return max(self.encoder.length(probe, i) for i in range(len(known)))

    def setup(self, stage: str) -> None:
        """Load the tasks of a stage, guard them and check that they fit the context.

        Args:
            stage: "fit", "validate", "test" or "predict".

        Raises:
            ConfigError: If the options do not fit the tasks, the trainer, the tokenizer or the
                number of processes.
            DataError: If there are no tasks, if two have one id, or if training tasks are
                evaluated too and ``contamination`` is "refuse".
        """
        rank, world_size = self._processes()
        if stage == "fit":
            check_rows(self.rows_per_batch, world_size)
            if self.trainer is not None:
                check_trainer_options(self.trainer)
        with _silent() if rank else nullcontext():  # the first process warns for all
            _ = self.encoder  # a tokenizer that cannot work is refused before the model is loaded
            self._read_tasks(stage)

    def _read_tasks(self, stage: str) -> None:
        part = {"fit": "val", "validate": "val"}.get(stage, stage)
        load = {"val": self.val_tasks, "test": self.test_tasks, "predict": self.predict_tasks}
        evaluated = tuple(load[part]())
        if part == "predict":
            evaluated = tuple(task.without_answers() for task in evaluated)
        self._check_ids(part, evaluated)
        self._tasks[part] = evaluated
        learned = [
            task for task in evaluated if {task.id, task.source} & set(self.allow_contaminated)
        ]
        if stage != "fit" and learned:
            _log.warning(
                "%d of %d %s tasks may have been learned, as data.allow_contaminated allows it: "
                "what is measured of them says nothing about new tasks.",
                len(learned),
                len(evaluated),
                part,
            )
        if stage == "fit":
            # All of them, not one for each id: published sets differ in the pairs of some ids.
            ahead = (*evaluated, *self.test_tasks(), *self.predict_tasks())
            self._stream, self._base_tasks = self._training(ahead)
            known = [task for task in evaluated if all(p.output is not None for p in task.test)]
            if known:
                self._that_fit(part, known)

    def tasks(self, part: str) -> tuple[Task, ...]:
        """Return the tasks of one part, after :meth:`setup`.

        Args:
            part: "val", "test" or "predict"; or "train", which gives the published tasks that the
                training samples are made from.
        """
        return tuple(self._base_tasks) if part == "train" else self._tasks[part]

    def _training(self, ahead: Sequence[Task]) -> tuple[Stream, Sequence[Task]]:
        """Return the training samples, none of a task in ``ahead``, and their published tasks."""
        source = self._guarded(self.train_source(), ahead)
        stream = TaskStream(source, self.encoder, self.augment, self.seed, self.max_tokens)
        return stream, source.base_tasks()

    def _guarded(
        self, source: Source, ahead: Sequence[Task], part: str = "train", among: bool = False
    ) -> Source:
        """Return the source without tasks that are evaluated, or published and always too long.

        Args:
            source: The source of training tasks.
            ahead: The tasks that are evaluated.
            part: What messages call its tasks.
            among: Whether there are other sources; then all tasks of this one may be too long.
        """
        base_tasks = source.base_tasks()
        if isinstance(source, TaskList):
            self._check_ids(part, base_tasks)
        guarded = guard(
            base_tasks, ahead, allow=self.allow_contaminated, on_conflict=self.contamination
        )
        left = source.exclude({task.id for task in guarded.dropped})
        if isinstance(left, TaskList):
            return TaskList(self._that_fit(part, left.tasks, among) or left.tasks, left.name)
        return left

    def _check_ids(self, part: str, tasks: Iterable[Task]) -> None:
        seen: set[str] = set()
        for task in tasks:
            if task.id in seen:
                raise DataError(
                    f"two {part} tasks with one id",
                    value=task.id,
                    expected="an id of its own for every task",
                    next_step="Rename one of them, or drop one source.",
                )
            seen.add(task.id)
        if not seen:
            raise DataError(
                f"no {part} tasks",
                value=0,
                expected="at least one task",
                next_step=f"Loosen the selection of {part} tasks.",
            )

    def _that_fit(
        self, part: str, tasks: Sequence[Task], none_will_do: bool = False
    ) -> tuple[Task, ...]:
        """Return the tasks that fit ``max_tokens`` after losing pairs, and warn of what is lost."""
        kept, shortened, needs = [], 0, []
        for task in tasks:
            fitted = fit_context(self.encoder, task, self.max_tokens, 0)
            if fitted is not task:
                needs.append(tokens_that_fit(self.encoder, task))
            if fitted is not None:
                kept.append(task)
                shortened += len(fitted.train) < len(task.train)
        if not kept and none_will_do:
            return ()
        if not kept:
            raise ConfigError(
                f"data.max_tokens is too small for any of the {len(tasks)} {part} tasks",
                value=self.max_tokens,
                expected="room for one train pair and the answer: "
                f"{min(least for least, _ in needs)} tokens for the shortest task",
                next_step=f"{advice(needs, self.max_tokens)} Or choose a shorter text.",
            )
        if shortened or len(kept) < len(tasks):
            _log.warning(
                "%s tasks at max_tokens=%d: %d of %d lose train pairs, %d never fit. %s",
                part,
                self.max_tokens,
                shortened,
                len(tasks),
                len(tasks) - len(kept),
                advice(needs, self.max_tokens),
            )
        return tuple(kept)

    # Loaders.

    def train_dataloader(self) -> TrainLoader:
        """Return the endless stream of training batches, which resumes exactly."""
        assert self._stream is not None
        rank, world_size = self._processes()
        return TrainLoader(
            self._stream,
            tokens_per_batch=self.tokens_per_batch,
            packing=self.packing,
            workers=self.workers,
            rank=rank,
            world_size=world_size,
            rows=self.rows_per_batch,
        )

    def _processes(self) -> tuple[int, int]:
        """Return this process's rank and the number of processes."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    def val_dataloader(self) -> Any:
        """Return the loader of the validation loss; in ``validate`` that of task batches too."""
        return self._evaluation_loaders("val")

    def test_dataloader(self) -> Any:
        """Return the loaders of the test loss and of the task batches."""
        return self._evaluation_loaders("test")

    def predict_dataloader(self) -> TaskBatchLoader:
        """Return the loader of the task batches, with answers hidden."""
        return self._task_batch_loader("predict")

    def _evaluation_loaders(self, part: str) -> list[Any]:
        loss = self._loss_loader(part)
        if self.trainer is not None and self.trainer.state.fn == "fit":
            return [loss]
        # There is no loss if every answer is hidden.
        return [*([loss] if len(loss) else []), self._task_batch_loader(part)]

    def _task_batch_loader(self, part: str) -> TaskBatchLoader:
        rank, world_size = self._processes()
        return TaskBatchLoader(
            task_batches(self._tasks[part], self.task_batch_size)[rank::world_size]
        )

    def _loss_loader(self, part: str) -> LossLoader:
        """Return the loader of every known answer, not augmented, in batches of the budget."""
        batches: list[list[Example]] = [[]]
        for task in self._tasks[part]:
            for i, pair in enumerate(task.test):
                if pair.output is None:
                    continue
                fitted = fit_context(self.encoder, task, self.max_tokens, i)
                if fitted is None:
                    continue
                example = self.encoder.example(fitted, i)
                held = sum(len(e.input_ids) for e in batches[-1])
                if batches[-1] and held + len(example.input_ids) > self.tokens_per_batch:
                    batches.append([])
                batches[-1].append(example)
        return LossLoader([b for b in batches if b], self.packing, *self._processes())


@contextmanager
def _silent() -> Iterator[None]:
    """Hide arcflow's warnings inside the block."""
    logger = logging.getLogger("arcflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
