"""SIGTERM ends a run in one line with exit 143, and what was done is not lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from arcflow.scoring.submission import read_submission
from arcflow.scoring.voting import read_candidates
from tests.end_to_end.test_ddp import fit_arguments as ddp_arguments
from tests.end_to_end.test_resume import fit_arguments, recorder
from tests.evaluation.test_resume import ARGUMENTS
from tests.helpers.runs import kept, logged, read_losses, run_arcflow, run_together, start_arcflow

pytestmark = pytest.mark.slow


def signal_at(hook: str, number: int = 1, *words: str) -> list[str]:
    return [
        "--trainer.callbacks+=tests.helpers.runs.SignalAt",
        f"--trainer.callbacks.hook={hook}",
        f"--trainer.callbacks.number={number}",
        *words,
    ]


def the_line(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that arcflow says."""
    output = capfd.readouterr().out
    assert "Traceback" not in output
    [line] = [line for line in output.splitlines() if line.startswith("arcflow: ")]
    return line


def last_step(root: Path) -> int:
    saved = torch.load(root / "checkpoints" / "last.ckpt", weights_only=True)
    return int(saved["global_step"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A run that was never stopped, by accumulated batches."""
    made: dict[int, Path] = {}

    def run(accumulate: int) -> Path:
        if accumulate not in made:
            root = made[accumulate] = tmp_path_factory.mktemp("whole")
            arguments = fit_arguments(root, 0, accumulate, "validation")
            assert run_arcflow([*arguments, *recorder(root / "losses")], root) == 0
        return made[accumulate]

    return run


@pytest.mark.parametrize(
    ("hook", "number", "accumulate", "workers", "step"),
    [
        ("on_train_batch_start", 5, 1, 0, 5),
        ("on_before_optimizer_step", 4, 2, 2, 4),
        ("on_train_batch_start", 5, 2, 0, 3),  # the first of two batches: the step is finished
        ("on_validation_batch_start", 2, 1, 0, 3),
        ("on_validation_batch_start", 1, 2, 0, 2),  # a validation within a step
    ],
)
def test_fit_saves_the_step_and_goes_on_to_the_last_bit(
    hook: str,
    number: int,
    accumulate: int,
    workers: int,
    step: int,
    whole: Callable[[int], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = fit_arguments(tmp_path, workers, accumulate, "validation")
    losses = recorder(tmp_path / "losses")
    assert run_arcflow([*arguments, *losses, *signal_at(hook, number)], tmp_path) == 143
    assert the_line(capfd) == (
        f"arcflow: ended by SIGTERM. Step {step} is saved: continue with --ckpt_path last."
    )
    assert last_step(tmp_path) == step
    assert run_arcflow([*arguments, *losses, "--ckpt_path=last"], tmp_path) == 0
    assert read_losses(tmp_path / "losses") == read_losses(whole(accumulate) / "losses")
    theirs = logged(whole(accumulate), "val_loss")
    assert logged(tmp_path, "val_loss")[-3:] == theirs[-3:]


def test_before_the_first_step_nothing_is_saved(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = fit_arguments(tmp_path, 0, 1, "step")
    assert run_arcflow([*arguments, *signal_at("on_fit_start")], tmp_path) == 143
    assert the_line(capfd) == (
        "arcflow: ended by SIGTERM. No step was taken since the start or the last checkpoint."
    )
    assert not (tmp_path / "checkpoints").exists()


def test_at_the_last_step_the_run_is_complete(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [*fit_arguments(tmp_path, 0, 1, "step"), "--trainer.max_steps=3"]
    words = ["--checkpoint.export=trained", *signal_at("on_train_batch_start", 3)]
    assert run_arcflow([*arguments, *words], tmp_path) == 143
    assert the_line(capfd) == "arcflow: ended by SIGTERM. The run was complete."
    assert last_step(tmp_path) == 3
    assert (tmp_path / "adapter" / "arcflow.json").is_file()


def test_a_signal_to_all_processes_of_the_run(tmp_path: Path) -> None:
    """As GNU timeout and SLURM send it: to the run, and to the workers that make its samples."""
    arguments = [*fit_arguments(tmp_path, 2, 1, "validation"), "--trainer.max_steps=100000"]
    run = subprocess.Popen(
        [sys.executable, "-m", "arcflow", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    wait_for((tmp_path / "checkpoints" / "last.ckpt").exists)
    run.send_signal(signal.SIGTERM)
    os.killpg(run.pid, signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 143, errors
    assert "Traceback" not in errors
    [line] = [line for line in errors.splitlines() if line.startswith("arcflow: ")]
    assert line == (
        f"arcflow: ended by SIGTERM. Step {last_step(tmp_path)} is saved: "
        "continue with --ckpt_path last."
    )
    with pytest.raises(ProcessLookupError):  # no worker is left behind
        wait_for_end_of_group(run.pid)


def wait_for_end_of_group(group: int) -> None:
    for _ in range(200):
        os.killpg(group, 0)
        time.sleep(0.05)


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_an_evaluation_keeps_what_is_finished(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name = {"validate": "validation"}.get(command, command)
    part = {"validate": "val"}.get(command, command)
    words = [word.replace("data.val.", f"data.{part}.") for word in ARGUMENTS]
    arguments = [command, *words, f"--trainer.default_root_dir={tmp_path}"]
    stop = signal_at(f"on_{name}_batch_end", 2, "--trainer.callbacks.tasks=true")
    assert run_arcflow([*arguments, *stop], tmp_path) == 143
    assert the_line(capfd) == (
        "arcflow: ended by SIGTERM. Finished tasks are in the journal and the submission: the same "
        "command goes on."
    )
    answered = {c.task_id for c in read_candidates(tmp_path / f"{command}.journal.jsonl")}
    assert len(answered) == 4
    assert answered < read_submission(tmp_path / "submission.json").keys()
    assert not list(tmp_path.glob(".*"))


def test_an_evaluation_that_was_ended_goes_on_to_the_last_byte(tmp_path: Path) -> None:
    ended, whole = tmp_path / "ended", tmp_path / "whole"
    for root in (ended, whole):
        root.mkdir()
        arguments = ["validate", *ARGUMENTS, f"--trainer.default_root_dir={root}"]
        if root == ended:
            for _ in range(2):
                child = start_arcflow(arguments, root, root / "output")
                wait_for(lambda root=root: (root / "validate.journal.jsonl").exists())
                time.sleep(1.0)
                assert child.pid is not None
                os.kill(child.pid, signal.SIGTERM)
                child.join(60)
                assert child.exitcode in (143, 0)
        assert run_arcflow(arguments, root) == 0
    assert kept(ended) == kept(whole)


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_while_an_engine_starts(tmp_path: Path) -> None:
    words = ["--pass_n.engine=tests.helpers.runs.WaitingEngine"]
    arguments = ["validate", *ARGUMENTS, f"--trainer.default_root_dir={tmp_path}", *words]
    child = start_arcflow(arguments, tmp_path, tmp_path / "output")
    wait_for((tmp_path / "engine-starts").exists)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGTERM)
    child.join(20)
    assert child.exitcode == 143
    assert "arcflow: ended by SIGTERM. Finished tasks" in (tmp_path / "output").read_text()
    assert len(read_submission(tmp_path / "submission.json")) == 6


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_validation_batch_start"])
def test_of_two_processes_one_is_enough(
    rank: int, hook: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ddp_arguments(tmp_path)
    words = signal_at(hook, 2, f"--trainer.callbacks.rank={rank}")
    assert run_together([*arguments, *words], tmp_path, 2) == 143
    step = 2 if hook == "on_train_batch_start" else 4
    assert the_line(capfd) == (
        f"arcflow: ended by SIGTERM. Step {step} is saved: continue with --ckpt_path last."
    )
    assert last_step(tmp_path) == step


def test_processes_that_arcflow_started(tmp_path: Path) -> None:
    """The first process passes the signal on, and none is left behind."""
    words = ["--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.max_steps=100000"]
    run = subprocess.Popen(
        [sys.executable, "-m", "arcflow", *ddp_arguments(tmp_path, *words)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    wait_for((tmp_path / "checkpoints" / "last.ckpt").exists)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 143, errors
    assert errors.count("arcflow: ended by SIGTERM. Step") == 1


def test_slurm_requeues_as_before(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """SIGUSR1 is Lightning's: it saves, and has the job put back into the queue."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "scontrol").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/requeued\n')
    (tools / "scontrol").chmod(0o755)
    slurm = {
        "SLURM_NTASKS": "1",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": "train",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": "here",
    }
    words = [
        *signal_at("on_train_batch_start", 4, f"--trainer.callbacks.signum={int(signal.SIGUSR1)}"),
        *signal_at("on_train_batch_start", 6),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "arcflow", *fit_arguments(tmp_path, 0, 1, "step"), *words],
        env=os.environ | slurm | {"PATH": f"{tools}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 143, done.stderr
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    hpc = torch.load(tmp_path / "hpc_ckpt_1.ckpt", weights_only=True)
    assert hpc["global_step"] == 3
    assert last_step(tmp_path) == 6
