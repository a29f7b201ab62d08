"""LoRAModule learns in every precision; its options are parsed, explained and checked."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer

from arcflow.core.errors import ConfigError
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.loss.causal_lm import causal_loss
from tests.helpers.tiny import LIGHTNING_WARNINGS, save_tiny
from tests.helpers.training import SMALL, Data, Losses, module, trainer

pytestmark = [pytest.mark.filterwarnings(w) for w in LIGHTNING_WARNINGS]


@pytest.mark.parametrize("lora", [None, SMALL])
def test_it_learns_and_logs(tmp_path: Path, lora: LoRAConfig | None) -> None:
    losses = Losses()
    run = trainer(tmp_path, 30, losses)
    model = module(lora)
    run.fit(model, datamodule=Data())
    assert losses.values[-1] < losses.values[0] - 1
    metrics = run.callback_metrics
    assert metrics["tokens_per_s"] > 0
    assert metrics["lr"] == pytest.approx(1e-2 / 28)
    total = count = 0.0
    with torch.no_grad():
        for batch in Data().val_dataloader():
            loss, scored = causal_loss(model.model.eval(), batch)
            total, count = total + loss.item() * scored, count + scored
    assert metrics["val_loss"].item() == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("lora", [None, SMALL])
def test_bf16(tmp_path: Path, precision: str, lora: LoRAConfig | None) -> None:
    losses = Losses()
    model = module(lora)
    trainer(tmp_path, 20, losses, precision=precision).fit(model, datamodule=Data())
    assert losses.values[-1] < losses.values[0] - 0.5


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_quantized_backbone_learns_with_checkpointing(tmp_path: Path, quantization: Any) -> None:
    pytest.importorskip("bitsandbytes")
    backbone = BackboneConfig(
        model=save_tiny(tmp_path / "base"), quantization=quantization, gradient_checkpointing=True
    )
    losses = Losses()
    model = module(backbone=backbone, tokenizer="characters")
    trainer(tmp_path, 20, losses).fit(model, datamodule=Data())
    assert losses.values[-1] < losses.values[0] - 0.5
    again = module(backbone=backbone, tokenizer="characters")
    (result,) = trainer(tmp_path, 20).validate(
        again, datamodule=Data(), ckpt_path=str(tmp_path / "step=20.ckpt"), verbose=False
    )
    (wanted,) = trainer(tmp_path, 20).validate(model, datamodule=Data(), verbose=False)
    assert result == wanted


def test_options_that_cannot_work_together() -> None:
    with pytest.raises(ConfigError, match=r"model.adapter: there is no adapter to continue"):
        module(None, adapter="somewhere")
    with pytest.raises(ConfigError, match=r"quantized weights cannot be trained: got 'nf4'"):
        module(None, backbone=BackboneConfig(model="folder", quantization="nf4"))


def test_no_max_steps(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer.max_steps: the schedule needs to know"):
        trainer(tmp_path, -1, max_epochs=1).fit(module(), datamodule=Data())


def test_the_tokenizer_is_the_models_own() -> None:
    assert module().tokenizer_name == "characters"
    assert module(backbone=BackboneConfig(model="Qwen/Qwen2.5-0.5B")).tokenizer_name == (
        "Qwen/Qwen2.5-0.5B"
    )
    assert module(tokenizer="other").tokenizer_name == "other"
    own = module(vocab_size=None)
    own.configure_model()
    assert own.model.get_input_embeddings().weight.shape[0] > 100


def test_training_all_weights_keeps_them_in_float32(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, dtype=torch.bfloat16)
    model = module(None, backbone=BackboneConfig(model=folder), tokenizer="characters")
    model.configure_model()
    assert model.model.dtype == torch.float32


def test_building_the_model_twice_builds_it_once() -> None:
    model = module()
    model.configure_model()
    first = model.model
    model.configure_model()
    assert model.model is first


def test_every_option_is_parsed_and_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    parser.add_class_arguments(LoRAModule, "model")
    parser.add_class_arguments(Trainer, "trainer", instantiate=False)
    parsed = parser.parse_args(
        [
            "--model.backbone.model=some/model",
            "--model.backbone.quantization=nf4",
            '--model.backbone.config={"hidden_size": 64}',
            "--model.lora.rank=8",
            "--model.lora.target_modules=[q_proj, v_proj]",
            "--model.optimizer.name=paged_adamw_8bit",
            "--model.optimizer.betas=[0.9, 0.95]",
            "--model.schedule.name=cosine_with_restarts",
            "--trainer.precision=16-mixed",
            "--trainer.max_steps=3",
        ]
    )
    assert parsed.trainer.precision == "16-mixed"
    made = parser.instantiate(parsed)
    assert made.model.lora == LoRAConfig(rank=8, target_modules=["q_proj", "v_proj"])
    assert made.model.backbone.quantization == "nf4"
    assert made.model.optimizer_config.betas == (0.9, 0.95)
    with pytest.raises(SystemExit):
        parser.parse_args(["--model.lora.ranc=8"])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        parser.parse_args(["--model.lora.help"])
    shown = capsys.readouterr().out
    for field in fields(LoRAConfig):
        text = re.split(rf"--model\.lora\.{field.name}\+? ", shown)[-1].split("--model.")[0]
        assert len(text.split("(type:")[0].split()) > 4, field.name
    for action in parser._actions:
        if action.dest.startswith("model."):
            assert len(action.help) > 10, action.dest


def test_pure_16_bit_precision_is_refused_for_quantized_weights(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    backbone = BackboneConfig(model=save_tiny(tmp_path / "base"), quantization="nf4")
    model = module(backbone=backbone, tokenizer="characters")
    with pytest.raises(ConfigError) as error:
        trainer(tmp_path, 5, precision="bf16-true").fit(model, datamodule=Data())
    assert "trainer.precision: quantized weights have their own number type: got 'bf16-true'" in (
        str(error.value)
    )
