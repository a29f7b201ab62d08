"""Adapters on quantized weights learn, are exported and merged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from arcflow.core.errors import ConfigError
from arcflow.modules.adapter_files import export_adapter, read_adapter
from arcflow.modules.export import merge_and_export
from arcflow.modules.lora.adapters import (
    adapter_parameters,
    load_adapter_state,
)
from arcflow.modules.loss.causal_lm import causal_loss
from tests.helpers.adapters import SMALL, assert_same, logits, snapshot, trained_on
from tests.helpers.tiny import packed, save_tiny


@pytest.mark.parametrize(
    ("quantization", "dora"),
    [("nf4", False), ("nf4", True), ("fp4", False), ("fp4", True), ("int8", False)],
)
def test_quantized_models_learn_export_and_merge(
    tmp_path: Path, quantization: Any, dora: bool
) -> None:
    pytest.importorskip("bitsandbytes")
    saved = save_tiny(tmp_path / "base")
    config = replace(SMALL, dora=dora)
    model, record = trained_on(saved, config, quantization=quantization, dtype="float32")
    assert all(p.dtype == torch.float32 for p in adapter_parameters(model).values())
    optimizer = torch.optim.AdamW(adapter_parameters(model).values(), lr=0.01)
    losses = []
    for _ in range(8):
        loss, _ = causal_loss(model, packed())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1

    folder = export_adapter(model, tmp_path / "adapter", config, record)
    plain, plain_record = trained_on(saved, config)
    load_adapter_state(plain, read_adapter(folder, plain, config, plain_record))

    before = snapshot(model)
    merged = AutoModelForCausalLM.from_pretrained(merge_and_export(model, tmp_path / "merged"))
    assert_same(before, snapshot(model))
    assert not hasattr(merged.config, "quantization_config")
    # int8 also rounds activations, which merged weights do not.
    assert torch.allclose(
        logits(model), logits(merged), atol=0.3 if quantization == "int8" else 1e-3
    )


def test_inits_that_change_the_base_need_plain_weights(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    with pytest.raises(ConfigError, match=r"lora.init: out of range: got 'olora'"):
        trained_on(save_tiny(tmp_path), replace(SMALL, init="olora"), quantization="nf4")
    with pytest.raises(ConfigError, match=r"lora.dora: out of range: got True. Expected false"):
        trained_on(str(tmp_path), replace(SMALL, dora=True), quantization="int8")


def test_answers_of_a_4_bit_model_leave_it_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = save_tiny(tmp_path, hidden_size=64, intermediate_size=64)
    model, _ = trained_on(folder, SMALL, quantization="nf4")
    model.train()
    before = logits(model)
    logits(model.eval())
    assert torch.equal(before, logits(model.train()))
