"""Many adapters in one forward pass: each becomes what it becomes alone, and leaves no trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.errors import ConfigError
from arcflow.core.task import Task
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.batched_lora.low_rank import LoopSlices, PaddedSlices
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    adapter_state,
    attach_adapter,
    redraw_adapter,
    temporary_adapter,
)
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.loss.causal_lm import causal_loss, causal_losses
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from arcflow.sources.arc import find_task
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer
from arcflow.ttft.jobs import train_jobs
from arcflow.ttft.leave_one_out import LeaveOneOut
from arcflow.ttft.train import TunedAdapter, TuningPlan
from tests.helpers.tiny import SIZES, packed, tiny
from tests.ttft.test_tuner import everything, make_module, make_task, tuner


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


def real_tasks() -> list[Task]:
    """Five small ones of the training set, of different lengths."""
    found = [
        find_task(name) for name in ("25ff71a9", "6f8cd79b", "d037b0a7", "a85d4709", "bb43febb")
    ]
    return [task for task in found if task is not None]


def learned(
    callback: TestTimeFineTuning,
    module: LoRAModule,
    encoder: Encoder,
    tasks: list[Task],
    together: bool,
    **options: Any,
) -> list[TunedAdapter]:
    stream = LeaveOneOut(encoder, callback.augment, callback.leave_out, None, callback.seed)
    config, start = callback.adapter_config(module), callback._start(module)
    plan = TuningPlan(module, config, start, stream, callback.recipe, moments=True, **options)
    jobs = callback.jobs(tasks)
    if together:
        return train_jobs(plan, jobs)
    return [train_jobs(plan, [job])[0] for job in jobs]


def difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Of all tensors as one vector, relative to its length."""
    assert a.keys() == b.keys()
    apart = sum(float((a[name] - b[name]).square().sum()) for name in a)
    length = sum(float(a[name].square().sum()) for name in a)
    return float((apart / length) ** 0.5)


def assert_same(
    alone: list[TunedAdapter], joint: list[TunedAdapter], tolerance: float = 1e-4
) -> None:
    for one, other in zip(alone, joint, strict=True):
        assert one.steps == other.steps
        assert difference(one.state, other.state) < tolerance
        assert one.moments.keys() == other.moments.keys() == one.state.keys()
        for key in ("exp_avg", "exp_avg_sq"):
            first, second = (
                {name: moments[key] for name, moments in found.moments.items()}
                for found in (one, other)
            )
            assert difference(first, second) < tolerance
        for name, moments in one.moments.items():
            assert moments["step"] == other.moments[name]["step"] == one.steps


@pytest.mark.slow
def test_a_hundred_steps_of_real_tasks_equal_those_alone(encoder: Encoder) -> None:
    module = LoRAModule(BackboneConfig(), None)
    module.configure_model()
    options: dict[str, Any] = {"lora": LoRAConfig(rank=8), "schedule": ScheduleConfig("linear")}
    callback = tuner(100, lr=2e-4, **options)
    tasks = real_tasks()
    assert len({sum(g.size for g in task.grids()) for task in tasks}) == 5
    alone = learned(callback, module, encoder, tasks, together=False)
    joint = learned(callback, module, encoder, tasks, together=True)
    assert_same(alone, joint)
    assert difference(alone[0].state, alone[1].state) > 0.01


def variants() -> Iterator[Any]:
    small = LoRAConfig(rank=4)
    yield pytest.param({"lora": small}, {}, id="all weights trained")
    yield pytest.param({"lora": small}, {"gradient_clip": 0.01}, id="clipped")
    yield pytest.param({"lora": small}, {"gradient_clip": 0.0}, id="never clipped")
    yield pytest.param({"lora": replace(small, rslora=True)}, {}, id="rslora")
    yield pytest.param({"lora": replace(small, init="gaussian")}, {}, id="gaussian")
    yield pytest.param({"lora": replace(small, init="orthogonal")}, {}, id="orthogonal")
    yield pytest.param(
        {"lora": replace(small, target_modules=["q_proj", "down_proj"])}, {}, id="two"
    )
    head = replace(small, target_modules=["lm_head", "q_proj"])
    yield pytest.param({"lora": head}, {}, id="head")
    yield pytest.param({"lora": small, "leave_out": 2, "tokens_per_step": 700}, {}, id="long rows")


