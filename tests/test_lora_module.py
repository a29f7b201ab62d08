import itertools
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from peft import PeftModel
from torch.utils.data import DataLoader, Dataset
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
)
from transformers.utils import logging

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.modules.adapters import LoRAConfig, adapter_state, attach_adapter
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora import LoRAModule
from arcflow.modules.objective import causal_loss
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from tests.tiny import LIGHTNING_WARNINGS, SIZES, VOCABULARY, packed, save_tiny, tiny

pytestmark = [pytest.mark.filterwarnings(w) for w in LIGHTNING_WARNINGS]

SMALL = LoRAConfig(rank=4, alpha=8, dropout=0.2)


# --- the loss ------------------------------------------------------------------------------


def by_hand(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross entropy over the model's own logits, one segment after the other."""
    losses = []
    labels, positions = batch["labels"][0], batch["position_ids"][0]
    starts = [*torch.nonzero(positions == 0).flatten().tolist(), len(positions)]
    for a, b in itertools.pairwise(starts):
        logits = model(input_ids=batch["input_ids"][:, a:b], use_cache=False).logits[0, :-1].float()
        target = labels[a + 1 : b]
        losses.append(
            torch.nn.functional.cross_entropy(logits, target, reduction="none", ignore_index=-100)
        )
    return torch.cat(losses).sum() / (labels != -100).sum()


FAMILIES: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "llama": {},
    "gemma2": {"final_logit_softcapping": 1.0, "head_dim": 16},
    "granite": {"logits_scaling": 3.0},
    "cohere": {"logit_scale": 0.25},
    "phi": {},  # its head has a bias
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lora", [None, SMALL])
def test_the_loss_is_that_of_the_models_own_logits(family: str, lora: LoRAConfig | None) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family, **SIZES | FAMILIES[family], vocab_size=VOCABULARY, pad_token_id=0
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    if lora is not None:
        attach_adapter(model, lora)
    batch = packed((17,))
    batch["labels"][0, 3:6] = -100
    loss, scored = causal_loss(model, batch)
    assert scored == 13
    wanted = by_hand(model, batch)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
    gradient = torch.autograd.grad(loss, some := [p for p in model.parameters() if p.requires_grad])
    for mine, theirs in zip(gradient, torch.autograd.grad(wanted, some), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_packed_and_padded_batches_have_the_same_loss() -> None:
    model = tiny(attention="sdpa").eval()
    segments = [packed((9,), seed=1), packed((14,), seed=2)]
    losses, counts = zip(*(causal_loss(model, segment) for segment in segments), strict=True)
    wanted = sum(a * b for a, b in zip(losses, counts, strict=True)) / sum(counts)

    def pad(name: str, value: int) -> torch.Tensor:
        rows = [
            torch.nn.functional.pad(s[name][0], (0, 14 - s[name].shape[1]), value=value)
            for s in segments
        ]
        return torch.stack(rows)

    batch = {
        "input_ids": pad("input_ids", 0),
        "labels": pad("labels", -100),
        "position_ids": pad("position_ids", 0),
        "attention_mask": pad("input_ids", -1) != -1,
    }
    loss, scored = causal_loss(model, {k: v.long() for k, v in batch.items()})
    assert scored == sum(counts)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_nothing_scored_is_a_loss_of_zero_with_zero_gradients() -> None:
    model = tiny()
    batch = packed()
    batch["labels"].fill_(-100)
    loss, scored = causal_loss(model, batch)
    assert (loss.item(), scored) == (0.0, 0)
    loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


# --- training ------------------------------------------------------------------------------


class Rows(Dataset[dict[str, torch.Tensor]]):
    """Rows that repeat one token: easy to learn."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        batch = packed((5 + index % 7, 12), seed=index)
        batch["input_ids"] = torch.full_like(batch["input_ids"], index % 5)
        batch["labels"] = batch["input_ids"].masked_fill(batch["position_ids"] == 0, -100)
        return batch


class Data(LightningDataModule):
    text_identity: dict[str, str]

    def __init__(self, skip: int = 0, **identity: str) -> None:
        super().__init__()
        self.skip, self.text_identity = skip, identity

    def train_dataloader(self) -> Any:
        rows = Rows(10_000)
        order = range(self.skip, len(rows))
        return DataLoader(rows, batch_size=None, sampler=order)

    def val_dataloader(self) -> Any:
        return DataLoader(Rows(6), batch_size=None)

    test_dataloader = val_dataloader


class Losses(Callback):
    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        self.values.append(outputs["loss"].item())


def module(lora: LoRAConfig | None = SMALL, **options: Any) -> LoRAModule:
    return LoRAModule(
        **{
            "backbone": BackboneConfig(config=SIZES),
            "lora": lora,
            "optimizer": OptimizerConfig(lr=1e-2),
            "schedule": ScheduleConfig(name="linear", warmup_steps=2),
            "vocab_size": VOCABULARY,
        }
        | options
    )


def trainer(root: Path, steps: int, *callbacks: Callback, **options: Any) -> Trainer:
    return Trainer(
        **{
            "max_steps": steps,
            "accelerator": "cpu",
            "default_root_dir": str(root),
            "callbacks": [
                ModelCheckpoint(root, filename="{step}", save_top_k=-1, every_n_train_steps=5),
                *callbacks,
            ],
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "val_check_interval": 10,
            "check_val_every_n_epoch": None,
            "num_sanity_val_steps": 0,
        }
        | options
    )


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


# --- options -------------------------------------------------------------------------------


def test_options_that_cannot_work_together() -> None:
    with pytest.raises(ConfigError, match=r"model.adapter: there is no adapter to continue"):
        module(None, adapter="somewhere")
    with pytest.raises(ConfigError, match=r"quantized weights cannot be trained: got 'nf4'"):
        module(None, backbone=BackboneConfig(model="folder", quantization="nf4"))


def test_no_max_steps(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer.max_steps: the schedule needs to know"):
        trainer(tmp_path, -1, max_epochs=1).fit(module(), datamodule=Data())


def test_an_export_draws_no_progress_bar(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logging.enable_progress_bar()
    model = module(None, backbone=BackboneConfig(config=SIZES), tokenizer="characters")
    model.configure_model()
    model.export(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    assert "Writing" not in capfd.readouterr().err
    assert logging.is_progress_bar_enabled()


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
