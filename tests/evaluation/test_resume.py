"""An evaluation killed at any moment goes on, and ends as if it had never been killed."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arcflow.scoring.journal import read_journal, write_journal
from arcflow.scoring.submission import PLACEHOLDER, read_submission
from arcflow.scoring.voting import read_candidates
from tests.helpers.paths import ROOT
from tests.helpers.runs import kept, run_arcflow, start_arcflow

ARGUMENTS = [
    f"--config={ROOT}/configs/quickstart.yaml",
    "--trainer.enable_progress_bar=false",
    "--data.val.max_side=5",
    "--data.task_batch_size=2",
    "--test_time.steps=2",
    "--pass_n.answer.views=2",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never killed."""
    folder = tmp_path_factory.mktemp("whole")
    arguments = ["validate", *ARGUMENTS, f"--trainer.default_root_dir={folder}"]
    assert run_arcflow(arguments, folder) == 0
    return folder


@pytest.mark.slow
def test_a_killed_evaluation_leaves_a_valid_submission_with_the_finished_tasks(
    tmp_path: Path, whole: Path
) -> None:
    arguments = ["validate", *ARGUMENTS, f"--trainer.default_root_dir={tmp_path}"]
    kill = [
        "--trainer.callbacks+=tests.helpers.runs.KillAfterTaskBatches",
        "--trainer.callbacks.task_batches=2",
    ]
    assert run_arcflow([*arguments, *kill], tmp_path) == -signal.SIGKILL
    submission = read_submission(tmp_path / "submission.json")
    assert len(submission) == 6
    answered = {c.task_id for c in read_candidates(tmp_path / "validate.journal.jsonl")}
    assert len(answered) == 4
    for task_id, attempts in submission.items():
        if task_id not in answered:
            assert all(a.tolist() == PLACEHOLDER.tolist() for pair in attempts for a in pair)
    assert run_arcflow(arguments, tmp_path) == 0
    assert kept(tmp_path) == kept(whole)


@pytest.mark.slow
def test_killed_at_ten_random_moments(tmp_path: Path, whole: Path) -> None:
    moments = random.Random(7)
    arguments = ["validate", *ARGUMENTS, f"--trainer.default_root_dir={tmp_path}"]
    journal = tmp_path / "validate.journal.jsonl"
    finished: set[tuple[str, str]] = set()
    for _ in range(10):
        child = start_arcflow(arguments, tmp_path, tmp_path / "output")
        child.join(moments.uniform(0.5, 6.0))
        child.kill()
        child.join()
        if journal.exists() and journal.stat().st_size:
            now = {(entry["task"], entry["variant"]) for entry in read_journal(journal)[1]}
            assert now >= finished  # nothing that was finished is lost
            finished = now
        if (tmp_path / "submission.json").exists():
            assert len(read_submission(tmp_path / "submission.json")) == 6
        if child.exitcode == 0:
            journal.unlink()  # done before the tenth kill: from the start again
            finished = set()
    assert run_arcflow(arguments, tmp_path) == 0
    assert kept(tmp_path) == kept(whole)


@pytest.mark.slow
def test_a_finished_evaluation_is_told_again_and_another_one_is_refused(
    tmp_path: Path, whole: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = kept(whole)
    arguments = ["validate", *ARGUMENTS, f"--trainer.default_root_dir={whole}"]
    began = time.monotonic()
    assert run_arcflow(arguments, tmp_path) == 0
    assert "6 of 6 tasks are finished in" in capfd.readouterr().out
    assert kept(whole) == before
    assert time.monotonic() - began < 60

    assert run_arcflow([*arguments, "--pass_n.answer.views=3"], tmp_path) == 2
    said = capfd.readouterr().out
    assert "the journal of another run, pass_n.answer.views differs: got 2" in said
    assert "--pass_n.overwrite true" in said
    assert kept(whole) == before


@pytest.mark.slow
def test_restart_forgets_what_was_finished(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "validate",
        *ARGUMENTS,
        f"--trainer.default_root_dir={tmp_path}",
        "--data.val.max_side=4",
        "--test_time.steps=1",
        "--test_time.schedule.warmup_ratio=0",
        "--trainer.enable_progress_bar=true",
    ]
    assert run_arcflow(arguments, tmp_path) == 0
    assert re.search(r"tasks: \d/\d, solved \d", capfd.readouterr().out)
    before = json.loads((tmp_path / "validate.results.json").read_text())
    again = [*arguments, "--pass_n.answer.views=1", "--pass_n.overwrite=true"]
    assert run_arcflow(again, tmp_path) == 0
    _, entries = read_journal(tmp_path / "validate.journal.jsonl")
    assert {entry["views"] for entry in entries} == {1}
    assert 2 * before["tasks"] == len(entries)


def run_ranks(arguments: list[str], folder: Path, kill_after: float | None = None) -> str:
    """Two processes, as a user starts them; killed whole after some seconds, or run to the end."""
    command = [
        sys.executable,
        "-m",
        "arcflow",
        *arguments,
        f"--trainer.default_root_dir={folder}",
        "--trainer.devices=2",
        "--trainer.strategy=ddp",
    ]
    with (folder / "output").open("wb") as output:
        group = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = group.wait(kill_after or 300)
        except subprocess.TimeoutExpired:
            os.killpg(group.pid, signal.SIGKILL)
            code = group.wait()
    said = (folder / "output").read_text()
    assert code == (0 if kill_after is None else -signal.SIGKILL), said
    return said


@pytest.mark.slow
def test_two_processes_give_what_one_gives_to_the_last_byte(tmp_path: Path, whole: Path) -> None:
    """Three task batches, so that one process has two of them and the other one."""
    said = run_ranks(["validate", *ARGUMENTS], tmp_path)
    assert said.count("pass_n") == 1
    assert kept(tmp_path) == kept(whole)
    assert not list(tmp_path.glob("*.rank*"))


@pytest.mark.slow
def test_one_process_goes_on_where_two_were_killed(tmp_path: Path, whole: Path) -> None:
    arguments = ["validate", *ARGUMENTS, f"--trainer.default_root_dir={tmp_path}"]
    rank1 = tmp_path / "validate.rank1.journal.jsonl"
    # What two processes leave that are killed when the second one has finished its only task batch.
    header, entries = read_journal(whole / "validate.journal.jsonl")
    write_journal(rank1, header["run"], entries[4:8])
    write_journal(tmp_path / "validate.journal.jsonl", header["run"], entries[:2])
    assert run_arcflow(arguments, tmp_path) == 0
    assert kept(tmp_path) == kept(whole)
    assert not rank1.exists()
