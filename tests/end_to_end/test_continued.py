"""Runs that continue: with more steps, with more time, and never two in one folder."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from tests.end_to_end.test_resume import fit_arguments
from tests.helpers.runs import logged, run_arcflow, start_arcflow

pytestmark = pytest.mark.slow


def test_a_finished_run_with_more_steps_takes_none_at_rate_zero(tmp_path: Path) -> None:
    arguments = fit_arguments(tmp_path, 0, 1, "step")
    schedule = '--model.schedule={"name": "linear", "warmup_ratio": 0, "min_ratio": 0}'
    assert run_arcflow([*arguments, schedule, "--trainer.max_steps=4"], tmp_path) == 0
    more = [*arguments, schedule, "--trainer.max_steps=8", "--ckpt_path=last"]
    assert run_arcflow(more, tmp_path) == 0
    rates = logged(tmp_path, "lr")
    peak = rates[0]
    shares = [1, 3 / 4, 2 / 4, 1 / 4, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert rates == pytest.approx([peak * share for share in shares])


def test_an_option_of_the_optimizer_given_at_a_resume_wins(tmp_path: Path) -> None:
    arguments = fit_arguments(tmp_path, 0, 1, "step")
    constant = '--model.schedule={"name": "constant", "warmup_ratio": 0}'
    first = [*arguments, constant, "--model.optimizer.lr=0.001", "--trainer.max_steps=2"]
    assert run_arcflow(first, tmp_path) == 0
    words = [constant, "--model.optimizer.lr=0.0005", "--model.optimizer.weight_decay=0.5"]
    again = [*arguments, *words, "--trainer.max_steps=4", "--ckpt_path=last"]
    assert run_arcflow(again, tmp_path) == 0
    assert logged(tmp_path, "lr") == pytest.approx([0.001, 0.001, 0.0005, 0.0005])
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    groups = saved["optimizer_states"][0]["param_groups"]
    assert {group["weight_decay"] for group in groups} <= {0.5, 0.0}
    assert groups[0]["weight_decay"] == 0.5


def test_the_same_time_counts_from_each_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = fit_arguments(tmp_path, 0, 1, "step")
    limit = [*arguments, "--trainer.max_steps=100000", "--trainer.max_time=00:00:00:02"]
    assert run_arcflow(limit, tmp_path) == 0
    path = tmp_path / "checkpoints" / "last.ckpt"
    first = torch.load(path, weights_only=True)["global_step"]
    assert first > 0
    assert run_arcflow([*limit, "--ckpt_path=last"], tmp_path) == 0
    assert torch.load(path, weights_only=True)["global_step"] > first


def test_of_two_fits_in_one_new_folder_the_second_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [*fit_arguments(tmp_path, 1, 1, "step"), "--trainer.max_steps=100000"]
    first = start_arcflow(arguments, tmp_path, tmp_path / "output")
    end = time.monotonic() + 120
    while not (tmp_path / ".fit.lock").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    for words in (arguments, [*arguments, "--checkpoint.overwrite=true"]):
        assert run_arcflow(words, tmp_path) == 2
        output = capfd.readouterr().out
        assert (
            f"arcflow: another fit is writing this folder: got '{tmp_path}'. Expected one fit at a "
            "time in a folder. Wait until it has ended, or give this run another folder "
            "(--trainer.default_root_dir)."
        ) in output
        assert "Traceback" not in output
    while not (tmp_path / "checkpoints" / "last.ckpt").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert first.is_alive()
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    # The lock ends with the process, even while its workers still see that it is gone.
    again = [*arguments, "--trainer.max_steps=3", "--checkpoint.overwrite=true"]
    assert run_arcflow(again, tmp_path) == 0
