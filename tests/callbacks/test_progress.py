"""What a run says of its progress off a terminal, in the captured text of real runs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arcflow.callbacks.progress import LineProgress
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow
from tests.helpers.terminal import run_in_terminal

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
    r"(?:loss [\d.]+, )?[\d,]+ tokens/s, steps (\d+(?: of \d+)?), views (\d+(?: of \d+)?)$",
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


FIT = ["fit", *TINY, "--trainer.max_steps=4", "--trainer.val_check_interval=2"]
FIT += ["--trainer.limit_val_batches=1"]


@pytest.mark.slow
def test_a_terminal_shows_a_bar_while_fitting(tmp_path: Path) -> None:
    text = run_in_terminal([*FIT, f"--trainer.default_root_dir={tmp_path}"], columns=150)
    bars = re.findall(r"\| (\d)/4 \[\d\d:\d\d<([\d:?]+), [^\]]*\]", text)
    assert ("4", "00:00") in bars, text
    last = text[text.rindex("| 4/4 [") :]
    assert re.search(r"train_loss=[\d.]+, tokens_per_s=[\d,]+, val_loss=[\d.]+\]", last), last
    assert "\nstep " not in text


@pytest.mark.slow
def test_a_terminal_names_what_an_evaluation_does(tmp_path: Path) -> None:
    words = ["validate", *EVALUATE, "--data.val.max_side=4", "--data.task_batch_size=1"]
    text = run_in_terminal([*words, f"--trainer.default_root_dir={tmp_path}"], columns=150)
    # Each task batch begins under its own name, and a line above the bar tells what became of it.
    assert re.search(r"\rtask batches: +0%\|.*\| 0/3 \[[^\]]*tuning, step \d, loss [\d.]+\]", text)
    assert "loss: 100%" in text
    lines = re.findall(r"tasks: (\d)/3, solved \d, .* s a task, .* left, loss", text)
    assert lines == ["1", "2", "3"], text


@pytest.mark.slow
def test_a_terminal_without_a_width_gets_lines(tmp_path: Path) -> None:
    text = run_in_terminal([*FIT, f"--trainer.default_root_dir={tmp_path}"], columns=0)
    assert re.search(r"^step 4/4, loss [\d.]+, [\d,]+ tokens/s, 0s left\r?$", text, re.M), text
    assert "it/s" not in text


NOTEBOOK = """
import json, sys
import nbformat
from nbclient import NotebookClient
cells = [nbformat.v4.new_code_cell(code) for code in json.load(sys.stdin)]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
print(json.dumps([cell.outputs for cell in notebook.cells]))
"""
CELL = """
from arcflow.cli.main import main
try:
    main({words!r})
except SystemExit as end:
    print("END", end.code)
"""


@pytest.mark.slow
def test_a_notebook_shows_one_text_that_is_replaced(tmp_path: Path) -> None:
    runs = [FIT, ["validate", *EVALUATE, "--data.val.max_side=4", "--data.task_batch_size=1"]]
    cells = [
        CELL.format(words=[*words, f"--trainer.default_root_dir={tmp_path / words[0]}"])
        for words in runs
    ]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NOTEBOOK],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fit, validate = json.loads(done.stdout.splitlines()[-1])
    shown = []
    for outputs in (fit, validate):
        said = "".join(one["text"] for one in outputs if one["output_type"] == "stream")
        assert "END 0" in said
        assert "IProgress" not in said
        assert "it/s" not in said
        places = [one["data"] for one in outputs if one["output_type"] == "display_data"]
        assert [set(place) for place in places[:1]] == [{"text/plain"}]
        assert all("text/html" in place for place in places[1:])  # the table at the end
        shown.append(places[0]["text/plain"])
    assert re.fullmatch(
        r"step 4/4, loss [\d.]+, [\d,]+ tokens/s, 0s left\nstep 4: val_loss [\d.]+", shown[0]
    )
    assert re.fullmatch(r"tasks: 3/3, solved \d, .*, loss [\d.]+, \d+ tokens/s, .*", shown[1])


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
