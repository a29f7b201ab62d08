"""Test-time fine-tuning: every task gets an adapter trained on its own examples.

After Akyürek et al. 2024, "The surprising effectiveness of test-time training for few-shot
learning", arXiv:2411.07279: leave-one-out views of the task's train pairs, augmented, and an
adapter of its own for each task.
"""

import itertools
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from arcflow.callbacks.leave_one_out import LeaveOneOut
from arcflow.callbacks.views import task_key
from arcflow.core.errors import ConfigError
from arcflow.core.sample_augment import AugmentConfig
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.engines.base import AdapterRef
from arcflow.modules.adapters import (
    DEFAULT_ADAPTER,
    LoRAConfig,
    State,
    adapter_state,
    temporary_adapter,
)
from arcflow.modules.lora import LoRAModule
from arcflow.modules.objective import causal_loss
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig, build_optimizer, build_schedule
from arcflow.text.encode import Encoder
from arcflow.text.pack import pack_examples

_log = logging.getLogger(__name__)
_AUGMENT = AugmentConfig()
_OPTIMIZER = OptimizerConfig(lr=2e-4, weight_decay=0.0)
_SCHEDULE = ScheduleConfig(name="constant")

OnStep = Callable[[str, int, float], None]
"""Called with task id, step (from 0) and the step's mean loss in nats a scored token."""


