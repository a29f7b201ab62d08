"""Law 2: a run killed anywhere and resumed equals the run never killed, bit for bit."""

import random
from pathlib import Path

import pytest
import torch

from tests.helpers.paths import ROOT
from tests.helpers.runs import read_losses, run_arcflow, weights

CONFIG = str(ROOT / "configs" / "quickstart.yaml")
STEPS = 16


def fit_arguments(root: Path, workers: int, accumulate: int, save_on: str) -> list[str]:
    saves = {
        "step": ["--checkpoint.every_n_steps=2"],
        # Lightning counts this in batches: with accumulation, validation also falls into a step.
        "validation": ["--trainer.val_check_interval=3"],
    }[save_on]
    return [
        "fit",
        f"--config={CONFIG}",
        f"--trainer.default_root_dir={root}",
        f"--trainer.max_steps={STEPS}",
        f"--trainer.accumulate_grad_batches={accumulate}",
        "--trainer.limit_val_batches=1",
        "--trainer.enable_progress_bar=false",
        "--trainer.val_check_interval=1000",
        "--trainer.log_every_n_steps=1",
        "--checkpoint.every_n_steps=0",
        *saves,
        f"--data.workers={workers}",
        "--data.max_tokens=300",
        "--data.tokens_per_batch=600",
        "--data.train.max_tokens=300",
        "--data.val.max_tokens=300",
        '--model.backbone.config={"hidden_size": 32, "intermediate_size": 64, '
        '"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}',
        '--model.lora={"rank": 4, "dropout": 0.1}',
    ]


def recorder(path: Path, kill_at: int = 0) -> list[str]:
    return [
        "--trainer.callbacks+=tests.helpers.runs.Recorder",
        f"--trainer.callbacks.path={path}",
        f"--trainer.callbacks.kill_at={kill_at}",
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """One run for each accumulation, no workers; everything else must not change a digit."""
    roots = {}
    for accumulate in (1, 2):
        root = tmp_path_factory.mktemp(f"whole{accumulate}")
        arguments = fit_arguments(root, 0, accumulate, "step")
        assert run_arcflow([*arguments, *recorder(root / "losses")], root) == 0
        roots[accumulate] = root
    return roots


@pytest.mark.slow
@pytest.mark.parametrize("save_on", ["step", "validation"])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_and_resumed_equals_uninterrupted(
    workers: int,
    accumulate: int,
    save_on: str,
    uninterrupted: dict[int, Path],
    tmp_path: Path,
) -> None:
    arguments = fit_arguments(tmp_path, workers, accumulate, save_on)
    batches = STEPS * accumulate
    draw = random.Random(f"{workers} {accumulate} {save_on}")
    first = draw.randint(5, batches // 2)
    second = draw.randint(first + 3, batches - 1)
    log = tmp_path / "losses"
    assert run_arcflow([*arguments, *recorder(log, first)], tmp_path) == -9
    resume = [*arguments, "--ckpt_path=last"]
    assert run_arcflow([*resume, *recorder(log, second)], tmp_path) == -9
    assert run_arcflow([*resume, *recorder(log)], tmp_path) == 0

    whole = uninterrupted[accumulate]
    assert read_losses(log) == read_losses(whole / "losses")
    ours = weights(tmp_path / "checkpoints" / "last.ckpt")
    theirs = weights(whole / "checkpoints" / "last.ckpt")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name


@pytest.mark.slow
def test_the_last_step_is_in_last_ckpt_whatever_is_kept(tmp_path: Path) -> None:
    arguments = fit_arguments(tmp_path, 0, 1, "step")
    kept = ["--trainer.max_steps=5", "--checkpoint.keep=1"]
    assert run_arcflow([*arguments, *kept], tmp_path) == 0
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 5
