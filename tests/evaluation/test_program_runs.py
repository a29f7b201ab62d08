"""Evaluations by programs as a user starts them: random models, kills, several processes."""

import json
import random
import signal
from pathlib import Path

import pytest

from arcflow.cli.main import main
from arcflow.evaluation.program_candidates import CODE_METRICS
from arcflow.scoring.journal import read_journal
from tests.helpers.paths import ROOT
from tests.helpers.runs import kept, run_arcflow, run_together, start_arcflow
from tests.helpers.tiny import SIZES

CONFIG = ROOT / "configs/quickstart.yaml"
ARGUMENTS = [
    "validate",
    f"--config={CONFIG}",
    "--trainer.enable_progress_bar=false",
    f"--model.backbone.config={json.dumps(SIZES)}",
    "--data.max_tokens=768",
    "--data.tokens_per_batch=768",
    "--data.text.code_tokens=96",
    "--data.val.max_side=5",
    "--data.task_batch_size=2",
    "--test_time.steps=0",
    "--pass_n.answer.views=2",
    "--pass_n.answer.samples=2",
    "--pass_n.answer.temperature=1",
    '--pass_n.code={"rounds": 1, "corrected": 1, "workers": 1, "seconds": 0.3}',
]
SCRIPTED = [
    "--data.val={tasks: arc-agi-1/training, max_side: 3}",
    "--data.task_batch_size=1",
    "--pass_n.answer.views=4",
    "--trainer.callbacks+=tests.helpers.scripted.Scripted",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with scripted programs that was never killed."""
    folder = tmp_path_factory.mktemp("whole")
    words = [*ARGUMENTS, *SCRIPTED, f"--trainer.default_root_dir={folder}"]
    assert run_arcflow(words, folder) == 0
    return folder


@pytest.mark.slow
def test_a_random_model_writes_no_program_that_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [*ARGUMENTS, f"--trainer.default_root_dir={tmp_path}", "--pass_n.answer.top_p=0.9"]
    assert run_arcflow(words, tmp_path) == 0
    said = capfd.readouterr().out
    assert "code_runs" in said
    results = json.loads((tmp_path / "validate.results.json").read_text())
    assert results["tasks"] == 6
    frozen = results["variants"]["baseline"]
    assert frozen["code_solves"] == frozen["code_fits_k"] == frozen["pass_n"] == 0.0
    assert frozen["unanswered"] == 1.0
    header, found = read_journal(tmp_path / "validate.journal.jsonl")
    assert header["run"]["pass_n.code.kind"] == "code-from-examples"
    assert header["run"]["data.text.code_tokens"] == 96
    assert "pass_n.code.workers" not in header["run"]
    assert {"code-from-examples", "code-from-feedback"} == set(header["run"]["pass_n.code text"])
    assert all(entry["code"]["programs"] >= 4 for entry in found)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_never_killed(tmp_path: Path, whole: Path) -> None:
    moments = random.Random(3)
    words = [*ARGUMENTS, *SCRIPTED, f"--trainer.default_root_dir={tmp_path}"]
    kill = [
        "--trainer.callbacks+=tests.helpers.runs.KillAfterTaskBatches",
        "--trainer.callbacks.task_batches=2",
    ]
    assert run_arcflow([*words, *kill], tmp_path) == -signal.SIGKILL
    journal = tmp_path / "validate.journal.jsonl"
    assert len(read_journal(journal)[1]) == 2
    for _ in range(4):
        child = start_arcflow(words, tmp_path, tmp_path / "output")
        child.join(moments.uniform(1.0, 5.0))
        child.kill()
        child.join()
        if child.exitcode == 0:
            journal.unlink()
    assert run_arcflow(words, tmp_path) == 0
    assert kept(tmp_path) == kept(whole)
    solved = [entry["code"]["solve"] for entry in read_journal(journal)[1]]
    assert len(solved) > 4
    assert any(solved)


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path: Path, whole: Path) -> None:
    words = [*ARGUMENTS, *SCRIPTED, f"--trainer.default_root_dir={tmp_path}"]
    assert run_together(words, tmp_path, 2) == 0
    assert kept(tmp_path) == kept(whole)


def test_code_options_that_cannot_work_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*ARGUMENTS[:-1], f"--trainer.default_root_dir={tmp_path}"]
    with pytest.raises(SystemExit) as ended:
        main([*words, '--pass_n.code={"kind": "output-from-code"}'])
    assert ended.value.code == 2
    assert "code-from-examples" in capsys.readouterr().err


@pytest.mark.slow
def test_predict_shows_what_needs_no_answers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", *ARGUMENTS[1:], *SCRIPTED, f"--trainer.default_root_dir={tmp_path}"]
    assert run_arcflow(words, tmp_path) == 0
    said = capfd.readouterr().out
    assert "UserWarning" not in said
    results = json.loads((tmp_path / "predict.results.json").read_text())["variants"]["baseline"]
    assert set(results) == set(CODE_METRICS)
    assert 0 < results["code_solves"] < results["code_runs"] < 1
    _, found = read_journal(tmp_path / "predict.journal.jsonl")
    assert any(c["grid"] for entry in found for c in entry["candidates"])
