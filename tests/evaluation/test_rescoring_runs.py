"""Re-scoring in whole runs: killed and resumed, in two processes, with the shipped config."""

import signal
from pathlib import Path

import pytest

from arcflow.scoring.journal import read_journal, write_journal
from arcflow.scoring.voting import Candidate, candidate_from_dict
from tests.evaluation.test_resume import run_ranks
from tests.helpers.paths import ROOT
from tests.helpers.runs import kept, run_arcflow

pytestmark = pytest.mark.slow
# Tuned a little, the model writes some grids.
ARGUMENTS = [
    "validate",
    f"--config={ROOT}/configs/quickstart.yaml",
    "--trainer.enable_progress_bar=false",
    "--data.val.max_side=5",
    "--data.task_batch_size=2",
    "--test_time.steps=30",
    "--pass_n.answer.views=3",
    "--pass_n.rescore.views=2",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never killed."""
    folder = tmp_path_factory.mktemp("whole")
    assert run_arcflow([*ARGUMENTS, f"--trainer.default_root_dir={folder}"], folder) == 0
    return folder


def candidates(folder: Path) -> list[Candidate]:
    entries = read_journal(folder / "validate.journal.jsonl")[1]
    return [candidate_from_dict(one) for entry in entries for one in entry["candidates"]]


def test_answers_have_values_and_a_killed_run_ends_alike(tmp_path: Path, whole: Path) -> None:
    answered = [c for c in candidates(whole) if c.grid is not None]
    assert len(answered) >= 3
    assert all(c.rescored is not None and c.rescore_views == 2 for c in answered)
    kill = [
        "--trainer.callbacks+=tests.helpers.runs.KillAfterTaskBatches",
        "--trainer.callbacks.task_batches=1",
    ]
    arguments = [*ARGUMENTS, f"--trainer.default_root_dir={tmp_path}"]
    assert run_arcflow([*arguments, *kill], tmp_path) == -signal.SIGKILL
    journal = tmp_path / "validate.journal.jsonl"
    header, entries = read_journal(journal)
    assert len(entries) == 4
    write_journal(journal, header["run"], entries[:3])  # as if a line had been torn
    assert run_arcflow(arguments, tmp_path) == 0
    assert kept(tmp_path) == kept(whole)


def test_two_processes_give_what_one_gives_to_the_last_byte(tmp_path: Path, whole: Path) -> None:
    run_ranks(ARGUMENTS, tmp_path)
    assert kept(tmp_path) == kept(whole)


def test_options_are_refused_and_rank_matters_to_the_journal(
    tmp_path: Path, whole: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [*ARGUMENTS, f"--trainer.default_root_dir={whole}"]
    before = kept(whole)
    for option, said in (
        ("--pass_n.rescore.views=-1", "pass_n.rescore.views is too small: got -1"),
        ("--pass_n.rescore.rank=best", "pass_n.rescore.rank"),
        ("--pass_n.rescore.views=3", "the journal of another run, pass_n.rescore.views differs"),
    ):
        assert run_arcflow([*arguments, option], tmp_path) == 2
        assert said in capfd.readouterr().out
    assert kept(whole) == before