class TestTimeFineTuning(Callback):
    """Trains an adapter for each evaluated task on leave-one-out views of its train pairs.

    The model is left as it was, bit for bit, and so is all random state (law 4). Test outputs
    play no part. A task with a single train pair has nothing to leave out: its adapter is the
    untrained start, and a warning says so; so it is where no view fits the context.

    Args:
        steps: optimizer steps a task; 0 turns test-time fine-tuning off.
        tokens_per_step: tokens of one step's packed row; at least one sample is in it.
        start: "continue" starts from a copy of the trained adapter (from a new one on top of the
            trained weights where all weights were trained); "fresh" from a new adapter on the
            base model, the trained one set aside.
        lora: the new adapters' shape; null takes the trained adapter's, or the defaults where
            there is none.
        optimizer: how the adapter is changed; made anew for each task.
        schedule: how the learning rate moves over ``steps``.
        gradient_clip: largest norm of a step's gradient; 0 leaves it as it is.
        augment: how the views are augmented.
        leave_out: train pairs left out of each view's examples, one of which is asked.
        seed: the adapters are functions of (seed, task).
    """

    __test__ = False  # the name begins like a test class's

    def __init__(
        self,
        steps: int = 0,
        tokens_per_step: int = 4096,
        start: Literal["continue", "fresh"] = "continue",
        lora: LoRAConfig | None = None,
        optimizer: OptimizerConfig = _OPTIMIZER,
        schedule: ScheduleConfig = _SCHEDULE,
        gradient_clip: float = 1.0,
        augment: AugmentConfig = _AUGMENT,
        leave_out: int = 1,
        seed: int = 0,
    ) -> None:
        for name, value, least in (
            ("steps", steps, 0),
            ("tokens_per_step", tokens_per_step, 1),
            ("gradient_clip", gradient_clip, 0),
            ("leave_out", leave_out, 1),
        ):
            if not value >= least:
                raise ConfigError(
                    f"test_time.{name} is too small",
                    value=value,
                    expected=f"at least {least}",
                    next_step=f"Set --test_time.{name} {least} or more.",
                )
        self.steps, self.tokens_per_step, self.start = steps, tokens_per_step, start
        self.lora, self.optimizer, self.schedule = lora, optimizer, schedule
        self.gradient_clip, self.augment = gradient_clip, augment
        self.leave_out, self.seed = leave_out, seed
        self._ids = itertools.count(1)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse inference mode before any time is spent."""
        loops = {
            "validate": trainer.validate_loop,
            "test": trainer.test_loop,
            "predict": trainer.predict_loop,
        }
        if self.steps > 0 and stage in loops and loops[stage].inference_mode:
            raise _inference_mode_error()

    def tune(
        self,
        module: LightningModule,
        encoder: Encoder,
        tasks: Sequence[Task],
        max_tokens: int | None = None,
        on_step: OnStep | None = None,
    ) -> list[AdapterRef]:
        """Train one adapter for each task.

        Args:
            module: a `LoRAModule` whose model is loaded.
            encoder: writes the samples.
            tasks: their answers are not looked at.
            max_tokens: longest sample; None: no bound.
            on_step: told of every step.

        Returns:
            One reference a task, in order, each with a new id and its tensors on the CPU.

        Raises:
            ConfigError: inference mode is on, or the options do not suit the module.
        """
        if torch.is_inference_mode_enabled():
            raise _inference_mode_error()
        module, config = self._suited(module)
        start = None
        if module.lora is not None and self.start == "continue":
            start = adapter_state(module.model, DEFAULT_ADAPTER)
        stream = LeaveOneOut(encoder, self.augment, self.leave_out, max_tokens, self.seed)
        refs = []
        for task in tasks:
            seed = derive(self.seed, "test_time", task_key(task))
            with (
                _isolated_random_state(module.model.device, seed),
                _training_mode(module.model),
                torch.enable_grad(),
            ):
                state = self._tune_one(module, config, start, stream, task, seed, on_step)
            refs.append(AdapterRef(next(self._ids), state))
        return refs

    @contextmanager
    def use_adapter(self, module: LightningModule, ref: AdapterRef | None) -> Iterator[None]:
        """Answer with a tuned adapter inside the block; None: with the model as it was trained."""
        if ref is None:
            yield
            return
        module, config = self._suited(module)
        with temporary_adapter(module.model, config, start=ref.state, trainable=False):
            yield

    def _tune_one(
        self,
        module: LoRAModule,
        config: LoRAConfig,
        start: State | None,
        stream: LeaveOneOut,
        task: Task,
        seed: int,
        on_step: OnStep | None,
    ) -> dict[str, Tensor]:
        model = module.model
        name = "test_time"
        forward_context, scaler = _precision(module)
        with temporary_adapter(model, config, name, start, seed) as parameters:
            optimizer = build_optimizer(model, self.optimizer, parameters)
            schedule = build_schedule(optimizer, self.schedule, max(self.steps, 1))
            done = 0
            rows = stream.rows(task, self.tokens_per_step)
            for step, row in enumerate(itertools.islice(rows, self.steps)):
                packed = pack_examples(row)
                batch = {
                    key: torch.from_numpy(getattr(packed, key))[None].to(model.device)
                    for key in ("input_ids", "labels", "position_ids")
                }
                with forward_context():
                    loss, _ = causal_loss(model, batch)
                torch.autograd.backward(scaler.scale(loss))
                if self.gradient_clip > 0:
                    scaler.unscale_(optimizer)
                    nn.utils.clip_grad_norm_(parameters, self.gradient_clip)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
                schedule.step()
                done = step + 1
                if on_step is not None:
                    on_step(task.id, step, loss.item())
            if done < self.steps:
                _log.warning(
                    "task %s (%d train pairs): test-time fine-tuning ended after %d of %d steps, "
                    "for want of a leave-one-out view that fits.",
                    task.id,
                    len(task.train),
                    done,
                    self.steps,
                )
            return adapter_state(model, name)

    def _suited(self, module: LightningModule) -> tuple[LoRAModule, LoRAConfig]:
        """The module, and the shape of its tasks' adapters."""
        if not isinstance(module, LoRAModule):
            raise ConfigError(
                "test-time fine-tuning: the module has no adapters",
                value=type(module).__name__,
                expected="a LoRAModule, or a subclass of it",
                next_step="Set --test_time.steps 0, or derive the module from LoRAModule.",
            )
        trained = module.lora
        if trained is None:
            return module, self.lora or LoRAConfig()
        if self.start == "continue":
            if self.lora is not None and self.lora.spec() != trained.spec():
                raise ConfigError(
                    "test_time.lora: a copy of the trained adapter keeps its shape",
                    value=self.lora.spec(),
                    expected=f"null, or as trained: {trained.spec()}",
                    next_step="Remove test_time.lora, or set --test_time.start fresh.",
                )
            return module, trained
        if trained.changes_base:
            raise ConfigError(
                "test_time.start: the trained adapter's init took its part out of the base weights",
                value=self.start,
                expected=f"continue, after training with lora.init: {trained.init}",
                next_step="Set --test_time.start continue.",
            )
        return module, self.lora or trained


def _inference_mode_error() -> ConfigError:
    return ConfigError(
        "test-time fine-tuning needs gradients, and the trainer switched them off",
        value="trainer.inference_mode: true",
        expected="trainer.inference_mode: false",
        next_step="Set --trainer.inference_mode false, or Trainer(inference_mode=False).",
    )


def _precision(
    module: LoRAModule,
) -> tuple[Callable[[], AbstractContextManager[Any]], torch.amp.GradScaler]:
    """The trainer's autocast, and a loss scaler of its own where float16 needs one."""
    if module._trainer is None:
        return nullcontext, torch.amp.GradScaler(enabled=False)
    plugin = module._trainer.precision_plugin
    fp16 = plugin.precision == "16-mixed"
    return plugin.forward_context, torch.amp.GradScaler(module.model.device.type, enabled=fp16)


@contextmanager
def _training_mode(model: nn.Module) -> Iterator[None]:
    """Training mode within (dropout, gradient checkpointing); each submodule's own mode after."""
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _isolated_random_state(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's generators within; put back torch's, numpy's and Python's after."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    cuda = device.type == "cuda"
    try:
        with torch.random.fork_rng(devices=[device] if cuda else []):
            torch.default_generator.manual_seed(seed)
            if cuda:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
