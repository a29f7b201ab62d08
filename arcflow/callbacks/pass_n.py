"""PassN: answer tasks over augmented views, vote, measure, and write the submission."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from arcflow.callbacks.progress import LineProgress, RunProgress
from arcflow.core.errors import ConfigError
from arcflow.core.run_start import run_started
from arcflow.core.task import Task
from arcflow.datamodules.base import ArcflowDataModule
from arcflow.datamodules.task_batches import TaskBatch
from arcflow.engines.vllm import VLLMConfig
from arcflow.evaluation.engine_setup import EngineName, EngineSession, check_engine, open_engine
from arcflow.evaluation.fingerprint import evaluation_fingerprint
from arcflow.evaluation.grid_requests import AnswerConfig, check_context
from arcflow.evaluation.log_tasks import log_tasks
from arcflow.evaluation.loop import Evaluation, EvaluationOptions, Subject
from arcflow.evaluation.method_check import check_method
from arcflow.evaluation.outcome import Outcomes
from arcflow.evaluation.program_runtime import CodeConfig, Programs
from arcflow.evaluation.recorded_options import recorded_options
from arcflow.evaluation.report_page import write_page
from arcflow.evaluation.rescore_options import RescoreConfig, check_rescoring
from arcflow.evaluation.results import Results
from arcflow.evaluation.solver_answers import SolverAnswers, choose_solvers
from arcflow.evaluation.status import EvaluationStatus, summary
from arcflow.evaluation.table import log_results, metrics_table, print_table
from arcflow.evaluation.time_budget import TimeBudget, read_deadline
from arcflow.scoring.metrics import load_metrics
from arcflow.scoring.submission_writer import SubmissionWriter
from arcflow.scoring.voting import Candidate
from arcflow.ttft.tuner import Tuner

_log = logging.getLogger(__name__)
_ANSWER, _VLLM, _RESCORE = AnswerConfig(), VLLMConfig(), RescoreConfig()
_NAMES = {"val": "validate", "test": "test", "predict": "predict"}


class PassN(Callback):
    """Evaluates the task batches of ``validate``, ``test`` and ``predict``.

    Each task is answered over ``answer.views`` augmented views; the views are undone and the
    answers vote, or are ranked by ``rescore``. With test-time fine-tuning on
    (``test_time.steps`` > 0) a task is answered with its own adapter, and with the model as it was
    trained beside it where ``compare`` is true. The submission comes from the tuned answers.

    Finished tasks are journaled in the run's folder: killed at any moment, the same command
    goes on with the others, and the result is that of a run that was never killed. Several
    processes share the task batches.

    Args:
        answer: how the answers are made.
        code: answer by programs that the model writes, not by grids; null asks for grids.
        compare: evaluate without test-time fine-tuning too, side by side.
        engine: who writes the answers: "transformers" in this process, or "vllm" in one of its
            own, which is faster and needs pip install "arcflow[vllm]".
        vllm: options of the vllm engine.
        deadline: when the run must have ended: a duration from its start ("11h30m", "90m",
            seconds) or a time ("2026-11-21T18:00"); empty for none. The time that remains is
            shared among the tasks that remain: steps and views shrink so that all get some.
        task_seconds: longest time for one task, tuning and answers; 0 for no limit.
        overwrite: begin anew, even where a journal of this folder could be continued.
        seed: views and sampling are functions of it.
        submission: where Kaggle's ``submission.json`` goes; empty means the run's folder.
        metrics: metrics of your own beside the built-in ones, each the dotted path of an
            arcflow.scoring.metrics.Metric (examples/custom_metric.py shows one).
        search: answer by search over grid functions too, in a process beside the model; all
            answers are merged, and the table shows each source alone and all together.
        trees: answer by decision trees over cells too, likewise.
        solver_seconds: longest time that search and trees together take for one task.
        rescore: how each distinct answer is scored again under other views, to rank the answers.
    """

    def __init__(
        self,
        answer: AnswerConfig = _ANSWER,
        compare: bool = True,
        engine: EngineName = "transformers",
        vllm: VLLMConfig = _VLLM,
        deadline: str = "",
        task_seconds: float = 0.0,
        overwrite: bool = False,
        seed: int = 0,
        code: CodeConfig | None = None,
        submission: str = "",
        metrics: tuple[str, ...] = (),
        search: bool = False,
        trees: bool = False,
        solver_seconds: float = 60.0,
        rescore: RescoreConfig = _RESCORE,
    ) -> None:
        self.solvers = choose_solvers(search, trees, solver_seconds)
        self.solver_seconds = solver_seconds
        if task_seconds < 0:
            raise ConfigError(
                "pass_n.task_seconds is below zero",
                value=task_seconds,
                expected="seconds, or 0 for no limit",
                next_step="Correct --pass_n.task_seconds.",
            )
        read_deadline(deadline)  # refused before a model is loaded
        check_method(engine, answer, programs=code is not None)
        self.answer, self.compare, self.seed = answer, compare, seed
        self.code, self.rescore = code, rescore
        self.writer = SubmissionWriter(submission)
        self.metrics = load_metrics(metrics)
        self.engine, self.vllm, self.overwrite = engine, vllm, overwrite
        self.deadline, self.task_seconds = deadline, task_seconds
        self.clock: Callable[[], float] = time.time
        self.results: dict[str, dict[str, float]] = {}
        self._started = 0.0
        self._known: Results | None = None
        self._session: EngineSession | None = None
        self._evaluation: Evaluation | None = None
        self._programs: Programs | None = None
        self._beside: SolverAnswers | None = None
        self._status: EvaluationStatus | None = None
        self._line: Callable[[str], None] = _ignore

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note when the run began; refuse what the engine could not serve, before it is loaded."""
        self._started = run_started()
        check_engine(self.engine, pl_module, self._tuner(trainer), self.answer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse the model itself, now that it is loaded, if the engine could not serve it."""
        check_engine(self.engine, pl_module, self._tuner(trainer), self.answer)

    # Lightning's hooks: one pair a subcommand.

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, unless this is the validation inside ``fit``."""
        if trainer.state.fn != "fit":
            self._begin(trainer, pl_module, "val")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the evaluation."""
        self._begin(trainer, pl_module, "test")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the evaluation."""
        self._begin(trainer, pl_module, "predict")

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Evaluate a task batch; other batches are the loss's."""
        self._on_batch(batch)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Evaluate a task batch; other batches are the loss's."""
        self._on_batch(batch)

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any
    ) -> None:
        """Evaluate a task batch."""
        self._on_batch(batch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table and log it."""
        if trainer.state.fn != "fit":
            self._finish(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table and log it."""
        self._finish(trainer)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table, if answers are known, and where the submission is."""
        self._finish(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """End the engine; what is finished is in the journal."""
        self._close()
        if self._known is not None:
            self._known.close()

    # What they do.

    def _begin(self, trainer: Trainer, module: Any, part: str) -> None:
        """Refuse what cannot work, find what is finished, and start the engine for the rest."""
        data = _datamodule(trainer)
        hidden = [task.without_answers() for task in data.tasks(part)]
        programs = None
        if self.code is not None:
            programs = self._programs = Programs(data.tokenizer, data.text, self.code)
        subject = Subject(module, data.encoder, data.max_tokens, self._tuner(trainer), programs)
        self._check(subject, data, hidden)
        known = self._open_results(trainer, subject, data, part)
        if not known.left and all(map(known.solved, known.tasks)):
            return
        budget = self._open_budget(len(hidden))
        self._beside = SolverAnswers(known, self.solver_seconds, budget, data.task_batch_size)
        if not known.left:
            return
        if programs is not None:
            programs.open()  # refused before an engine is started for it
        root, tuner = trainer.default_root_dir, subject.tuner
        self._session = open_engine(
            self.engine, self.vllm, module, data, tuner, self.answer, root, self.clock
        )
        report: Callable[[str], None] = _ignore
        bar = trainer.progress_bar_callback
        if isinstance(bar, RunProgress | LineProgress):
            report, self._line = bar.report, bar.finished
        steps = 0 if tuner is None else tuner.steps
        self._status = EvaluationStatus(data.tasks(part), steps, self.answer.views)
        self._status.add(known.candidates(known.variants[-1]))
        self._status.begin()
        self._evaluation = Evaluation(
            subject,
            self._session,
            self._options,
            budget,
            self._keep,
            report,
            self._beside.wait_for,
        )

    @property
    def _options(self) -> EvaluationOptions:
        return EvaluationOptions(self.answer, self.compare, self.seed, self.rescore)

    def _check(self, subject: Subject, data: ArcflowDataModule, tasks: Sequence[Task]) -> None:
        """Refuse what cannot work before any time is spent."""
        tuner, programs = subject.tuner, subject.programs
        asked = subject.encoder if programs is None else programs.encoder
        check_context(asked, tasks, self.answer, data.max_tokens)
        if tuner is not None:
            tuner.check(subject.module, tasks, data.task_batch_size)
        elif self.code is not None and self.code.hindsight:
            raise ConfigError(
                "pass_n.code.hindsight: there is no test-time fine-tuning that could learn from it",
                value={"hindsight": True, "test_time.steps": 0},
                expected="test_time.steps above 0",
                next_step="Set --test_time.steps, or leave hindsight out.",
            )
        check_engine(self.engine, subject.module, tuner, self.answer)
        check_rescoring(self.rescore, self.engine, programs is not None)

    def _open_results(
        self, trainer: Trainer, subject: Subject, data: ArcflowDataModule, part: str
    ) -> Results:
        """Open the journal, and write a submission of what it holds."""
        tasks, tuner = data.tasks(part), subject.tuner
        options = recorded_options(self, trainer.precision, subject.programs)
        known = self._known = Results(
            trainer.default_root_dir,
            _NAMES[part],
            evaluation_fingerprint(part, subject.module, data, tasks, self.answer, tuner, options),
            tasks,
            self._options.variants(tuner),
            trainer.global_rank,
            trainer.world_size,
            self.overwrite,
            self.solvers,
        )
        self.results, self._line = {}, _ignore
        if trainer.is_global_zero:
            self.writer.begin(tasks, trainer.default_root_dir, known.merged({}))
        trainer.strategy.barrier("arcflow.begin")
        if known.left < len(tasks) and trainer.is_global_zero:
            done = len(tasks) - known.left
            _log.warning("%d of %d tasks are finished in %s.", done, len(tasks), known.path)
        return known

    def _open_budget(self, tasks: int) -> TimeBudget:
        """Return the time there is, of which something must be left."""
        budget = TimeBudget(
            read_deadline(self.deadline, self._started), self.task_seconds, self.clock
        )
        if budget.over:
            done = len(self.writer.candidates)
            raise ConfigError(
                "pass_n.deadline has passed",
                value=self.deadline,
                expected="a time to come",
                next_step=f"Set a later --pass_n.deadline. {self.writer.target} is valid, with "
                f"{done} of {tasks} tasks answered.",
            )
        return budget

    def _tuner(self, trainer: Trainer) -> Tuner | None:
        """Return the test-time fine-tuning among the trainer's callbacks, if it is on."""
        found = (c for c in trainer.callbacks if isinstance(c, Tuner))
        tuner = next(found, None)
        return tuner if tuner is not None and tuner.steps > 0 else None

    def _on_batch(self, batch: Any) -> None:
        if not isinstance(batch, TaskBatch) or self._evaluation is None:
            return
        assert self._known is not None
        if all(self._known.finished(task) for task in batch.tasks):
            return
        if self._evaluation.budget.over:
            return
        # Tasks of one task batch share passes: it is done as it would have been, whatever is known.
        self._evaluation.task_batch(batch.tasks, max(self._share_left(), len(batch.tasks)))

    def _share_left(self) -> int:
        """Return about how many tasks are left for this process."""
        assert self._known is not None
        return -(-self._known.left // self._known.world_size)

    def _keep(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Journal a finished task batch, and bring the submission up to date."""
        known = self._known
        assert known is not None
        known.add(tasks, outcomes)
        if self._beside is not None:
            self._beside.collect()
        if known.rank == 0:
            if known.world_size > 1:
                known.read_others()
            found = known.merged(self.writer.candidates)
            self.writer.add(found)
            self._report({i: c for i, c in found.items() if known.has_model(i)}, outcomes)

    def _report(self, found: Mapping[str, Sequence[Candidate]], outcomes: Outcomes) -> None:
        """Write a line of progress, with what is known of all finished tasks."""
        assert self._status is not None
        assert self._evaluation is not None
        self._status.add(found)
        budget = self._evaluation.budget
        left = None if budget.end is None else budget.end - budget.clock()
        self._line(self._status.line(outcomes, left))

    def _close(self) -> None:
        session, self._session, self._evaluation = self._session, None, None
        programs, self._programs = self._programs, None
        beside, self._beside = self._beside, None
        try:
            if session is not None:
                session.close()
        finally:
            if programs is not None:
                programs.close()
            if beside is not None:
                beside.close()

    def _finish(self, trainer: Trainer) -> None:
        known = self._known
        assert known is not None
        if self._evaluation is not None:
            self._evaluation.collect()
        if self._beside is not None:
            self._beside.finish()
        self._close()
        known.merge(trainer)
        self.results = known.metrics(self.metrics)
        if not trainer.is_global_zero:
            return
        places = {"journal": known.path}
        if self.results:
            print()  # the progress bar leaves the cursor at its end
            print_table(metrics_table(self.results, self.metrics))
            known.write(self.results)
            places["results"] = known.results_path
            for logger in trainer.loggers:
                log_results(logger, self.results, trainer.global_step)
        if known.left:
            _log.warning(
                "The deadline came before %d of %d tasks; the same command with a later one goes "
                "on with them.",
                known.left,
                len(known.tasks),
            )
        if known.world_size > 1 or known.solvers:
            self.writer.add(known.merged(self.writer.candidates))
        log_tasks(trainer.loggers, known, trainer.global_step)
        places |= {"submission": self.writer.target, **write_page(known)}
        print(*summary(known.tasks, self.writer.candidates, places), sep="\n")


def _ignore(_: str) -> None:
    """Say nothing: there is no progress bar."""


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
