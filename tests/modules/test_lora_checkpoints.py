"""Checkpoints and exports of LoRAModule: resumed exactly, continued, or refused by name."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
)
from transformers.utils import logging

from arcflow.core.errors import CheckpointError
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig, adapter_state
from tests.helpers.tiny import LIGHTNING_WARNINGS, SIZES, packed, save_tiny
from tests.helpers.training import SMALL, Data, Losses, module, trainer

pytestmark = [pytest.mark.filterwarnings(w) for w in LIGHTNING_WARNINGS]


@pytest.mark.parametrize(
    ("lora", "options"),
    [
        (None, {}),
        (SMALL, {}),
        (replace(SMALL, init="pissa"), {"accumulate_grad_batches": 2}),
    ],
)
def test_a_resumed_run_repeats_every_loss(
    tmp_path: Path, lora: LoRAConfig | None, options: dict[str, Any]
) -> None:
    whole, tail = Losses(), Losses()
    first = module(lora)
    trainer(tmp_path / "a", 20, whole, **options).fit(first, datamodule=Data())
    torch.rand(5)
    second = module(lora)
    every = options.get("accumulate_grad_batches", 1)
    trainer(tmp_path / "a", 20, tail, **options).fit(
        second,
        datamodule=Data(skip=10 * every),
        ckpt_path=str(tmp_path / "a" / "step=10.ckpt"),
        weights_only=True,
    )
    assert tail.values == whole.values[10 * every :]
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_checkpoints_hold_what_is_trained(tmp_path: Path) -> None:
    trainer(tmp_path, 5).fit(module(), datamodule=Data(format="compact"))
    saved = torch.load(tmp_path / "step=5.ckpt", weights_only=True)
    assert all(".lora_" in key for key in saved["state_dict"])
    record = saved["arcflow"]
    assert record["format"] == 1
    assert record["base_model"]["name"] == "tiny-qwen2"
    assert record["lora"]["rank"] == 4
    assert record["text"] == {"format": "compact"}
    assert "hyper_parameters" not in saved
    assert os.path.getsize(tmp_path / "step=5.ckpt") < 150_000


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        (
            {"lora": replace(SMALL, rank=8)},
            {},
            "checkpoint: trained with another lora.rank: got 4. Expected 8, as configured. "
            "Set model.lora.rank to 4.",
        ),
        (
            {"lora": replace(SMALL, target_modules=["q_proj"])},
            {},
            "another lora.target_modules: got 'all-linear'. Expected ['q_proj']",
        ),
        ({"lora": None}, {}, "checkpoint: trained with LoRA: got {'rank': 4"),
        ({"seed": 1}, {}, "another base model (its weights differ): got 'tiny-qwen2'"),
        (
            {"backbone": BackboneConfig(config=SIZES | {"hidden_size": 64})},
            {},
            "checkpoint: trained on another base model (sizes): got {'vocab_size': 60, 'hidden_si",
        ),
        ({}, {"grid": "coded"}, "trained on another text (grid): got 'plain'. Expected 'coded'"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    tmp_path: Path, options: dict[str, Any], data: dict[str, str], message: str
) -> None:
    trainer(tmp_path, 5).fit(module(), datamodule=Data(grid="plain"))
    with pytest.raises(CheckpointError) as error:
        trainer(tmp_path, 10).validate(
            module(**options), datamodule=Data(**data), ckpt_path=str(tmp_path / "step=5.ckpt")
        )
    assert message in str(error.value)


def test_checkpoints_of_other_formats_are_refused(tmp_path: Path) -> None:
    trainer(tmp_path, 5).fit(module(), datamodule=Data())
    path = tmp_path / "step=5.ckpt"
    saved = torch.load(path, weights_only=True)
    for change, message in (
        (saved | {"arcflow": saved["arcflow"] | {"format": 99}}, "another format: got 99. Expect"),
        ({k: v for k, v in saved.items() if k != "arcflow"}, "checkpoint: not written by arcflow"),
        (saved | {"state_dict": {}}, "checkpoint: a tensor is missing: got 'model.model.layers.0"),
    ):
        torch.save(change, path)
        with pytest.raises(CheckpointError) as error:
            trainer(tmp_path, 10).validate(module(), datamodule=Data(), ckpt_path=str(path))
        assert message in str(error.value)


def test_all_weights_may_be_evaluated_under_another_seed(tmp_path: Path) -> None:
    run = trainer(tmp_path, 5)
    run.fit(module(None), datamodule=Data())
    again = trainer(tmp_path, 5)
    values = [
        again.validate(
            module(None, seed=seed),
            datamodule=Data(),
            verbose=False,
            ckpt_path=str(tmp_path / "step=5.ckpt"),
        )[0]["val_loss"]
        for seed in (0, 3)
    ]
    assert values[0] == values[1]


def test_an_adapter_is_exported_and_continued(tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "base")
    options = {"backbone": BackboneConfig(model=base), "tokenizer": "characters"}
    first = module(**options)
    trainer(tmp_path, 5).fit(first, datamodule=Data())
    folder = first.export(tmp_path / "adapter")
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder))
    ids = packed((12,))["input_ids"]
    with torch.no_grad():
        mine = first.model.eval()(input_ids=ids, use_cache=False).logits
        assert torch.allclose(mine, theirs.eval()(input_ids=ids).logits, atol=1e-5)

    second = module(**options, adapter=str(folder))
    second.configure_model()
    state = adapter_state(second.model)
    assert all(torch.equal(v, state[k]) for k, v in adapter_state(first.model).items())
    merged = AutoModelForCausalLM.from_pretrained(second.merge(tmp_path / "merged"))
    with torch.no_grad():
        assert torch.allclose(mine, merged(input_ids=ids).logits, atol=1e-5)

    wider = module(**options, adapter=str(folder), lora=replace(SMALL, rank=8))
    with pytest.raises(CheckpointError, match=r"another lora.rank: got 4"):
        wider.configure_model()
    other = save_tiny(tmp_path / "other", seed=5)
    elsewhere = module(**options | {"backbone": BackboneConfig(model=other)}, adapter=str(folder))
    with pytest.raises(CheckpointError, match=r"another base model \(its weights differ\)"):
        elsewhere.configure_model()


def test_an_export_draws_no_progress_bar(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logging.enable_progress_bar()
    model = module(None, backbone=BackboneConfig(config=SIZES), tokenizer="characters")
    model.configure_model()
    model.export(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    assert "Writing" not in capfd.readouterr().err
    assert logging.is_progress_bar_enabled()
