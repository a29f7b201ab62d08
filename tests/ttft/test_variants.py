"""Every variant of test-time fine-tuning is one option: what is tuned, shared, stopped, shown."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import ConfigError
from arcflow.core.task import Task
from arcflow.engines.base import AdapterRef
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.lora.adapters import LoRAConfig, adapter_state
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer
from arcflow.ttft.leave_one_out import LeaveOneOut
from tests.helpers.tiny import SIZES, packed, save_tiny
from tests.ttft.test_tuner import (
    AS_IS,
    equal,
    everything,
    make_module,
    make_task,
    own_pairs_loss,
    tuner,
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a saved model whose vocabulary is the characters'."""
    folder = str(tmp_path_factory.mktemp("base"))
    load_backbone(BackboneConfig(config=SIZES), 112).save_pretrained(folder)
    return folder


def loaded(base: str, **options: Any) -> LoRAModule:
    module = LoRAModule(BackboneConfig(model=base), tokenizer="characters", **options)
    module.configure_model()
    return module


def as_peft_reads_it(base: str, ref: AdapterRef) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        found: torch.Tensor = PeftModel.from_pretrained(model, ref.path)(
            packed((12,))["input_ids"]
        ).logits
    return found


def logits(module: LoRAModule) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = module.model(packed((12,))["input_ids"], use_cache=False).logits
    return found


# --- what is tuned -------------------------------------------------------------------------


@pytest.mark.parametrize("lora", [LoRAConfig(rank=4), None], ids=["lora", "full"])
def test_all_weights_are_tuned_in_float32_and_answer_in_the_models_type(
    encoder: Encoder, lora: LoRAConfig | None
) -> None:
    module = make_module(lora)
    callback = tuner(2, lr=1e-2, mode="all")
    assert callback.adapter_config(module) is None
    (ref,) = callback.tune(module, encoder, [make_task()])
    assert (ref.kind, ref.steps, ref.path) == ("weights", 2, None)
    own = {n: p for n, p in module.model.named_parameters() if "lora_" not in n}
    assert ref.state is not None
    assert ref.state.keys() == {name.replace(".base_layer", "") for name in own}
    assert all(tensor.dtype == torch.float32 for tensor in ref.state.values())
    changed = [
        n for n, p in own.items() if not torch.equal(ref.state[n.replace(".base_layer", "")], p)
    ]
    assert len(changed) > 20
    before = everything(module, None)
    frozen = logits(module)
    with callback.use_adapter(module, ref):
        assert not torch.allclose(logits(module), frozen, atol=1e-3)
    assert everything(module, None) == before


def test_weights_held_in_16_bits_stay_what_they_were(encoder: Encoder) -> None:
    module = make_module(None)
    module.model.to(torch.bfloat16)
    before = everything_16(module)
    callback = tuner(2, lr=1e-6, mode="all")
    (ref,) = callback.tune(module, encoder, [make_task()])
    assert everything_16(module) == before
    name, weight = next(iter(module.model.named_parameters()))
    assert ref.state is not None
    assert not torch.equal(ref.state[name], weight.float()), "a small step shows in 32 bits"
    with callback.use_adapter(module, ref):
        assert {p.dtype for p in module.model.parameters()} == {torch.bfloat16}


def everything_16(module: LoRAModule) -> dict[str, Any]:
    return {
        name: (id(p), p.dtype, p.detach().float().numpy().tobytes())
        for name, p in module.model.named_parameters()
    }


def test_fresh_without_a_step_is_the_trained_model(encoder: Encoder) -> None:
    module = make_module()
    callback = tuner(3, mode="fresh", lora=LoRAConfig(rank=2))
    frozen = logits(module)
    refs = callback.tune(module, encoder, [make_task("a"), make_task("b")], expired=lambda: True)
    assert refs[0] is refs[1]
    assert refs[0].steps == 0
    with callback.use_adapter(module, refs[0]):
        assert torch.equal(logits(module), frozen)


# --- shared adapters -----------------------------------------------------------------------


def test_shared_adapters_take_their_tasks_in_turn(encoder: Encoder) -> None:
    module = make_module()
    tasks = [make_task(name) for name in "abcde"]
    seen: list[tuple[str, int]] = []
    callback = tuner(2, tasks_per_adapter=2)
    refs = callback.tune(module, encoder, tasks, on_step=lambda t, s, _: seen.append((t, s)))
    assert seen == [
        *[("a", 0), ("b", 1), ("a", 2), ("b", 3)],
        *[("c", 0), ("d", 1), ("c", 2), ("d", 3)],
        *[("e", 0), ("e", 1)],
    ]
    assert [ref.id for ref in refs] == [1, 1, 2, 2, 3]
    assert [ref.steps for ref in refs] == [4, 4, 4, 4, 2]
    (alone,) = tuner(2).tune(module, encoder, tasks[4:])
    assert equal(dict(refs[4].state or {}), dict(alone.state or {})), "a group of one: as alone"


