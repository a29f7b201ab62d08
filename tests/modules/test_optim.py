import itertools
import math
import sys
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from arcflow.core.errors import ConfigError
from arcflow.modules.lora.adapters import LoRAConfig, attach_adapter
from arcflow.modules.loss.causal_lm import causal_loss
from arcflow.modules.optim import (
    OptimizerConfig,
    ScheduleConfig,
    build_optimizer,
    build_schedule,
    schedule_ratio,
)
from tests.helpers.tiny import packed, tiny

# bitsandbytes says that there is nothing to page to without a GPU.
PAGED = "ignore:Paged optimizers are not supported on CPU:UserWarning"


def test_norms_embeddings_and_biases_do_not_decay() -> None:
    model = tiny()
    names = {id(p): k for k, p in model.named_parameters()}
    optimizer = build_optimizer(model, OptimizerConfig(weight_decay=0.3))
    decayed, exempt = optimizer.param_groups
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.3, 0.0)
    assert len(decayed["params"]) + len(exempt["params"]) == len(names)
    for group, wanted in ((decayed, False), (exempt, True)):
        for p in group["params"]:
            name = names[id(p)]
            assert (name.endswith("bias") or "norm" in name or "embed" in name) is wanted, name


def test_only_what_requires_a_gradient_is_optimized() -> None:
    model = tiny()
    attach_adapter(model, LoRAConfig(rank=2))
    (group,) = build_optimizer(model, OptimizerConfig()).param_groups
    assert {id(p) for p in group["params"]} == {
        id(p) for k, p in model.named_parameters() if ".lora_" in k
    }
    assert group["betas"] == (0.9, 0.999)
    some = group["params"][:3]
    (group,) = build_optimizer(model, OptimizerConfig(), params=some).param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in some]
    with pytest.raises(ConfigError, match="optimizer: nothing to train"):
        build_optimizer(tiny().requires_grad_(False), OptimizerConfig())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "optimizer.lr: out of range: got 0.0. Expected a finite number above 0."),
        ({"betas": (0.9, 1.0)}, "optimizer.betas: out of range: got (0.9, 1.0)"),
        ({"weight_decay": -1.0}, "optimizer.weight_decay: out of range"),
        ({"eps": 0.0}, "optimizer.eps: out of range"),
    ],
)
def test_optimizer_mistakes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_optimizer(tiny(), OptimizerConfig(**options))
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["adamw_8bit", "paged_adamw_8bit"])
def test_missing_bitsandbytes_names_the_extra(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(ConfigError) as error:
        build_optimizer(tiny(), OptimizerConfig(name=name))
    assert 'pip install "arcflow[bnb]"' in str(error.value)


def tensors(tree: Any) -> list[torch.Tensor]:
    if isinstance(tree, dict):
        return [found for value in tree.values() for found in tensors(value)]
    return [tree] if isinstance(tree, torch.Tensor) else []


@pytest.mark.filterwarnings(PAGED)
@pytest.mark.parametrize("name", ["adamw", "adamw_8bit", "paged_adamw_8bit"])
def test_optimizers_learn_and_resume_exactly(name: Any, tmp_path: Any) -> None:
    if name != "adamw":
        pytest.importorskip("bitsandbytes")

    # Tensors of 4,096 numbers and more are the ones whose state has 8 bits.
    def start() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = tiny()
        attach_adapter(model, LoRAConfig(rank=128))
        return model, build_optimizer(model, OptimizerConfig(name=name, lr=3e-3))

    def steps(model: Any, optimizer: torch.optim.Optimizer, n: int) -> list[float]:
        losses = []
        for _ in range(n):
            loss, _ = causal_loss(model, packed())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    model, optimizer = start()
    losses = steps(model, optimizer, 10)
    assert losses[-1] < losses[0] - 0.2

    first, optimizer = start()
    assert steps(first, optimizer, 4) == losses[:4]
    state = {"model": first.state_dict(), "optimizer": optimizer.state_dict()}
    if name != "adamw":
        kinds = {v.dtype for v in tensors(state["optimizer"])}
        assert torch.uint8 in kinds
    torch.save(state, tmp_path / "state.pt")

    second, optimizer = start()
    loaded = torch.load(tmp_path / "state.pt", weights_only=True)
    second.load_state_dict(loaded["model"])
    optimizer.load_state_dict(loaded["optimizer"])
    assert steps(second, optimizer, 6) == losses[4:]


STEPS = st.integers(2, 300)


@given(
    total=STEPS,
    name=st.sampled_from(["linear", "cosine", "cosine_with_restarts", "constant"]),
    warmup=st.floats(0, 0.9),
    low=st.floats(0, 0.5),
    cycles=st.integers(1, 4),
)
def test_every_schedule_stays_between_low_and_peak(
    total: int, name: Any, warmup: float, low: float, cycles: int
) -> None:
    steps = math.ceil(warmup * total)
    if steps >= total:
        return
    ratio = schedule_ratio(
        ScheduleConfig(name=name, warmup_steps=steps, cycles=cycles, min_ratio=low), total
    )
    rates = [ratio(i) for i in range(total)]
    assert all(0 < rate <= 1 + 1e-12 for rate in rates[:steps])
    assert all(a < b for a, b in itertools.pairwise(rates[: steps + 1]))
    assert rates[steps] == pytest.approx(1)
    assert all(low - 1e-12 <= rate <= 1 + 1e-12 for rate in rates[steps:])
    end = ratio(total)
    assert end == pytest.approx(1 if name == "constant" else low)
    if name in ("linear", "cosine"):
        assert all(a >= b for a, b in itertools.pairwise(rates[steps:]))


def test_shapes_by_hand() -> None:
    linear = schedule_ratio(ScheduleConfig(name="linear", warmup_steps=1), 5)
    assert [linear(i) for i in range(6)] == [0.5, 1.0, 0.75, 0.5, 0.25, 0.0]
    cosine = schedule_ratio(ScheduleConfig(name="cosine", min_ratio=0.2), 4)
    assert [cosine(i) for i in (0, 2, 4)] == pytest.approx([1.0, 0.6, 0.2])
    restarts = schedule_ratio(ScheduleConfig(name="cosine_with_restarts", cycles=2), 8)
    assert [restarts(i) for i in (0, 2, 4, 6, 8)] == pytest.approx([1.0, 0.5, 1.0, 0.5, 0.0])
    share = schedule_ratio(ScheduleConfig(name="constant", warmup_ratio=0.5), 6)
    assert [share(i) for i in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_the_schedule_moves_and_restores_the_learning_rate() -> None:
    def start() -> tuple[Any, Any]:
        optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=0.1)
        return optimizer, build_schedule(optimizer, ScheduleConfig(name="linear"), 10)

    def run(optimizer: Any, schedule: Any, n: int) -> list[float]:
        rates = []
        for _ in range(n):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return rates

    rates = run(*start(), 10)
    assert rates == pytest.approx([0.1 * (10 - i) / 10 for i in range(10)])
    optimizer, schedule = start()
    run(optimizer, schedule, 4)
    again, again_schedule = start()
    again.load_state_dict(optimizer.state_dict())
    again_schedule.load_state_dict(schedule.state_dict())
    assert run(again, again_schedule, 6) == rates[4:]


@pytest.mark.parametrize(
    ("options", "total", "message"),
    [
        ({}, -1, "trainer.max_steps: the schedule needs to know where it ends: got -1"),
        ({"warmup_steps": 5}, 5, "schedule: the warm-up does not end: got 5. Expected fewer steps"),
        ({"warmup_steps": -1}, 5, "schedule.warmup_steps: out of range: got -1"),
        ({"warmup_ratio": 1.5}, 5, "schedule.warmup_ratio: out of range: got 1.5"),
        ({"min_ratio": 2.0}, 5, "schedule.min_ratio: out of range: got 2.0"),
        ({"cycles": 0}, 5, "schedule.cycles: out of range: got 0. Expected 1 or more"),
        ({"warmup_steps": 1, "warmup_ratio": 0.1}, 50, "schedule: two lengths of the warm-up"),
    ],
)
def test_schedule_mistakes(options: dict[str, Any], total: int, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        schedule_ratio(ScheduleConfig(**options), total)
    assert message in str(error.value)
