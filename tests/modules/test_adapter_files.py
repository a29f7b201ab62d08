"""Folders of adapters and merged models: PEFT and transformers load them; others are refused."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.modules.adapter_files import export_adapter, read_adapter
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.export import merge_and_export
from arcflow.modules.fingerprint import describe_base, make_fingerprint
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    adapter_state,
    attach_adapter,
    load_adapter_state,
)
from arcflow.modules.loss.causal_lm import causal_loss
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.adapters import SMALL, assert_same, logits, shake, snapshot, trained_on
from tests.helpers.tiny import VOCABULARY, packed, save_tiny, tiny


@pytest.fixture
def saved(tmp_path: Path) -> str:
    return save_tiny(tmp_path / "base")


CONFIGS = [
    SMALL,
    replace(SMALL, rslora=True, alpha=3.5, target_modules=["v_proj", "q_proj"]),
    replace(SMALL, dora=True),
    replace(SMALL, init="pissa"),
    replace(SMALL, init="olora", rslora=True),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_peft_loads_an_exported_adapter_unchanged(
    saved: str, tmp_path: Path, config: LoRAConfig
) -> None:
    model, record = trained_on(saved, config)
    folder = export_adapter(model, tmp_path / "adapter", config, record)
    base = AutoModelForCausalLM.from_pretrained(saved)
    theirs = PeftModel.from_pretrained(base, str(folder)).eval()
    assert torch.allclose(logits(model), logits(theirs), atol=1e-5)
    assert json.loads((folder / "adapter_config.json").read_text())["peft_type"] == "LORA"
    assert json.loads((folder / "arcflow.json").read_text())["base_model"]["name"] == saved


@pytest.mark.parametrize("config", CONFIGS)
def test_transformers_loads_a_merged_model_unchanged(
    saved: str, tmp_path: Path, config: LoRAConfig
) -> None:
    model, _ = trained_on(saved, config)
    before = snapshot(model)
    tokenizer = load_tokenizer("characters")
    folder = merge_and_export(model, tmp_path / "merged", tokenizer=tokenizer)
    assert_same(before, snapshot(model))
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    assert torch.allclose(logits(model), logits(theirs), atol=1e-5)
    assert theirs.config.tie_word_embeddings
    assert load_tokenizer(str(folder)).get_vocab() == tokenizer.get_vocab()


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize(
    "targets", [["lm_head"], ["embed_tokens"], ["lm_head", "embed_tokens", "q_proj"]]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"init": "pissa"},
        {"init": "olora", "rslora": True},
        {"dora": True},
        {"init": "gaussian"},
    ],
    ids=["default", "pissa", "olora", "dora", "gaussian"],
)
def test_adapters_of_the_embedding_and_the_head(
    tmp_path: Path, tied: bool, targets: list[str], options: dict[str, Any]
) -> None:
    saved = save_tiny(tmp_path / "base", tie_word_embeddings=tied)
    config = replace(SMALL, target_modules=targets, **options)
    if tied and "lm_head" in targets and config.changes_base:
        with pytest.raises(ConfigError, match=r"lora.init: .*a head that is tied to the embedding"):
            trained_on(saved, config)
        return
    model, record = trained_on(saved, config)
    batch = packed()
    loss, _ = causal_loss(model, batch)
    merged = AutoModelForCausalLM.from_pretrained(merge_and_export(model, tmp_path / "merged"))
    assert torch.allclose(logits(model), logits(merged), atol=1e-5)
    assert causal_loss(merged, batch)[0].item() == pytest.approx(loss.item(), abs=1e-5)
    assert not merged.config.tie_word_embeddings
    folder = export_adapter(model, tmp_path / "adapter", config, record)
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(saved), str(folder))
    assert torch.allclose(logits(model), logits(theirs.eval()), atol=1e-5)


def test_a_head_that_did_not_change_stays_tied(saved: str, tmp_path: Path) -> None:
    model, _ = trained_on(saved, replace(SMALL, target_modules=["lm_head", "q_proj"]))
    without = AutoModelForCausalLM.from_pretrained(merge_and_export(model, tmp_path / "m", name=""))
    assert without.config.tie_word_embeddings
    assert torch.allclose(
        logits(without), logits(AutoModelForCausalLM.from_pretrained(saved)), atol=1e-5
    )


def test_a_model_without_adapter_is_exported_too(tmp_path: Path) -> None:
    model = tiny().eval()
    theirs = AutoModelForCausalLM.from_pretrained(merge_and_export(model, tmp_path))
    assert torch.allclose(logits(model), logits(theirs), atol=1e-5)


def test_an_adapter_is_continued(saved: str, tmp_path: Path) -> None:
    model, record = trained_on(saved, SMALL)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    again, _ = trained_on(saved, SMALL)
    shake(again, seed=9)
    load_adapter_state(again, read_adapter(folder, again, SMALL, record))
    assert torch.equal(logits(model), logits(again))


def test_a_quantized_or_shorter_number_type_is_the_same_base(saved: str) -> None:
    first = describe_base(load_backbone(BackboneConfig(model=saved), VOCABULARY), saved)
    for dtype in ("bfloat16", "float16"):
        model = load_backbone(BackboneConfig(model=saved, dtype=dtype), VOCABULARY)
        other = make_fingerprint(describe_base(model, "elsewhere"), SMALL)
        from arcflow.modules.fingerprint import check_fingerprint

        check_fingerprint("adapter", make_fingerprint(first, SMALL), other)


def test_an_adapter_for_another_base_model_is_refused(saved: str, tmp_path: Path) -> None:
    model, record = trained_on(saved, SMALL)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    other, other_record = trained_on(save_tiny(tmp_path / "other", seed=1), SMALL)
    with pytest.raises(CheckpointError) as error:
        read_adapter(folder, other, SMALL, other_record)
    assert "trained on another base model (its weights differ): got " in str(error.value)
    assert f"Set backbone.model to the model it was trained on ({saved})" in str(error.value)
    wrong = copy.deepcopy(other_record)
    wrong["base_model"]["sizes"]["hidden_size"] = 64
    with pytest.raises(CheckpointError, match=r"trained on another base model \(sizes\)"):
        read_adapter(folder, other, SMALL, wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 8}, "trained with another lora.rank: got 4. Expected 8, as configured. Set m"),
        ({"alpha": 16.0}, "trained with another lora.alpha: got 8.0"),
        ({"rslora": True}, "trained with another lora.rslora: got False"),
        ({"dora": True}, "trained with another lora.dora: got False"),
    ],
)
@pytest.mark.parametrize("ours", [True, False])
def test_other_lora_options_are_refused(
    saved: str, tmp_path: Path, change: dict[str, Any], message: str, ours: bool
) -> None:
    model, record = trained_on(saved, SMALL)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    if not ours:
        (folder / "arcflow.json").unlink()
    config = replace(SMALL, **change)
    with pytest.raises(CheckpointError) as error:
        read_adapter(folder, model, config, record | {"lora": config.spec()})
    assert message in str(error.value)


def test_adapters_of_peft_itself(saved: str, tmp_path: Path) -> None:
    model, record = trained_on(saved, SMALL)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    (folder / "arcflow.json").unlink()
    state = read_adapter(folder, model, SMALL, record)
    assert state.keys() == adapter_state(model).keys()
    settings_file = folder / "adapter_config.json"
    theirs = json.loads(settings_file.read_text())
    settings_file.write_text(json.dumps(theirs | {"base_model_name_or_path": "Some/Other-7B"}))
    with pytest.raises(CheckpointError, match="another base model: got 'Some/Other-7B'"):
        read_adapter(folder, model, SMALL, record)
    settings_file.write_text(json.dumps(theirs | {"rank_pattern": {"q_proj": 2}}))
    with pytest.raises(CheckpointError, match="uses PEFT's rank_pattern"):
        read_adapter(folder, model, SMALL, record)


def test_folders_that_hold_no_adapter(saved: str, tmp_path: Path) -> None:
    model, record = trained_on(saved, SMALL)
    with pytest.raises(CheckpointError, match="not an adapter folder: got 'no adapter_config"):
        read_adapter(tmp_path / "none", model, SMALL, record)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    (folder / "adapter_model.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="damaged"):
        read_adapter(folder, model, SMALL, record)
    (folder / "arcflow.json").write_text(json.dumps(record | {"format": 99}))
    export_adapter(model, folder, SMALL, record | {"format": 99})
    with pytest.raises(CheckpointError, match=r"another format: got 99. Expected arcflow format 1"):
        read_adapter(folder, model, SMALL, record)


@pytest.mark.parametrize("damage", ["{", '{"format": 1}'])
def test_a_damaged_record_beside_an_adapter_is_refused(tmp_path: Path, damage: str) -> None:
    model = tiny()
    config = LoRAConfig(rank=2)
    attach_adapter(model, config)
    record = make_fingerprint(describe_base(model, "tiny-qwen2"), config)
    folder = export_adapter(model, tmp_path / "adapter", config, record)
    (folder / "arcflow.json").write_text(damage)
    with pytest.raises(CheckpointError, match=r"damaged|written in another format"):
        read_adapter(folder, model, config, record)