def test_one_adapter_for_all_tasks_of_the_task_batch(encoder: Encoder) -> None:
    module = make_module()
    tasks = [make_task(name) for name in "abc"] + [make_task("single_pair_tasks", n_train=1)]
    counts: Counter[str] = Counter()
    callback = tuner(3, tasks_per_adapter=0)
    refs = callback.tune(module, encoder, tasks, on_step=lambda t, *_: counts.update([t]))
    assert len({ref.id for ref in refs}) == 1
    assert counts == {"a": 3, "b": 3, "c": 3}
    assert refs[0].steps == 9


# --- when it ends --------------------------------------------------------------------------


def test_stops_once_the_mean_loss_of_the_window_is_low_enough(encoder: Encoder) -> None:
    module, task = make_module(), make_task()
    losses: list[float] = []

    def run(**options: Any) -> AdapterRef:
        losses.clear()
        callback = tuner(30, lr=2e-2, augment=AS_IS, **options)
        (ref,) = callback.tune(module, encoder, [task], on_step=lambda *s: losses.append(s[2]))
        return ref

    run()
    means = [float(np.mean(losses[i - 4 : i])) for i in range(4, 31)]
    goal = means[12]
    first = 4 + next(i for i, mean in enumerate(means) if mean <= goal)
    ref = run(stop_loss=goal, stop_window=4)
    assert len(losses) == ref.steps == first
    assert 4 < first < 30
    assert run(stop_loss=100.0, stop_window=7).steps == 7
    assert run(stop_loss=0.0).steps == 30


def test_fewer_steps_take_the_whole_schedule(encoder: Encoder) -> None:
    module, task = make_module(), make_task()
    shape = ScheduleConfig("linear", warmup_steps=3)
    callback = tuner(20, schedule=shape)
    (short,) = callback.tune(module, encoder, [task], steps=6)
    (same,) = tuner(6, schedule=shape).tune(module, encoder, [task])
    assert short.steps == 6
    assert equal(dict(short.state or {}), dict(same.state or {}))
    for steps in (3, 2, 1):  # no room for the warm-up that was asked for
        (ref,) = callback.tune(module, encoder, [task], steps=steps)
        assert ref.steps == steps
    (more,) = callback.tune(module, encoder, [task], steps=50)
    assert more.steps == 20
    (none,) = callback.tune(module, encoder, [task], steps=0)
    assert equal(dict(none.state or {}), adapter_state(module.model))


def test_ends_where_it_stands_when_time_is_up(encoder: Encoder) -> None:
    module, tasks = make_module(), [make_task("a"), make_task("b"), make_task("c")]
    taken: list[str] = []
    callback = tuner(4)
    refs = callback.tune(
        module,
        encoder,
        tasks,
        on_step=lambda task_id, *_: taken.append(task_id),
        expired=lambda: len(taken) >= 6,
    )
    assert [ref.steps for ref in refs] == [4, 2, 0]
    (two,) = tuner(2, schedule=callback.schedule).tune(module, encoder, tasks[1:2])
    assert equal(dict(refs[1].state or {}), dict(two.state or {}))
    assert equal(dict(refs[2].state or {}), adapter_state(module.model))


# --- views ---------------------------------------------------------------------------------


def seen_tasks(encoder: Encoder, task: Task, n: int = 24, **options: Any) -> list[Task]:
    """The views that a stream writes, caught before they become text."""
    shown: list[Task] = []

    class Catch:
        def example(self, view: Task) -> Any:
            shown.append(view)
            return encoder.example(view)

    leave_out = options.pop("leave_out", 1)
    stream = LeaveOneOut(Catch(), AugmentConfig(**options), leave_out)  # type: ignore[arg-type]
    for i in range(n):
        assert stream.example(task, i) is not None
    return shown


def grids(tasks: list[Task]) -> set[bytes]:
    return {g.tobytes() + bytes(g.shape) for task in tasks for g in task.grids()}


def test_each_kind_of_view_is_one_option(encoder: Encoder) -> None:
    task = make_task(n_train=4)
    own = grids([task])
    still = {"dihedral": False, "recolor": False, "reorder": False}
    assert grids(seen_tasks(encoder, task, **still)) <= own
    turned = seen_tasks(encoder, task, **still | {"dihedral": True})
    assert any(view.train[0].input.shape == (4, 3) for view in turned), "a quarter turn"
    colours = seen_tasks(encoder, task, **still | {"recolor": True, "keep_colors": 0.0})
    assert not grids(colours) <= own
    assert all(view.train[0].input.shape == (3, 4) for view in colours)
    half = seen_tasks(encoder, task, 200, **still | {"recolor": True, "keep_colors": 0.5})
    kept = sum(grids([view]) <= own for view in half)
    assert 70 < kept < 130
    kept_all = seen_tasks(encoder, task, **still | {"recolor": True, "keep_colors": 1.0})
    assert grids(kept_all) <= own
    for leave_out, examples in ((1, 3), (2, 2)):
        views = seen_tasks(encoder, task, **still, leave_out=leave_out)
        assert {len(view.train) for view in views} == {examples}


