"""Runs that start from another run: its exported model with its tokenizer, or its weights alone."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from arcflow import text
from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.core.task import Task
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.sources.arc import load_split
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow, weights
from tests.helpers.tiny import SIZES
from tests.helpers.tokenizers import CHATML

CONFIG = str(ROOT / "configs" / "quickstart.yaml")
SHAPE = {name: value for name, value in SIZES.items() if name != "initializer_range"}
FROM_SCRATCH = [f"--model.backbone.config={json.dumps(SHAPE)}"]
LORA = LoRAConfig(rank=4, alpha=8)


def fit(root: Path, *more: str, steps: int = 2) -> list[str]:
    return [
        "fit",
        f"--config={CONFIG}",
        f"--trainer.default_root_dir={root}",
        f"--trainer.max_steps={steps}",
        "--trainer.limit_val_batches=0",
        "--trainer.enable_progress_bar=false",
        "--data.max_tokens=300",
        "--data.tokens_per_batch=600",
        "--data.train.max_tokens=300",
        "--data.val.max_tokens=300",
        "--model.optimizer.lr=1e-2",
        *more,
    ]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps with its exported model."""
    root = tmp_path_factory.mktemp("first")
    assert run_arcflow([*fit(root, *FROM_SCRATCH), "--checkpoint.export=trained"], root) == 0
    return root


