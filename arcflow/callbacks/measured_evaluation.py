"""A real task batch of an evaluation, measured; nothing is written into the run's folder."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from arcflow.callbacks.pass_n import PassN
from arcflow.core.task import Task
from arcflow.datamodules.base import ArcflowDataModule
from arcflow.datamodules.task_batches import TaskBatch, task_batches
from arcflow.evaluation.loop import Evaluation, Subject
from arcflow.evaluation.outcome import Outcomes
from arcflow.evaluation.results import Results
from arcflow.evaluation.time_budget import TimeBudget
from arcflow.evaluation.workload import Workload, measure_workload
from arcflow.scoring.journal import check_run, read_journal


class _Stopwatch(TimeBudget):
    """A budget without a deadline that adds up what tuning and answers take."""

    def __init__(self, task_seconds: float) -> None:
        super().__init__(None, task_seconds)
        self.restart()

    def restart(self) -> None:
        """Forget what was added up."""
        self.steps, self.tuning, self.answering = 0, 0.0, 0.0

    def tuned(self, steps: int, seconds: float) -> None:
        """Note the seconds of optimizer steps."""
        super().tuned(steps, seconds)
        self.steps, self.tuning = self.steps + steps, self.tuning + seconds

    def answered(self, work: float, seconds: float) -> None:
        """Note the seconds of answers."""
        super().answered(work, seconds)
        self.answering += seconds

    def rescored(self, views: int, seconds: float) -> None:
        """Note the seconds of re-scoring among those of the answers."""
        super().rescored(views, seconds)
        self.answering += seconds


@dataclass
class EvaluationTimes:
    """What was measured of an evaluation.

    Attributes:
        tasks: All tasks.
        left: Those that no journal holds yet.
        workload: The work of the tasks that are left.
        measured: The tasks of the task batch that was measured.
        seconds: Its wall time in seconds.
        steps: The number of its optimizer steps, over all tasks.
        tuning: The seconds that these steps took.
        answering: The seconds that its answers took.
        estimate: The estimated seconds of all tasks that are left, for one process.
        began: When the task batch began, in seconds since 1970.
        loss_batches: The number of batches of the loss.
        loss_seconds: Seconds of each batch of the loss that was measured.
    """

    tasks: Sequence[Task] = ()
    left: Sequence[Task] = ()
    workload: Workload = field(default_factory=Workload)
    measured: Sequence[Task] = ()
    seconds: float = 0.0
    steps: int = 0
    tuning: float = 0.0
    answering: float = 0.0
    estimate: float = 0.0
    began: float = 0.0
    loss_batches: int = 0
    loss_seconds: list[float] = field(default_factory=list)


class MeasuredPassN(PassN):
    """Evaluates one task batch in the place of all, and measures it.

    The options, and what is refused, are those of :class:`~arcflow.callbacks.pass_n.PassN`. The
    trainer's folder must be a temporary one.

    Attributes:
        run_folder: The run's own folder, whose journals say which tasks are finished.
        times: What was measured.
    """

    run_folder: Path

    def _open_results(
        self, trainer: Trainer, subject: Subject, data: ArcflowDataModule, part: str
    ) -> Results:
        """Open a journal in the temporary folder, and see what the run's own ones hold."""
        # The submission is the temporary folder's too.
        self.writer.path = ""
        known = super()._open_results(trainer, subject, data, part)
        known.solvers = ()  # they would begin to answer every task
        tasks = data.tasks(part)
        done = set() if self.overwrite else self._finished(known)
        left = [t for t in tasks if not done >= {(t.id, v) for v in known.variants}]
        work = measure_workload(
            subject.encoder,
            subject.programs,
            left,
            self.answer,
            data.max_tokens,
            len(known.variants),
            self.seed,
        )
        self.times = EvaluationTimes(tasks, left, work)
        self._batches = task_batches(left or tasks, data.task_batch_size)
        if part != "predict":
            self.times.loss_batches = len(data._loss_loader(part))
        return known

    def _finished(self, known: Results) -> set[tuple[str, str]]:
        """Return task ids and variants in the run's own journals; refuse another run's."""
        found = set()
        for path in sorted(self.run_folder.glob(f"{known.name}*journal.jsonl")):
            header, entries = read_journal(path)
            check_run(header, known.run, path)
            found |= {(entry["task"], entry["variant"]) for entry in entries}
        return found

    def _open_budget(self, tasks: int) -> TimeBudget:
        """Refuse a deadline that has passed; measure without one."""
        super()._open_budget(tasks)
        self._watch = _Stopwatch(self.task_seconds)
        return self._watch

    def _on_batch(self, batch: Any) -> None:
        """Evaluate the smallest task batch, which warms up, and measure that of median work.

        What is handed over is not looked at.
        """
        evaluation = self._evaluation
        if evaluation is None:  # the loss of a validation inside of fit
            return
        if not isinstance(batch, TaskBatch):
            self.times.loss_seconds.append(-time.perf_counter())
            return
        if self.times.measured:
            return
        work = [evaluation._work(one.tasks) for one in self._batches]
        order = sorted(range(len(work)), key=lambda i: (work[i], i))
        chosen = order[len(order) // 2]
        if order[0] != chosen:
            self._evaluate(evaluation, self._batches[order[0]].tasks)
        self._watch.restart()
        self.times.measured, self.times.began = self._batches[chosen].tasks, time.time()
        self.times.seconds = self._evaluate(evaluation, self.times.measured)
        if self.times.left:
            self.times.estimate = self._estimate(sum(work) / max(1.0, work[chosen]))
        times, watch = self.times, self._watch
        times.steps, times.tuning, times.answering = watch.steps, watch.tuning, watch.answering

    def _evaluate(self, evaluation: Evaluation, tasks: Sequence[Task]) -> float:
        """Evaluate a task batch whole, and return the seconds that it took."""
        began = time.perf_counter()
        evaluation.task_batch(tasks, len(tasks))
        evaluation.collect()
        return time.perf_counter() - began

    def _estimate(self, more: float) -> float:
        """Return the seconds of all tasks that are left, whose answers are ``more`` times the
        work of those measured."""
        measured, left, watch = self.times.measured, self.times.left, self._watch
        tuned, all_tuned = (sum(len(task.train) > 1 for task in part) for part in (measured, left))
        rest = self.times.seconds - watch.tuning - watch.answering
        tuning = watch.tuning * all_tuned / max(1, tuned)
        return tuning + watch.answering * more + rest * len(left) / len(measured)

    def _batch_ended(self, batch: Any) -> None:
        """Stop the clock of a batch of the loss."""
        if self._evaluation is not None and not isinstance(batch, TaskBatch):
            self.times.loss_seconds[-1] += time.perf_counter()

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Measure a batch of the loss."""
        self._batch_ended(batch)

    def on_test_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Measure a batch of the loss."""
        self._batch_ended(batch)

    def _keep(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Keep nothing."""

    def _finish(self, trainer: Trainer) -> None:
        """Print nothing."""
        self._close()
        assert self._known is not None
        self._known.close()
