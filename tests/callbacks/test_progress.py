"""What a run says of its progress off a terminal, in the captured text of real runs."""

import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arcflow.callbacks.progress import LineProgress, RunProgress, run_progress
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow

TINY = [
    f"--config={ROOT}/configs/quickstart.yaml",
    "--threads=1",
    "--data.workers=0",
    "--data.max_tokens=512",
    "--data.tokens_per_batch=512",
]
EVALUATE = [
    *TINY,
    "--data.val.max_side=5",
    "--data.task_batch_size=2",
    "--test_time.steps=2",
    "--pass_n.answer.views=2",
]
LINE = re.compile(
    r"^tasks: (\d+)/6, (solved|answered) (\d+), [\d.e+-]+ s a task, [\dhms ]+ left, "
    r"steps (\d+(?: of \d+)?), views (\d+(?: of \d+)?)$",
    re.M,
)


def output_of(
    words: list[str], folder: Path, capfd: pytest.CaptureFixture[str], code: int = 0
) -> str:
    assert run_arcflow([*words, f"--trainer.default_root_dir={folder}"], folder) == code
    return capfd.readouterr().out


@pytest.mark.slow
def test_validate_writes_a_line_for_each_task_batch_and_what_became_of_all(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = output_of(["validate", *EVALUATE], tmp_path, capfd)
    found = LINE.findall(text)
    assert [(int(done), what) for done, what, *_ in found] == [(n, "solved") for n in (2, 4, 6)]
    assert {(steps, views) for *_, steps, views in found} == {("2", "2")}
    assert re.search(
        r"^tasks: 6, answered \d, unanswered \d, placeholders for \d of \d+ test outputs\n"
        rf"journal: {tmp_path}/validate.journal.jsonl\n"
        rf"results: {tmp_path}/validate.results.json\n"
        rf"submission: {tmp_path}/submission.json$",
        text,
        re.M,
    ), text
    # No bar: nothing is written over, and nothing is drawn.
    assert "\r" not in text
    assert "it/s" not in text

    again = output_of(["validate", *EVALUATE], tmp_path, capfd)
    assert not LINE.findall(again)
    assert re.search(r"^tasks: 6, answered \d, unanswered \d, placeholders", again, re.M)


@pytest.mark.slow
def test_predict_counts_answers_and_what_a_deadline_left_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [
        "predict",
        *EVALUATE,
        f"--config={ROOT}/configs/kaggle.yaml",
        "--data.predict={tasks: arc-agi-1/evaluation, max_side: 5}",
        f"--pass_n.submission={tmp_path}/submission.json",
        "--test_time.steps=400",
        "--pass_n.answer.views=8",
        "--pass_n.task_seconds=0.5",
    ]
    text = output_of(words, tmp_path, capfd)
    found = LINE.findall(text)
    assert [(int(done), what) for done, what, *_ in found] == [(n, "answered") for n in (2, 4, 6)]
    assert all(re.fullmatch(r"\d+ of 400", steps) for *_, steps, _ in found), found
    assert "results:" not in text

    late = output_of([*words, "--pass_n.overwrite=true", "--pass_n.deadline=1"], tmp_path, capfd, 2)
    assert "pass_n.deadline has passed" in late


@pytest.mark.slow
def test_fit_writes_its_first_and_last_step_and_its_validations(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", *TINY, "--trainer.max_steps=4", "--trainer.val_check_interval=2"]
    text = output_of([*words, "--trainer.limit_val_batches=1"], tmp_path, capfd)
    steps = re.findall(r"^step (\d)/4, loss [\d.]+, [\d,]+ tokens/s, (\d+)s left$", text, re.M)
    assert [step for step, _ in steps] == ["1", "4"]
    assert steps[-1][1] == "0"
    assert re.findall(r"^step (\d): val_loss [\d.]+$", text, re.M) == ["2", "4"]
    assert "\r" not in text


def test_a_terminal_gets_a_bar_and_everything_else_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert isinstance(run_progress(), LineProgress)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert isinstance(run_progress(), RunProgress)


def test_what_an_evaluation_does_is_said_only_after_a_while(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trainer: Any = SimpleNamespace(state=SimpleNamespace(fn="validate"))
    patient, eager = LineProgress(seconds=3600), LineProgress(seconds=0)
    for progress in (patient, eager):
        progress.on_validation_start(trainer, trainer)
        progress.report("tuning, step 1")
    assert capsys.readouterr().out == "tuning, step 1\n"
    eager.disable()
    eager.report("tuning, step 2")
    assert capsys.readouterr().out == ""