@pytest.mark.parametrize("strategy", ["loop", "padded"])
@pytest.mark.parametrize(("options", "more"), list(variants()))
def test_adapters_equal_those_alone(
    encoder: Encoder, options: dict[str, Any], more: dict[str, Any], strategy: Any
) -> None:
    module = make_module(None)
    callback = tuner(6, lr=1e-3, **options, **more)
    tasks = [make_task("a"), make_task("b", side=4), make_task("c", n_train=2), make_task("d")]
    alone = learned(callback, module, encoder, tasks, together=False)
    assert_same(alone, learned(callback, module, encoder, tasks, True, strategy=strategy))


@pytest.mark.parametrize("tune", ["continue", "fresh"])
def test_beside_a_trained_adapter(encoder: Encoder, tune: Any) -> None:
    module = make_module()
    callback = tuner(6, lr=1e-3, mode=tune)
    tasks = [make_task("a"), make_task("b", side=4)]
    alone = learned(callback, module, encoder, tasks, together=False)
    assert_same(alone, learned(callback, module, encoder, tasks, together=True))


def test_with_gradient_checkpointing(encoder: Encoder) -> None:
    module = make_module(None)
    module.model.gradient_checkpointing_enable({"use_reentrant": False})
    callback = tuner(6, lr=1e-3, lora=LoRAConfig(rank=4))
    tasks = [make_task("a"), make_task("b", side=4)]
    alone = learned(callback, module, encoder, tasks, together=False)
    assert_same(alone, learned(callback, module, encoder, tasks, together=True))


@pytest.mark.parametrize("strategy", ["loop", "padded"])
@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_on_a_quantized_base(
    encoder: Encoder, tmp_path: Path, quantization: Any, strategy: Any
) -> None:
    sizes = SIZES | {"hidden_size": 64, "intermediate_size": 64}
    load_backbone(BackboneConfig(config=sizes), 112).save_pretrained(tmp_path)
    # nf4 computes in this type; int8 always in its own.
    backbone = BackboneConfig(str(tmp_path), quantization=quantization, dtype="float32")
    module = LoRAModule(backbone, LoRAConfig(rank=4), tokenizer="characters")
    module.configure_model()
    callback = tuner(5, lr=1e-3)
    tasks = [make_task("a"), make_task("b", side=4)]
    alone = learned(callback, module, encoder, tasks, together=False)
    joint = learned(callback, module, encoder, tasks, True, strategy=strategy)
    # int8 quantizes inputs too, by row: equal up to the rounding of 8-bit numbers.
    assert_same(alone, joint, 1e-3 if quantization == "nf4" else 5e-2)


