"""Adapters on a model: attached, alone trained, their state taken out and put in."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    adapter_names,
    adapter_parameters,
    adapter_state,
    attach_adapter,
    load_adapter_state,
    remove_adapter,
    set_active,
)
from tests.helpers.adapters import SMALL, assert_same, logits, shake, snapshot
from tests.helpers.tiny import tiny


@pytest.mark.parametrize("init", ["default", "gaussian", "orthogonal", "pissa", "olora"])
def test_a_new_adapter_changes_no_logit_and_is_alone_trained(init: Any) -> None:
    model = tiny().eval()
    before = logits(model)
    attach_adapter(model, replace(SMALL, init=init))
    assert torch.allclose(before, logits(model), atol=1e-5)
    trained = {k for k, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * 7 * 2
    assert all(".lora_" in key for key in trained)
    assert not any("lm_head" in key for key in trained)


def test_first_values_are_a_function_of_the_seed() -> None:
    torch.manual_seed(0)
    random_state = torch.get_rng_state()
    states = []
    for seed in (1, 1, 2):
        model = tiny()
        attach_adapter(model, SMALL, seed=seed)
        states.append(adapter_state(model))
        torch.rand(3)
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert not all(torch.equal(states[0][k], states[2][k]) for k in states[0])
    torch.set_rng_state(random_state)
    attach_adapter(tiny(), SMALL, seed=1)
    assert torch.equal(random_state, torch.get_rng_state())


def test_adapters_are_trained_in_float32_on_a_bfloat16_model() -> None:
    model = tiny(dtype="bfloat16")
    attach_adapter(model, replace(SMALL, dora=True))
    assert {p.dtype for p in adapter_parameters(model).values()} == {torch.float32}
    assert logits(model).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "lora.rank: out of range: got 0. Expected 1 or more. Correct model.lora"),
        ({"alpha": 0.0}, "lora.alpha: out of range: got 0.0"),
        ({"dropout": 1.0}, "lora.dropout: out of range: got 1.0"),
        ({"rank": 3, "init": "orthogonal"}, "lora.rank: out of range: got 3. Expected an even"),
        ({"init": "pissa", "dora": True}, "lora.init: out of range: got 'pissa'"),
        (
            {"target_modules": ["q_proj", "query"]},
            "the model has no such layer: got 'query'. Expected \"all-linear\" or some of down_pr",
        ),
    ],
)
def test_mistakes(options: dict[str, Any], message: str) -> None:
    model = tiny()
    before = snapshot(model)
    with pytest.raises(ConfigError) as error:
        attach_adapter(model, LoRAConfig(**options))
    assert message in str(error.value)
    assert_same(before, snapshot(model))


def test_state_goes_out_and_in() -> None:
    first, second = tiny(), tiny()
    config = replace(SMALL, dora=True, target_modules=["q_proj", "up_proj"])
    attach_adapter(first, config, "one", seed=1)
    attach_adapter(second, config, "other", seed=2)
    shake(first, "one")
    state = adapter_state(first, "one")
    assert len(state) == 2 * 2 * 3
    load_adapter_state(second, state, "other")
    assert torch.equal(logits(first.eval()), logits(second.eval()))
    shake(first, "one", seed=5)
    assert not torch.equal(state[key := next(iter(state))], adapter_state(first, "one")[key])


def test_state_of_another_shape_is_refused_before_anything_changes() -> None:
    model = tiny()
    attach_adapter(model, SMALL)
    before = adapter_state(model)
    wider = tiny()
    attach_adapter(wider, replace(SMALL, rank=8))
    with pytest.raises(CheckpointError, match=r"lora_A.weight has another shape.*Expected \(4, "):
        load_adapter_state(model, adapter_state(wider))
    less = dict(before)
    less.pop(key := sorted(less)[-1])
    with pytest.raises(CheckpointError, match=f"a tensor is missing: got '{key}'"):
        load_adapter_state(model, less)
    with pytest.raises(CheckpointError, match="a tensor is not of this model: got 'zzz'"):
        load_adapter_state(model, {**before, "zzz": torch.zeros(1)})
    assert all(torch.equal(v, before[k]) for k, v in adapter_state(model).items())


def test_many_adapters_rest_beside_each_other() -> None:
    model = tiny().eval()
    answers = {None: logits(model)}
    for name in ("a", "b", "c"):
        attach_adapter(model, SMALL, name)
        shake(model, name, seed=ord(name))
        answers[name] = logits(model)
    for name in ("b", None, "a", "c"):
        set_active(model, name)
        assert torch.equal(answers[name], logits(model))
    remove_adapter(model, "b")
    assert adapter_names(model) == ["a", "c"]
    set_active(model, "c")
    assert torch.equal(answers["c"], logits(model))
