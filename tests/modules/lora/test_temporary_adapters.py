"""A temporary adapter leaves no trace in the model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    adapter_state,
    attach_adapter,
    set_active,
    temporary_adapter,
)
from arcflow.modules.loss.causal_lm import causal_loss
from tests.helpers.adapters import SMALL, assert_same, logits, shake, snapshot, trained_on
from tests.helpers.tiny import packed, save_tiny, tiny


@settings(max_examples=15, deadline=None)
@given(
    trained=st.sampled_from([None, SMALL, replace(SMALL, rank=2, target_modules=["q_proj"])]),
    resting=st.booleans(),
    config=st.sampled_from(
        [
            SMALL,
            replace(SMALL, dropout=0.3),
            replace(SMALL, dora=True, init="gaussian"),
            replace(SMALL, rslora=True, target_modules=["q_proj", "down_proj"]),
        ]
    ),
    training=st.booleans(),
    fails=st.booleans(),
)
def test_a_temporary_adapter_leaves_no_trace(
    trained: LoRAConfig | None, resting: bool, config: LoRAConfig, training: bool, fails: bool
) -> None:
    model = tiny().train(training)
    if trained is not None:
        attach_adapter(model, trained)
        shake(model)
        set_active(model, None if resting else "default")
    before, answers = snapshot(model), logits(model.eval()) if not training else None
    try:
        with temporary_adapter(model, config) as parameters:
            assert {id(p) for p in model.parameters() if p.requires_grad} == {
                id(p) for p in parameters
            }
            optimizer = torch.optim.AdamW(parameters, lr=0.1)
            with torch.random.fork_rng():
                for _ in range(2):
                    causal_loss(model, packed())[0].backward()
                    optimizer.step()
                    optimizer.zero_grad()
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert_same(before, snapshot(model))
    if answers is not None:
        assert torch.equal(answers, logits(model))
    assert all(p.grad is None for p in model.parameters())


def test_a_temporary_copy_starts_where_the_trained_adapter_is_and_replaces_it() -> None:
    model = tiny().eval()
    base = logits(model)
    attach_adapter(model, SMALL)
    shake(model)
    trained = logits(model)
    with temporary_adapter(model, SMALL, start=adapter_state(model)) as parameters:
        assert torch.equal(trained, logits(model))
        with torch.no_grad():
            for parameter in parameters:
                parameter.zero_()
        assert torch.allclose(base, logits(model), atol=1e-6)
    assert torch.equal(trained, logits(model))


def test_temporary_adapters_that_do_not_fit() -> None:
    model = tiny()
    attach_adapter(model, SMALL)
    before = snapshot(model)
    with (
        pytest.raises(CheckpointError, match="has another shape"),
        temporary_adapter(model, replace(SMALL, rank=2), start=adapter_state(model)),
    ):
        pass
    assert_same(before, snapshot(model))
    with (
        pytest.raises(ConfigError, match="must leave the base weights alone: got 'pissa'"),
        temporary_adapter(model, replace(SMALL, init="pissa")),
    ):
        pass
    assert_same(before, snapshot(model))


def test_a_temporary_adapter_only_for_answers_is_frozen() -> None:
    model = tiny()
    with temporary_adapter(model, SMALL, trainable=False):
        assert not any(p.requires_grad for p in model.parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_a_temporary_adapter_on_a_quantized_model_leaves_no_trace(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    model, _ = trained_on(save_tiny(tmp_path), SMALL, quantization="nf4")
    before, answers = snapshot(model), logits(model)
    with temporary_adapter(model, SMALL, start=adapter_state(model)) as parameters:
        causal_loss(model, packed())[0].backward()
        torch.optim.AdamW(parameters, lr=0.1).step()
        assert not torch.equal(answers, logits(model))
    assert_same(before, snapshot(model))
    assert torch.equal(answers, logits(model))
