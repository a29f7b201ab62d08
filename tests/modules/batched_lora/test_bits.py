"""On the CPU an adapter's numbers are the same, to the last bit, whoever learns beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING

from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.task import Task
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import ScheduleConfig
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer
from arcflow.ttft.jobs import train_jobs
from arcflow.ttft.leave_one_out import LeaveOneOut
from arcflow.ttft.train import TunedAdapter, TuningPlan
from tests.helpers.tiny import SIZES
from tests.ttft.test_tuner import make_module, make_task, tuner


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


def sixteen() -> list[Task]:
    """Of different lengths and numbers of pairs; some answers are of a few tokens."""
    return [make_task(f"t{i}", side=1 + i % 5, n_train=2 + i % 3) for i in range(16)]


def learned(
    callback: TestTimeFineTuning, module: LoRAModule, encoder: Encoder, tasks: Sequence[Task]
) -> dict[str, TunedAdapter]:
    """What is made of tasks that learn in one group."""
    stream = LeaveOneOut(encoder, callback.augment, callback.leave_out, None, callback.seed)
    config, start = callback.adapter_config(module), callback._start(module)
    plan = TuningPlan(
        module, config, start, stream, callback.recipe, moments=True, strategy="loop", together=True
    )
    found = train_jobs(plan, callback.jobs(tasks))
    return {task.id: one for task, one in zip(tasks, found, strict=True)}


def assert_equal(one: TunedAdapter, other: TunedAdapter) -> None:
    assert one.steps == other.steps
    assert one.state.keys() == other.state.keys()
    for name, tensor in one.state.items():
        assert torch.equal(tensor, other.state[name]), name
        for key, moment in one.moments[name].items():
            assert torch.equal(moment, other.moments[name][key]), (name, key)


def groupings(tasks: list[Task]) -> list[list[Task]]:
    return [tasks[:1], tasks[4:5], tasks[4:6], tasks[5:0:-1], tasks[::-1]]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="all layers"),
        pytest.param({"gradient_clip": 0.01}, id="clipped"),
        pytest.param({"tokens_per_step": 300}, id="filled rows"),
        pytest.param({"lora": LoRAConfig(rank=3)}, id="odd rank"),
        pytest.param(
            {"lora": LoRAConfig(rank=4, target_modules=["q_proj", "up_proj"])}, id="two layers"
        ),
    ],
)
def test_the_same_bits_in_every_group(encoder: Encoder, more: dict[str, Any]) -> None:
    module = make_module(None)
    options = {"lora": LoRAConfig(rank=4), "schedule": ScheduleConfig("linear")} | more
    callback = tuner(3, lr=3e-3, **options)
    tasks = sixteen()
    wanted = learned(callback, module, encoder, tasks)
    assert any(
        not torch.equal(tensor, wanted["t8"].state[name])
        for name, tensor in wanted["t7"].state.items()
    )
    for group in groupings(tasks):
        for name, one in learned(callback, module, encoder, group).items():
            assert_equal(one, wanted[name])


def test_the_same_bits_when_others_leave_early(encoder: Encoder) -> None:
    module, tasks = make_module(None), sixteen()
    callback = tuner(12, lr=1e-2, lora=LoRAConfig(rank=4), stop_window=3)
    losses: list[float] = []
    callback.tune(module, encoder, tasks, on_step=lambda _, step, loss: losses.append(loss))
    callback.stop_loss = sorted(losses)[len(losses) // 3]
    wanted = learned(callback, module, encoder, tasks)
    assert len({one.steps for one in wanted.values()}) > 2
    for group in groupings(tasks):
        for name, one in learned(callback, module, encoder, group).items():
            assert_equal(one, wanted[name])


def test_the_same_bits_at_the_sizes_of_the_embedded_model(encoder: Encoder) -> None:
    module = LoRAModule(BackboneConfig(), None)
    module.configure_model()
    callback = tuner(3, lr=3e-3, lora=LoRAConfig(rank=32), tokens_per_step=1)
    tasks = sixteen()
    wanted = learned(callback, module, encoder, tasks)
    for group in (tasks[3:4], tasks[8:10], tasks[7:2:-1]):
        for name, one in learned(callback, module, encoder, group).items():
            assert_equal(one, wanted[name])


def test_the_option_does_not_depend_on_groups(encoder: Encoder) -> None:
    module = make_module(None)
    tasks = sixteen()[:5]
    callback = tuner(4, lr=3e-3, lora=LoRAConfig(rank=4))
    found = []
    for together in (2, 3, 4, 5):
        callback.tasks_together = together
        found.append(callback.tune(module, encoder, tasks))
    for refs in found[1:]:
        for one, other in zip(found[0], refs, strict=True):
            assert one.state is not None
            assert other.state is not None
            assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "mistral"])
def test_the_same_bits_of_other_models(encoder: Encoder, tmp_path: Path, kind: str) -> None:
    sizes = SIZES | {"head_dim": 16, "max_position_embeddings": 512}
    CONFIG_MAPPING[kind](**sizes).save_pretrained(tmp_path)
    module = LoRAModule(BackboneConfig(str(tmp_path / "config.json")), None, vocab_size=112)
    module.configure_model()
    callback = tuner(3, lr=3e-3, lora=LoRAConfig(rank=4))
    tasks = sixteen()[:8]
    wanted = learned(callback, module, encoder, tasks)
    for group in (tasks[3:4], tasks[4:6], tasks[7:2:-1]):
        for name, one in learned(callback, module, encoder, group).items():
            assert_equal(one, wanted[name])