# --- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rslora", [False, True])
def test_adapters_are_written_for_other_processes(
    encoder: Encoder, base: str, tmp_path: Path, rslora: bool
) -> None:
    module = loaded(base, lora=LoRAConfig(rank=4, rslora=rslora))
    callback = tuner(2, mode="fresh", lora=LoRAConfig(rank=2, rslora=rslora))
    tasks = [make_task("a"), make_task("b"), make_task("single_pair_tasks", n_train=1)]
    folder = tmp_path / "adapters"
    refs = callback.tune(module, encoder, tasks, folder=folder)
    again = callback.tune(module, encoder, tasks, folder=folder)
    assert len({ref.path for ref in refs + again}) == 6
    for ref in refs:
        with callback.use_adapter(module, ref):
            ours = logits(module)
        assert torch.allclose(as_peft_reads_it(base, ref), ours, atol=1e-5)


def test_an_adapter_whose_init_changed_the_base_is_written_as_a_plain_one(
    encoder: Encoder, base: str, tmp_path: Path
) -> None:
    module = loaded(base, lora=LoRAConfig(rank=4, init="pissa"))
    callback = tuner(3)
    (ref,) = callback.tune(module, encoder, [make_task()], folder=tmp_path / "adapters")
    with callback.use_adapter(module, ref):
        ours = logits(module)
    assert torch.allclose(as_peft_reads_it(base, ref), ours, atol=1e-4)


# --- refusals ------------------------------------------------------------------------------


def refused(
    callback: TestTimeFineTuning, module: LoRAModule, match: str, task_batch_size: int = 4
) -> None:
    with pytest.raises(ConfigError, match=match):
        callback.check(module, [make_task()], task_batch_size)


def test_refuses_before_any_time_is_spent() -> None:
    module = make_module()
    refused(
        tuner(5, tasks_per_adapter=8),
        module,
        r"tasks_per_adapter.*at most data.task_batch_size \(4\).*Set --data.task_batch_size 8",
    )
    refused(
        tuner(5, schedule=ScheduleConfig("linear", warmup_steps=5)),
        module,
        r"warm-up does not end: got 5.*fewer steps than test_time.steps \(5\)",
    )
    refused(
        tuner(5, lr=-1.0),
        module,
        r"test_time.optimizer.lr: out of range: got -1.0",
    )
    refused(tuner(5, lora=LoRAConfig(rank=2)), module, r"test_time.lora: .* keeps its shape")
    refused(
        tuner(5, lora=LoRAConfig(target_modules=["nothing"])),
        make_module(None),
        "no such layer: got 'nothing'",
    )
    tuner(0, tasks_per_adapter=8).check(module, [make_task()], 4)
    for name in ("tasks_per_adapter", "stop_loss", "stop_window"):
        with pytest.raises(ConfigError, match=f"test_time.{name} is too small: got -1"):
            tuner(**{name: -1})


def test_all_weights_of_a_quantized_model_are_refused(tmp_path: Path) -> None:
    base = save_tiny(tmp_path, hidden_size=64, intermediate_size=64)
    module = LoRAModule(
        BackboneConfig(model=base, quantization="nf4"),
        LoRAConfig(rank=4),
        tokenizer="characters",
        vocab_size=60,
    )
    module.configure_model()
    refused(tuner(5, mode="all"), module, "quantized weights cannot be trained: got 'all'")


def test_checking_leaves_no_trace() -> None:
    for lora in (LoRAConfig(rank=4, init="pissa"), None):
        module = make_module(lora, trained=False)
        before = everything(module, None)
        with torch.inference_mode():
            tuner(5).check(module, [make_task()], 1)
        assert everything(module, None) == before


def test_options_are_told_by_name() -> None:
    callback = TestTimeFineTuning(3, mode="fresh", optimizer=OptimizerConfig(lr=0.5))
    assert callback.options["mode"] == "fresh"
    assert callback.options["steps"] == 3
    assert callback.options["optimizer"].lr == 0.5
    assert callback.options["augment"] == AugmentConfig()


def test_all_weights_learn_the_tasks_pairs_better_than_before(encoder: Encoder) -> None:
    module, task = make_module(None), make_task()
    callback = tuner(20, lr=1e-2, mode="all", augment=AS_IS)
    frozen = own_pairs_loss(module, encoder, task)
    (ref,) = callback.tune(module, encoder, [task])
    with callback.use_adapter(module, ref):
        assert own_pairs_loss(module, encoder, task) < 0.5 * frozen
    assert own_pairs_loss(module, encoder, replace(task)) == frozen
