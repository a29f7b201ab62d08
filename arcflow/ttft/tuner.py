"""Test-time fine-tuning: every task gets an adapter trained on its own examples.

After Akyürek et al. 2024, "The surprising effectiveness of test-time training for few-shot
learning", arXiv:2411.07279: leave-one-out views of the task's train pairs, augmented, and an
adapter of its own for each task.
"""

import inspect
import itertools
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.seeds import derive
from arcflow.core.task import Task, task_key
from arcflow.engines.base import AdapterRef
from arcflow.modules.adapter_files import plain_adapter, write_adapter
from arcflow.modules.lora.adapters import (
    DEFAULT_ADAPTER,
    LoRAConfig,
    State,
    adapter_state,
    temporary_adapter,
)
from arcflow.modules.lora.full_weights import temporary_weights
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from arcflow.text.encode import Encoder
from arcflow.ttft import validation as checks
from arcflow.ttft.jobs import train_jobs
from arcflow.ttft.leave_one_out import LeaveOneOut, TuningSamples
from arcflow.ttft.train import OnStep, TuningConfig, TuningJob, TuningPlan

_log = logging.getLogger(__name__)
_AUGMENT = AugmentConfig()
_OPTIMIZER = OptimizerConfig(lr=2e-4, weight_decay=0.0)
_SCHEDULE = ScheduleConfig(name="constant")
_NAME = "test_time"


@dataclass
class _Trained:
    """References to the adapters that took a step, by job, and the jobs that diverged."""

    refs: dict[TuningJob, AdapterRef] = field(default_factory=dict)
    diverged: set[TuningJob] = field(default_factory=set)