@pytest.fixture(scope="module")
def tuned(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps that trained an adapter on the first run's model, and exported it."""
    root = tmp_path_factory.mktemp("tuned")
    words = [f"--model.backbone.model={first / 'model'}", "--model.backbone.config={}"]
    words += ['--model.lora={"rank": 4, "alpha": 8}', "--checkpoint.export=trained"]
    assert run_arcflow(fit(root, *words), root) == 0
    return root


def module(**options: Any) -> LoRAModule:
    return LoRAModule(**{"backbone": BackboneConfig(config=SHAPE)} | options)


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


# ---- the tokenizer of an exported model


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return list(load_split("arc-agi-1/training")[:5])


def test_an_exported_model_gives_the_characters_back(first: Path, tasks: list[Task]) -> None:
    own, back = load_tokenizer("characters"), load_tokenizer(str(first / "model"))
    assert type(back) is type(own)
    for path in sorted((Path(text.__file__).parent / "templates").iterdir()):
        name = path.name
        compact = name.startswith("compact")
        # The vocabulary is no chat model's: it has no conversation of its own.
        own.chat_template = back.chat_template = None if compact else CHATML
        config = TextConfig(format="compact" if compact else "chat", template=name)
        mine, theirs = Encoder(own, config), Encoder(back, config)
        assert mine.fingerprint() == theirs.fingerprint()
        assert mine.stop_ids == theirs.stop_ids
        for task in tasks:
            a, b = mine.example(task), theirs.example(task)
            assert np.array_equal(a.input_ids, b.input_ids), name
            assert np.array_equal(a.labels, b.labels)
    # Without arcflow, by transformers alone.
    plain = PreTrainedTokenizerFast.from_pretrained(first / "model")
    assert plain("<|input|> 0\n÷")["input_ids"] == own("<|input|> 0\n÷")["input_ids"]


def test_the_next_fit_takes_model_and_tokenizer_by_their_path(first: Path, tuned: Path) -> None:
    """The fixture has run it; its base is the first run's model, and its text the same."""
    record = json.loads((tuned / "adapter" / "arcflow.json").read_text())
    checkpoint = torch.load(first / "checkpoints" / "last.ckpt", weights_only=True)
    assert record["text"] == checkpoint["arcflow"]["text"]
    assert record["base_model"]["sizes"] == checkpoint["arcflow"]["base_model"]["sizes"]
    base = module(backbone=BackboneConfig(model=str(first / "model")))
    assert base.tokenizer_name == str(first / "model")
    base.configure_model()
    assert equal(base.trained(), checkpoint["state_dict"])


# ---- weights alone


@pytest.mark.parametrize("what", ["checkpoints/last.ckpt", "model"])
def test_all_weights_are_those_of_the_other_run(first: Path, what: str) -> None:
    # Another seed, other first weights: none of them is left.
    second = module(seed=5, start_from=str(first / what))
    second.configure_model()
    assert equal(second.trained(), weights(first / "checkpoints" / "last.ckpt"))
    fresh = module(seed=5)
    fresh.configure_model()
    assert not equal(fresh.trained(), second.trained())


@pytest.mark.parametrize("what", ["checkpoints/last.ckpt", "adapter"])
def test_an_adapter_is_that_of_the_other_run(first: Path, tuned: Path, what: str) -> None:
    base = BackboneConfig(model=str(first / "model"))
    second = module(backbone=base, lora=LORA, start_from=str(tuned / what))
    second.configure_model()
    assert equal(second.trained(), weights(tuned / "checkpoints" / "last.ckpt"))


def test_a_fit_starts_there_with_steps_and_optimizer_of_its_own(
    first: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    last = first / "checkpoints" / "last.ckpt"
    start = f"--model.start_from={last}"
    still = [*FROM_SCRATCH, start, "--seed_everything=3", "--model.optimizer.lr=1e-8"]
    assert run_arcflow(fit(tmp_path, *still), tmp_path) == 0
    done = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert done["global_step"] == 2
    assert all(
        torch.allclose(done["state_dict"][name], tensor, atol=1e-6)
        for name, tensor in weights(last).items()
    )

    # Going on from its own checkpoint is another thing, and no start beside it.
    again = fit(tmp_path, *FROM_SCRATCH, "--seed_everything=3", "--ckpt_path=last", steps=3)
    capfd.readouterr()
    assert run_arcflow([*again, start], tmp_path) == 2
    told = capfd.readouterr().out
    assert "model.start_from: the run goes on from a checkpoint of its own: got" in told
    assert "To go on, set --model.start_from null" in told
    assert run_arcflow([*again, start, "--model.start_from=null"], tmp_path) == 0
    done = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert done["global_step"] == 3
    # An evaluation of the run's checkpoint does not need the start any more.
    words = ["--trainer.limit_val_batches=0", *FROM_SCRATCH, "--ckpt_path=last"]
    shown = ["validate", f"--config={CONFIG}", f"--trainer.default_root_dir={tmp_path}", *words]
    assert run_arcflow([*shown, "--model.start_from=gone.ckpt"], tmp_path) == 0


def test_a_text_that_differs_is_refused_by_name(
    first: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start = f"--model.start_from={first / 'model'}"
    other = fit(tmp_path, *FROM_SCRATCH, start, "--data.text.grid.separator= ")
    assert run_arcflow(other, tmp_path) == 2
    told = capfd.readouterr().out
    assert "trained on another text (grid_text)" in told
    assert "Set the data's grid_text to what it was trained with." in told


def test_another_model_or_adapter_is_refused_by_name(first: Path, tuned: Path) -> None:
    last, model, base = first / "checkpoints" / "last.ckpt", first / "model", str(first / "model")
    wide = BackboneConfig(config=SHAPE | {"intermediate_size": 64})
    on_first = {"backbone": BackboneConfig(model=base), "lora": LORA}
    wider = on_first | {"lora": replace(LORA, rank=8)}
    elsewhere = {"backbone": BackboneConfig(config=SHAPE), "lora": LORA}
    for options, start, message in (
        ({"backbone": wide}, last, r"trained on another base model \(sizes\)"),
        ({"backbone": wide}, model, r"trained on another base model \(sizes\)"),
        (on_first, last, "trained without LoRA"),
        (on_first, model, "a whole model, but this run trains an adapter.*model.backbone.model"),
        ({}, tuned / "checkpoints" / "last.ckpt", "trained with LoRA"),
        ({}, tuned / "adapter", "trained with LoRA"),
        (wider, tuned / "checkpoints" / "last.ckpt", "another lora.rank: got 4"),
        (wider, tuned / "adapter", "another lora.rank: got 4"),
        (elsewhere, tuned / "adapter", r"another base model \(its weights differ\)"),
        ({}, first, "no arcflow run exported this.*RUN/checkpoints/last.ckpt"),
        ({}, first / "no", "model.start_from: nothing there"),
        ({}, model / "config.json", "not a checkpoint, or damaged"),
    ):
        with pytest.raises(CheckpointError, match=message):
            module(**options, start_from=str(start)).configure_model()
    with pytest.raises(ConfigError, match=r"model\.adapter is a start already"):
        module(lora=LORA, adapter="a", start_from="b")


def test_a_model_folder_whose_tensors_are_not_the_models_is_refused(
    first: Path, tmp_path: Path
) -> None:
    (tmp_path / "arcflow.json").write_text((first / "model" / "arcflow.json").read_text())
    tensors = load_file(str(first / "model" / "model.safetensors"))
    gone = sorted(tensors)[0]
    del tensors[gone]
    save_file(tensors, str(tmp_path / "model.safetensors"))
    with pytest.raises(CheckpointError, match=f"a tensor is missing: got .*{re.escape(gone)}"):
        module(start_from=str(tmp_path)).configure_model()
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="damaged"):
        module(start_from=str(tmp_path)).configure_model()
