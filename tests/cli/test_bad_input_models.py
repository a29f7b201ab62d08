"""Models, adapters and checkpoints that do not fit: one message that helps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from arcflow.cli.main import main
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from tests.helpers.mistakes import FEW, PART, QUICKSTART, SIZES, TINY, Run, runner
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [
    pytest.mark.filterwarnings(warning)
    # Lightning calls what jsonargparse deprecates.
    for warning in (*LIGHTNING_WARNINGS, "ignore::DeprecationWarning")
]


@pytest.fixture
def arcflow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(tmp_path, capfd)


@pytest.mark.parametrize("command", PART)
def test_an_unknown_model_folder(arcflow: Run, command: str) -> None:
    words = ["--model.backbone.model=./nowhere", "--model.backbone.config={}"]
    assert arcflow(command, *words) == (
        "tokenizer: no such folder: got './nowhere'. Expected 'characters', a folder with "
        "tokenizer.json, or a name on the hub. Correct model.tokenizer; where it is empty, the "
        "tokenizer is looked for in model.backbone.model."
    )
    assert arcflow(command, *words, "--model.tokenizer=characters") == (
        "backbone.model: no model loads from here (no such folder): got './nowhere'. Expected "
        "tiny-qwen2, a config.json, a folder saved by transformers, a GGUF file, or a name on the "
        "hub. Check the spelling; without a network, give the folder of a downloaded model."
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", PART)
def test_an_adapter_for_another_model(arcflow: Run, tmp_path: Path, command: str) -> None:
    other = LoRAModule(
        BackboneConfig(config=SIZES | {"hidden_size": 64}), LoRAConfig(rank=4, alpha=8)
    )
    other.configure_model()
    folder = other.export(tmp_path / "adapter")
    lora = "--model.lora={rank: 4, alpha: 8}"
    said = arcflow(command, lora, f"--model.adapter={folder}")
    assert said.startswith(f"adapter {folder}: trained on another base model (sizes): got ")
    assert "'hidden_size': 64" in said
    assert "as of tiny-qwen2. Set backbone.model to the model it was trained on" in said
    assert arcflow(command, lora, f"--model.adapter={tmp_path}/none") == (
        f"adapter {tmp_path}/none: not an adapter folder: got 'no adapter_config.json'. Expected "
        "adapter_config.json and adapter_model.safetensors, as PEFT writes them. Check "
        "model.adapter."
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.raises(SystemExit) as stop:
        main(["fit", "-c", QUICKSTART, *TINY, *FEW, f"--trainer.default_root_dir={root}"])
    assert stop.value.code == 0
    return root


def changed(trained: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """``--ckpt_path`` of the run's checkpoint with something changed."""
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    torch.save(change(checkpoint) or checkpoint, folder / "changed.ckpt")
    return f"--ckpt_path={folder / 'changed.ckpt'}"


@pytest.mark.slow
@pytest.mark.parametrize("command", PART)
def test_a_checkpoint_of_another_format(
    arcflow: Run, trained: Path, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "changed.ckpt"
    newer = changed(trained, tmp_path, lambda c: c["arcflow"].update(format=99))
    assert arcflow(command, *FEW, newer) == (
        "checkpoint: written in another format: got 99. Expected arcflow format 1. Use a file "
        "written by this version of arcflow."
    )
    foreign = changed(trained, tmp_path, lambda c: c.pop("arcflow") and None)
    assert arcflow(command, *FEW, foreign).startswith("checkpoint: not written by arcflow: got [")
    bare = changed(trained, tmp_path, lambda c: {"weight": torch.zeros(2)})
    assert arcflow(command, *FEW, bare) == (
        f"{path}: written in another format: got ['weight']. Expected a checkpoint of arcflow "
        "fit. Use a checkpoint of arcflow fit; an adapter goes to --model.adapter, a model folder "
        "to --model.backbone.model."
    )


@pytest.mark.slow
@pytest.mark.parametrize(("command", "size"), [("fit", 5000), ("validate", 100), ("predict", 0)])
def test_a_checkpoint_cut_short(
    arcflow: Run, trained: Path, tmp_path: Path, command: str, size: int
) -> None:
    path = tmp_path / "cut.ckpt"
    path.write_bytes((trained / "checkpoints" / "last.ckpt").read_bytes()[:size])
    said = arcflow(command, *FEW, f"--ckpt_path={path}")
    assert said.startswith(f"{path}: not a checkpoint, or damaged: got '")
    assert said.endswith(
        f"{size} bytes'. Expected a whole checkpoint of arcflow fit. Use another checkpoint of "
        "the run, or start it again."
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", PART)
def test_a_checkpoint_of_something_else(arcflow: Run, trained: Path, command: str) -> None:
    last = f"--ckpt_path={trained}/checkpoints/last.ckpt"
    wide = json.dumps(SIZES | {"hidden_size": 64})
    said = arcflow(command, *FEW, last, f"--model.backbone.config={wide}")
    assert said.startswith("checkpoint: trained on another base model (sizes): got {'vocab_size'")
    assert "Set backbone.model to the model it was trained on (tiny-qwen2)" in said
    said = arcflow(command, *FEW, last, "--data.text.grid.separator= ")
    assert said.startswith("checkpoint: trained on another text (grid_text): got ")
    assert "separator=' '" in said
    assert said.endswith("as configured. Set the data's grid_text to what it was trained with.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data.train.max_side=4"], "number of tasks differs: got '"),
        (["--seed_everything=3"], "seed differs: got '0'. Expected '3'."),
        (["--data.augment.reorder=false"], "augment.reorder differs: got 'True'. Expected 'False'"),
        (["--data.tokens_per_batch=700"], "tokens_per_batch differs: got '600'. Expected '700'."),
        (["--data.packing=padded"], "packing differs: got 'packed'. Expected 'padded'."),
    ],
)
def test_a_stream_changed_on_resume(
    arcflow: Run, trained: Path, words: list[str], message: str
) -> None:
    said = arcflow("fit", *FEW, *words, "--ckpt_path=last", root=trained)
    assert said.startswith(f"checkpoint of another training stream: {message}")
    assert said.endswith(
        "Resume with the options and tasks the run was started with, or start a new run."
    )


@pytest.mark.slow
def test_a_new_run_over_an_old_one(arcflow: Run, trained: Path) -> None:
    said = arcflow("fit", *FEW, root=trained)
    assert said.startswith("this folder holds the checkpoints of another run: got ")
    assert "--ckpt_path last" in said
