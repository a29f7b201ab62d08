"""ArcflowDataModule: a subclass yields tasks; everything else about data is here."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

from lightning.pytorch import LightningDataModule

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.contamination import guard
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.task import Task
from arcflow.datamodules.streams.loader import LossLoader, Stream, TrainLoader, check_rows
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.datamodules.task_batches import TaskBatchLoader, task_batches
from arcflow.sources.base import Source, TaskList
from arcflow.text.context import fit_context
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

    # What a subclass says.

    def train_tasks(self) -> Sequence[Task]:
        """The tasks ``fit`` learns from."""
        raise NotImplementedError(f"{type(self).__name__} must define train_tasks()")

    def train_source(self) -> Source:
        """Where the tasks come from that ``fit`` learns; :meth:`train_tasks` unless a subclass
        has another."""
        return TaskList(self.train_tasks())

    def val_tasks(self) -> Sequence[Task]:
        """The tasks whose loss ``fit`` watches and that ``validate`` answers."""
        raise NotImplementedError(f"{type(self).__name__} must define val_tasks()")

    def test_tasks(self) -> Sequence[Task]:
        """The tasks ``test`` answers; the validation tasks unless a subclass says otherwise."""
        return self.val_tasks()

    def predict_tasks(self) -> Sequence[Task]:
        """The tasks ``predict`` answers; their answers are hidden in any case."""
        return self.val_tasks()

    # What the rest of arcflow uses.

    @property
    def encoder(self) -> Encoder:
        """Task to token ids and back, made at first use."""
        if self._encoder is None:
            self._encoder = Encoder(load_tokenizer(self.tokenizer), self.text)
        return self._encoder

    @property
    def pad_id(self) -> int:
        """The token id that fills batches up."""
        tokenizer = load_tokenizer(self.tokenizer)
        pad = tokenizer.pad_token_id
        return int(tokenizer.eos_token_id if pad is None else pad)

    @property
    def text_fingerprint(self) -> dict[str, str]:
        """What a model trained on these texts depends on; checkpoints record it."""
        return self.encoder.fingerprint()

    def task_tokens(self, task: Task) -> int:
        """Tokens of the longest prompt of ``task`` with its answer (or its last output).

        Where an answer is hidden, a train output stands in for its length.
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
        """Load the tasks of ``stage``, guard them and check that they fit the context."""
        rank, world_size = self._processes()
        if stage == "fit":
            check_rows(self.rows_per_batch, world_size)
        with _silent() if rank else nullcontext():  # the first process says it for all
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
        """The tasks of "val", "test" or "predict" after :meth:`setup`; of "train" the published
        ones that are behind what is learned."""
        return tuple(self._base_tasks) if part == "train" else self._tasks[part]

    def _training(self, ahead: Sequence[Task]) -> tuple[Stream, Sequence[Task]]:
        """The training samples, and the published tasks behind them; none of ``ahead``."""
        source = self._guarded(self.train_source(), ahead)
        stream = TaskStream(source, self.encoder, self.augment, self.seed, self.max_tokens)
        return stream, source.base_tasks()

    def _guarded(
        self, source: Source, ahead: Sequence[Task], part: str = "train", among: bool = False
    ) -> Source:
        """The source less what is evaluated, and less published tasks that never fit.

        Args:
            source: of training tasks.
            ahead: what is evaluated.
            part: what messages call its tasks.
            among: other sources may have tasks that fit where all of this one's are too long.
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
        """Keep the tasks that fit ``max_tokens`` after losing pairs, and say what was lost."""
        kept, shortened = [], 0
        for task in tasks:
            fitted = fit_context(self.encoder, task, self.max_tokens, 0)
            if fitted is not None:
                kept.append(task)
                shortened += len(fitted.train) < len(task.train)
        if not kept and none_will_do:
            return ()
        if not kept:
            shortest = min(self.task_tokens(task) for task in tasks)
            raise ConfigError(
                f"data.max_tokens is too small for any of the {len(tasks)} {part} tasks",
                value=self.max_tokens,
                expected=f"room for one train pair and the answer; the shortest whole task "
                f"has {shortest} tokens",
                next_step="Raise --data.max_tokens, or choose a shorter text.",
            )
        if shortened or len(kept) < len(tasks):
            _log.warning(
                "%s tasks at max_tokens=%d: %d of %d lose train pairs, %d never fit.",
                part,
                self.max_tokens,
                shortened,
                len(tasks),
                len(tasks) - len(kept),
            )
        return tuple(kept)

    # Loaders.

    def train_dataloader(self) -> TrainLoader:
        """The endless stream of training batches, exactly resumable."""
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
        """This process's number, and how many there are."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    def val_dataloader(self) -> Any:
        """The validation loss's batches; in ``validate`` the evaluation task batches too."""
        return self._evaluation_loaders("val")

    def test_dataloader(self) -> Any:
        """The test loss's batches and the evaluation task batches."""
        return self._evaluation_loaders("test")

    def predict_dataloader(self) -> TaskBatchLoader:
        """The evaluation task batches, answers hidden."""
        return self._task_batch_loader("predict")

    def _evaluation_loaders(self, part: str) -> list[Any]:
        loss = self._loss_loader(part)
        if self.trainer is not None and self.trainer.state.fn == "fit":
            return [loss]
        # There is no loss where every answer is hidden.
        return [*([loss] if len(loss) else []), self._task_batch_loader(part)]

    def _task_batch_loader(self, part: str) -> TaskBatchLoader:
        rank, world_size = self._processes()
        return TaskBatchLoader(
            task_batches(self._tasks[part], self.task_batch_size)[rank::world_size]
        )

    def _loss_loader(self, part: str) -> LossLoader:
        """Every answer known, as it is published, in batches of the token budget."""
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
    """Keep what arcflow would warn of to itself."""
    logger = logging.getLogger("arcflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
