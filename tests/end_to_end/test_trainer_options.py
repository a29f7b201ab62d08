"""Lightning's options beside a stream of batches without an end: right, or refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from arcflow.core.errors import ConfigError
from arcflow.datamodules.arc import ARCDataModule
from tests.end_to_end.test_resume import fit_arguments, recorder
from tests.helpers.runs import read_losses, run_arcflow, weights
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(w) for w in LIGHTNING_WARNINGS]


def fit(root: Path, *words: str, accumulate: int = 1, kill_at: int = 0) -> int:
    root.mkdir(exist_ok=True)
    arguments = fit_arguments(root, 0, accumulate, "step")
    steps = [] if any("max_steps" in word for word in words) else ["--trainer.max_steps=8"]
    return run_arcflow([*arguments, *steps, *words, *recorder(root / "losses", kill_at)], root)


def trainer(**options: Any) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(accelerator="cpu", enable_checkpointing=False, **quiet, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overfit_batches": 4}, "trainer.overfit_batches: not with a stream .*: got 4"),
        ({"overfit_batches": 0.1}, "trainer.overfit_batches: not with a stream .*: got 0.1"),
        ({"limit_train_batches": 0.5}, "trainer.limit_train_batches: .*: got 0.5. Expected a num"),
        ({"val_check_interval": 0.25}, "trainer.val_check_interval: .*: got 0.25. Expected a num"),
        (
            {"reload_dataloaders_every_n_epochs": 1},
            "trainer.reload_dataloaders_every_n_epochs: .*would start the stream again",
        ),
    ],
)
def test_a_share_of_all_batches_or_the_same_ones_again(
    options: dict[str, Any], message: str
) -> None:
    data = ARCDataModule()
    data.trainer = trainer(**options)
    with pytest.raises(ConfigError, match=message):
        data.setup("fit")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limit_train_batches": 0},
        {"limit_train_batches": 7, "val_check_interval": 0.5},
        {"val_check_interval": 5, "check_val_every_n_epoch": None},
        {"val_check_interval": "00:00:10:00"},
        {"num_sanity_val_steps": -1},
        {"use_distributed_sampler": False},
        {"fast_dev_run": 3},
    ],
)
def test_options_that_are_right_are_taken(options: dict[str, Any]) -> None:
    data = ARCDataModule()
    data.trainer = trainer(**options)
    data.setup("fit")


@pytest.mark.slow
def test_epochs_of_some_batches_go_on_in_the_stream_and_resume_exactly(tmp_path: Path) -> None:
    """Each epoch of 5 batches ends with an optimizer step of a single one."""
    words = ["--trainer.limit_train_batches=5"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert fit(whole, *words, accumulate=2) == 0
    assert fit(killed, *words, accumulate=2, kill_at=6) == -9
    assert fit(killed, *words, "--ckpt_path=last", accumulate=2, kill_at=11) == -9
    assert fit(killed, *words, "--ckpt_path=last", accumulate=2) == 0
    assert list(read_losses(whole / "losses")) == [2, 4, 5, 7, 9, 10, 12, 14]
    assert read_losses(killed / "losses") == read_losses(whole / "losses")
    ours, theirs = (weights(root / "checkpoints" / "last.ckpt") for root in (killed, whole))
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.mark.slow
def test_a_sanity_check_before_training_changes_nothing(tmp_path: Path) -> None:
    words = ["--trainer.max_steps=4", "--trainer.val_check_interval=2"]
    assert fit(tmp_path / "without", *words) == 0
    assert fit(tmp_path / "with", *words, "--trainer.num_sanity_val_steps=2") == 0
    first, second = (tmp_path / name for name in ("without", "with"))
    assert read_losses(first / "losses") == read_losses(second / "losses")
    logs = [next(root.glob("logs/version_*/metrics.csv")).read_text() for root in (first, second)]
    rows = [[line.split(",") for line in log.splitlines()] for log in logs]
    column = rows[0][0].index("val_loss")
    assert [row[column] for row in rows[0]] == [row[column] for row in rows[1]]


@pytest.mark.slow
@pytest.mark.parametrize("batches", ["true", "3"])
def test_a_trial_run_leaves_nothing_and_works_beside_a_run(tmp_path: Path, batches: str) -> None:
    words = [f"--trainer.fast_dev_run={batches}", "--checkpoint.export=trained"]
    assert fit(tmp_path, *words) == 0
    assert len(read_losses(tmp_path / "losses")) == (1 if batches == "true" else 3)
    assert [path.name for path in tmp_path.iterdir()] == ["losses"]
    assert fit(tmp_path, "--trainer.max_steps=2") == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.ckpt")}
    assert fit(tmp_path, *words) == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.ckpt")} == before


@pytest.mark.slow
def test_a_time_between_validations(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = [
        "--trainer.val_check_interval=00:00:00:01",
        "--checkpoint.keep=1",
        "--checkpoint.every_n_steps=0",
    ]
    assert fit(tmp_path / "one", *words, "--trainer.max_steps=3") == 0
    assert fit(tmp_path / "two", *words, accumulate=2) == 2
    assert "between the batches of one optimizer step" in capfd.readouterr().out