def test_under_autocast_as_close_as_bfloat16(encoder: Encoder) -> None:
    from lightning.pytorch import Trainer

    module = make_module(None)
    trainer = Trainer(
        accelerator="cpu",
        precision="bf16-mixed",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    module.trainer = trainer
    callback = tuner(5, lr=1e-3, lora=LoRAConfig(rank=4))
    tasks = [make_task("a"), make_task("b", side=4)]
    alone = learned(callback, module, encoder, tasks, together=False)
    for strategy in ("loop", "padded"):
        joint = learned(callback, module, encoder, tasks, True, strategy=strategy)
        for one, other in zip(alone, joint, strict=True):
            assert difference(one.state, other.state) < 0.02
            assert {t.dtype for t in other.state.values()} == {torch.float32}


def test_early_stops_leave_and_the_others_go_on(encoder: Encoder) -> None:
    module = make_module(None)
    tasks = [make_task("a"), make_task("b", side=5), make_task("c")]
    losses: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    callback = tuner(14, lr=3e-3, lora=LoRAConfig(rank=4), stop_window=3)
    callback.tune(module, encoder, tasks, on_step=lambda t, _, loss: losses[t].append(loss))
    # Between the lowest mean of a window, which one adapter reaches, and the next adapter's.
    low = sorted(min(sum(of[i - 3 : i]) / 3 for i in range(3, 14)) for of in losses.values())
    callback.stop_loss = (low[0] + low[1]) / 2
    alone = learned(callback, module, encoder, tasks, together=False)
    joint = learned(callback, module, encoder, tasks, together=True)
    steps = [found.steps for found in joint]
    assert sorted(steps)[0] < 14
    assert sorted(steps)[1:] == [14, 14]
    assert_same(alone, joint)


def test_shared_adapters_of_unequal_groups_and_rows_that_end(encoder: Encoder) -> None:
    module = make_module(None)
    tasks = [make_task("a"), make_task("b"), make_task("c"), make_task("lonely", n_train=1)]
    options: dict[str, Any] = {"lora": LoRAConfig(rank=4), "schedule": ScheduleConfig("linear")}
    callback = tuner(3, lr=1e-3, tasks_per_adapter=2, **options)
    alone = learned(callback, module, encoder, tasks, together=False)
    assert [found.steps for found in alone] == [6, 3]
    assert_same(alone, learned(callback, module, encoder, tasks, together=True))


def test_the_option_gives_the_same_adapters_in_batches(encoder: Encoder) -> None:
    module = make_module()
    tasks = [make_task(name) for name in "abc"]
    tasks.insert(1, make_task("lonely", n_train=1))
    seen: list[tuple[str, int]] = []
    told: list[tuple[str, int]] = []
    one = tuner(3, lr=1e-3).tune(
        module, encoder, tasks, on_step=lambda t, s, _: seen.append((t, s))
    )
    two = tuner(3, lr=1e-3, tasks_together=2).tune(
        module, encoder, tasks, on_step=lambda t, s, _: told.append((t, s))
    )
    assert sorted(seen) == sorted(told)
    assert [ref.steps for ref in one] == [ref.steps for ref in two] == [3, 0, 3, 3]
    for a, b in zip(one, two, strict=True):
        assert a.state is not None
        assert b.state is not None
        assert difference(dict(a.state), dict(b.state)) < 1e-4


def test_time_ends_all(encoder: Encoder) -> None:
    module, tasks = make_module(), [make_task("a"), make_task("b"), make_task("c")]
    steps: list[int] = []
    callback = tuner(9, tasks_together=2)
    refs = callback.tune(
        module,
        encoder,
        tasks,
        on_step=lambda *step: steps.append(step[1]),
        expired=lambda: len(steps) >= 4,
    )
    assert [ref.steps for ref in refs] == [2, 2, 0]


@pytest.mark.parametrize("lora", [LoRAConfig(rank=4), None], ids=["lora", "full"])
@pytest.mark.parametrize("tune", ["continue", "fresh"])
@pytest.mark.parametrize("fail_at", [None, 3])
def test_leaves_no_trace(
    encoder: Encoder, lora: LoRAConfig | None, tune: Any, fail_at: int | None
) -> None:
    module = make_module(lora)
    causal_loss(module.model, packed())[0].backward()
    module.model.model.layers[0].eval()
    before = everything(module, None)
    seen = 0

    def on_step(*_: Any) -> None:
        nonlocal seen
        torch.rand(3)
        seen += 1
        if seen == fail_at:
            raise RuntimeError("in the middle")

    callback = tuner(2, mode=tune, tasks_together=2)
    with torch.no_grad(), raises_if(fail_at):
        callback.tune(module, encoder, [make_task("a"), make_task("b")], on_step=on_step)
    after = everything(module, None)
    for what, value in before.items():
        assert after[what] == value, what


@contextmanager
def raises_if(fail_at: int | None) -> Iterator[None]:
    if fail_at is None:
        yield
    else:
        with pytest.raises(RuntimeError, match="in the middle"):
            yield


@pytest.mark.parametrize("init", ["default", "gaussian", "orthogonal"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_values_drawn_again_are_those_of_a_new_adapter(init: Any, dtype: Any) -> None:
    config = LoRAConfig(rank=4, init=init)
    model = tiny(dtype=dtype)
    torch.manual_seed(5)
    with temporary_adapter(model, config, "t", seed=1):
        state = torch.get_rng_state()
        redraw_adapter(model, "t", 2)
        assert torch.equal(state, torch.get_rng_state())
        again = adapter_state(model, "t")
    attach_adapter(model, config, "t", seed=2)
    new = adapter_state(model, "t")
    assert again.keys() == new.keys()
    assert all(torch.equal(new[name], again[name]) for name in new)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 99), st.booleans())
def test_slices_are_products_of_their_own(lengths: list[int], seed: int, add: bool) -> None:
    draw = torch.Generator().manual_seed(seed)
    k, n = len(lengths), sum(lengths)
    x = torch.randn(n, 3, generator=draw, dtype=torch.float64)
    y = torch.randn(n, 2, generator=draw, dtype=torch.float64)
    m = torch.randn(k, 2, 3, generator=draw, dtype=torch.float64)
    for slices in (LoopSlices(lengths), PaddedSlices(lengths, torch.device("cpu"))):
        out, outer = y.clone(), m.clone()
        slices.product(x, m, out, 0.5, add=add)
        slices.outer(y, x, outer, 0.5)
        begin = 0
        for i, length in enumerate(lengths):
            own = slice(begin, begin + length)
            begin += length
            expected = 0.5 * x[own] @ m[i].T + (y[own] if add else 0.0)
            torch.testing.assert_close(out[own], expected)
            torch.testing.assert_close(outer[i], m[i] + 0.5 * y[own].T @ x[own])


def test_the_loss_of_groups_is_the_sum_of_each_ones_mean() -> None:
    model = tiny()
    a, b = packed((9, 14)), packed((7,), seed=1)
    row = {key: torch.cat([a[key], b[key]], dim=1) for key in a}
    counts = [int((batch["labels"] != -100).sum()) for batch in (a, b)]
    alone, gradients = [], []
    for batch in (a, b):
        loss, _ = causal_loss(model, batch)
        loss.backward()
        alone.append(loss.item())
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        model.zero_grad()
    total, means = causal_losses(model, row, counts)
    total.backward()
    assert means.tolist() == pytest.approx(alone, rel=1e-5)
    assert total.item() == pytest.approx(sum(alone), rel=1e-5)
    found = [p.grad for p in model.parameters() if p.grad is not None]
    for one, other, both in zip(*gradients, found, strict=True):
        torch.testing.assert_close(one + other, both, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"lora": LoRAConfig(dora=True)},
            "lora.dora learn one by one.*tasks_together 1, or lora.dora false",
        ),
        ({"lora": LoRAConfig(dropout=0.1)}, "lora.dropout learn one by one: got 'dropout: 0.1'"),
        (
            {"lora": LoRAConfig(target_modules=["embed_tokens", "q_proj"])},
            "an embedding learn one by one: got 'model.embed_tokens'",
        ),
        (
            {"mode": "all"},
            "all weights are tuned one task at a time.*Set --test_time.tasks_together 1",
        ),
    ],
)
def test_refuses_what_cannot_learn_together(
    encoder: Encoder, options: dict[str, Any], message: str
) -> None:
    module, callback = make_module(None), tuner(2, tasks_together=2, **options)
    with pytest.raises(ConfigError, match=message):
        callback.check(module, [make_task()], 2)
    with pytest.raises(ConfigError, match=message):
        callback.tune(module, encoder, [make_task()])


def test_refuses_8_bit_optimizers_and_float16() -> None:
    module = make_module(None)
    callback = tuner(2, tasks_together=2)
    callback.optimizer = OptimizerConfig("adamw_8bit")
    with pytest.raises(ConfigError, match=r"8-bit optimizer .* one by one: got 'adamw_8bit'"):
        callback.check(module, [make_task()], 2)