class Tuner:
    """Trains an adapter for each evaluated task on leave-one-out views of its train pairs.

    The model is left as it was, bit for bit, and so is all random state (invariant 4). Test outputs
    play no part. A task with a single train pair has nothing to leave out: it is answered with
    the model as it was trained, and a warning says so; so it is where no view fits the context, and
    where training diverges (a loss or weight that is not finite).

    Args:
        steps: optimizer steps a task; 0 turns test-time fine-tuning off.
        tokens_per_step: tokens of one step's packed row; at least one sample is in it.
        mode: "continue" trains a copy of the trained adapter (a new one on top of the trained
            weights where all weights were trained); "fresh" a new adapter on the base model, the
            trained one set aside; "all" all weights of the model, a trained adapter kept as it
            is: for small models, whose every task holds a copy of the weights.
        lora: the new adapters' shape; null takes the trained adapter's, or the defaults where
            there is none. Not used with mode: all.
        optimizer: how the adapter is changed; made anew for each adapter.
        schedule: how the learning rate moves over the steps.
        gradient_clip: largest norm of a step's gradient; 0 leaves it as it is.
        augment: how the views are augmented: turns and flips (dihedral), colours (recolor,
            keep_colors, move_background), order of the pairs (reorder).
        leave_out: train pairs left out of each view's examples, one of which is asked: 1 for
            all others as examples, 2 for one fewer.
        tasks_per_adapter: tasks of a task batch that share an adapter, in order; 0 lets all of a
            task batch share one. A shared adapter gets ``steps`` for each of its tasks, which take
            turns.
        tasks_together: adapters trained in one forward pass, each on its own samples with its own
            steps, as if alone; a pass then holds this many rows of ``tokens_per_step``. LoRA and
            rsLoRA without dropout, with optimizer adamw. On the CPU in float32 every number above
            1 gives the same adapters to the last bit; 1 those of PEFT's own layers, equal but for
            rounding.
        stop_loss: an adapter's training ends early once the mean loss of its last
            ``stop_window`` steps, in nats a scored token, is at or below this; 0 never.
        stop_window: steps over which ``stop_loss`` is judged.
        seed: the adapters are functions of (seed, tasks that share the adapter).
    """

    def __init__(
        self,
        steps: int = 0,
        tokens_per_step: int = 4096,
        mode: Literal["continue", "fresh", "all"] = "continue",
        lora: LoRAConfig | None = None,
        optimizer: OptimizerConfig = _OPTIMIZER,
        schedule: ScheduleConfig = _SCHEDULE,
        gradient_clip: float = 1.0,
        augment: AugmentConfig = _AUGMENT,
        leave_out: int = 1,
        tasks_per_adapter: int = 1,
        tasks_together: int = 1,
        stop_loss: float = 0.0,
        stop_window: int = 8,
        seed: int = 0,
    ) -> None:
        checks.check_least(
            {
                "steps": (steps, 0),
                "tokens_per_step": (tokens_per_step, 1),
                "gradient_clip": (gradient_clip, 0),
                "leave_out": (leave_out, 1),
                "tasks_per_adapter": (tasks_per_adapter, 0),
                "tasks_together": (tasks_together, 1),
                "stop_loss": (stop_loss, 0),
                "stop_window": (stop_window, 1),
            }
        )
        self.steps, self.tokens_per_step, self.mode = steps, tokens_per_step, mode
        self.lora, self.optimizer, self.schedule = lora, optimizer, schedule
        self.gradient_clip, self.augment, self.leave_out = gradient_clip, augment, leave_out
        self.tasks_per_adapter, self.tasks_together = tasks_per_adapter, tasks_together
        self.stop_loss, self.stop_window, self.seed = stop_loss, stop_window, seed
        self._ids = itertools.count(1)

    @property
    def options(self) -> dict[str, Any]:
        """Return every option's value by its name."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names}

    @property
    def recipe(self) -> TuningConfig:
        """The options that decide how an adapter is trained."""
        return TuningConfig(
            self.steps,
            self.tokens_per_step,
            self.optimizer,
            self.schedule,
            self.gradient_clip,
            self.stop_loss,
            self.stop_window,
        )

    def adapter_config(self, module: LightningModule) -> LoRAConfig | None:
        """Return the shape of the tuned adapters, or None if all weights are tuned."""
        return checks.suited(module, self.mode, self.lora)[1]

    def check(self, module: LightningModule, tasks: Sequence[Task], task_batch_size: int) -> None:
        """Refuse what cannot work before any time is spent; name tasks that cannot be tuned.

        Args:
            module: a `LoRAModule` whose model is loaded.
            tasks: all that will be tuned.
            task_batch_size: how many of them are tuned at a time.

        Raises:
            ConfigError: the options do not suit the module, the task batch or each other.
        """
        module, config = checks.suited(module, self.mode, self.lora)
        if self.steps == 0:
            return
        checks.check_loss(module)
        checks.check_recipe(self.recipe)
        checks.check_task_batches(self.tasks_per_adapter, task_batch_size)
        if self.tasks_together > 1:
            checks.check_together(module, config, self.optimizer)
        if config is not None:
            checks.check_attaches(module, config)
        single_pair_tasks = checks.single_pair_tasks(tasks)
        if single_pair_tasks:
            _log.warning(
                "Test-time fine-tuning: %d of %d tasks have a single train pair, nothing to leave "
                "out, and are answered with the model as it was trained: %s.",
                len(single_pair_tasks),
                len(tasks),
                ", ".join(single_pair_tasks),
            )

    def tune(
        self,
        module: LightningModule,
        encoder: Encoder,
        tasks: Sequence[Task],
        on_step: OnStep | None = None,
        steps: int | None = None,
        expired: Callable[[], bool] | None = None,
        folder: Path | None = None,
        samples: TuningSamples | None = None,
    ) -> list[AdapterRef]:
        """Train the tasks' adapters, and return references to them.

        Args:
            module: a `LoRAModule` whose model is loaded.
            encoder: writes the samples.
            tasks: a task batch of them; their answers are not looked at.
            on_step: told of every step.
            steps: fewer steps a task than configured; the schedule runs over these.
            expired: asked before each step; True ends tuning with what there is.
            folder: where each adapter gets a new folder in PEFT's format; None writes nothing.
                Whole weights are not written.
            samples: what is trained on; None takes leave-one-out views of any length.

        Returns:
            One reference a task, in order, its tensors on the CPU; tasks that share an adapter
            share the reference. Each adapter has a new id. Where no step was taken, or where
            training diverged, the reference is to the model as it was trained, with one id for
            all such tasks of the task batch.

        Raises:
            ConfigError: inference mode is on, or the options do not suit the module.
        """
        if torch.is_inference_mode_enabled():
            raise checks.inference_mode_error()
        module, config = checks.suited(module, self.mode, self.lora)
        if self.steps > 0:
            checks.check_loss(module)
        recipe = self.recipe
        if steps is not None:
            recipe = replace(recipe, steps=min(steps, self.steps))
        elif self.steps > 0:
            checks.check_recipe(recipe)
        if self.tasks_together > 1:
            checks.check_together(module, config, self.optimizer)
        samples = samples or self.leave_one_out(encoder)
        start, together = self._start(module), self.tasks_together > 1
        plan = TuningPlan(
            module, config, start, samples, recipe, on_step, expired, together=together
        )
        jobs = self.jobs(tasks)
        trained = self._train(plan, [job for job in jobs if job.steps(recipe) > 0], folder)
        untuned = None if len(trained.refs) == len(jobs) else self._untuned(module, config, folder)
        refs = []
        for job in jobs:
            ref = trained.refs.get(job, untuned)
            assert ref is not None
            ref = replace(ref, diverged=True) if job in trained.diverged else ref
            refs += [ref] * len(job.tasks)
        return refs

    def leave_one_out(self, encoder: Encoder, max_tokens: int | None = None) -> LeaveOneOut:
        """Return the samples that tasks are tuned on.

        Args:
            encoder: writes the samples.
            max_tokens: longest sample; None: no bound.
        """
        return LeaveOneOut(encoder, self.augment, self.leave_out, max_tokens, self.seed)

    def _train(self, plan: TuningPlan, jobs: Sequence[TuningJob], folder: Path | None) -> _Trained:
        """Train the adapters of the jobs, and leave out those that took no step in time, and those
        that diverged."""
        trained = _Trained()
        for i in range(0, len(jobs), self.tasks_together):
            if plan.expired is not None and plan.expired():
                break
            batch = jobs[i : i + self.tasks_together]
            for job, tuned in zip(batch, train_jobs(plan, batch), strict=True):
                if not tuned.finite:
                    trained.diverged.add(job)
                    _log.warning(
                        "Test-time fine-tuning diverged within %d steps: answered with the model "
                        "as it was trained: %s. Lower test_time.optimizer.lr.",
                        tuned.steps,
                        ", ".join(task.id for task in job.tasks),
                    )
                elif tuned.steps > 0:
                    trained.refs[job] = self._ref(
                        plan.module, plan.config, tuned.state, tuned.steps, folder
                    )
        return trained

    def jobs(self, tasks: Sequence[Task]) -> list[TuningJob]:
        """Return the tasks, answers hidden, in groups that share an adapter."""
        size = self.tasks_per_adapter or max(1, len(tasks))
        groups = [tasks[i : i + size] for i in range(0, len(tasks), size)]
        return [
            TuningJob(
                tuple(task.without_answers() for task in group),
                derive(self.seed, "test_time", *map(task_key, group)),
            )
            for group in groups
        ]

    @contextmanager
    def use_adapter(self, module: LightningModule, ref: AdapterRef | None) -> Iterator[None]:
        """Answer with the tuned adapter inside the block; None answers with the model as it was
        trained."""
        if ref is None:
            yield
            return
        module, config = checks.suited(module, self.mode, self.lora)
        state = ref.state or {}
        if config is None:
            with temporary_weights(module.model, state):
                yield
            return
        if ref.steps == 0 and module.lora is not None:
            config = module.lora
        with temporary_adapter(module.model, config, start=state, trainable=False):
            yield

    def _start(self, module: LoRAModule) -> State | None:
        """Return the values that adapters start from; None draws their first values."""
        if module.lora is None or self.mode != "continue":
            return None
        return adapter_state(module.model, DEFAULT_ADAPTER)

    def _ref(
        self,
        module: LoRAModule,
        config: LoRAConfig | None,
        state: State,
        steps: int,
        folder: Path | None,
    ) -> AdapterRef:
        number = next(self._ids)
        if config is None:
            return AdapterRef(number, state, kind="weights", steps=steps)
        path = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            # A path of its own for good, whatever an earlier process left here (invariant 5).
            path = Path(tempfile.mkdtemp(prefix=f"adapter-{number}-", dir=folder))
            first = None
            if config.changes_base:
                first = module.model.peft_config[DEFAULT_ADAPTER].arcflow_start
            plain, shape = plain_adapter(state, config, first)
            base_name = module.model.config._name_or_path
            write_adapter(plain, path, shape, base_name, module.fingerprint())
        return AdapterRef(number, state, path, steps=steps)

    def _untuned(
        self, module: LoRAModule, config: LoRAConfig | None, folder: Path | None
    ) -> AdapterRef:
        """Return a reference to the model as it was trained."""
        if config is None:
            return self._ref(module, None, {}, 0, None)
        if module.lora is not None:
            state = adapter_state(module.model, DEFAULT_ADAPTER)
            return self._ref(module, module.lora, state, 0, folder)
        with temporary_adapter(module.model, config, _NAME, trainable=False):
            state = adapter_state(module.model, _NAME)
        return self._ref(module, config, state, 0, folder)
