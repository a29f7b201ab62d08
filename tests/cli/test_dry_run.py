"""``--dry-run``: what a run would do, told from real steps; nothing is written or changed."""

import json
import re
import shutil
from pathlib import Path

import pytest

import arcflow
from arcflow.cli.help_page import help_page
from tests.helpers.paths import ROOT
from tests.helpers.runs import kept, run_arcflow, weights

TINY = [
    f"--config={ROOT}/configs/quickstart.yaml",
    "--threads=1",
    "--data.workers=0",
    "--data.val.max_side=5",
    "--data.max_tokens=512",
    "--data.tokens_per_batch=512",
    "--model.backbone.config={hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2}",
]
FIT = [*TINY, "--trainer.max_steps=4", "--trainer.val_check_interval=2"]
EVALUATE = [
    *TINY,
    "--data.task_batch_size=2",
    "--test_time.steps=2",
    "--pass_n.answer.views=2",
]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder, with the time of its last change."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def told(words: list[str], folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """What a dry run prints; the folder is as it was."""
    before, names = contents(folder), {path.name for path in folder.iterdir()}
    capfd.readouterr()
    assert run_arcflow([*words, "--dry-run"], folder) == 0
    assert contents(folder) == before
    assert {path.name for path in folder.iterdir()} == names
    return capfd.readouterr().out


@pytest.mark.slow
def test_fit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = told(["fit", *FIT, "--trainer.default_root_dir=a"], tmp_path, capfd)
    assert re.search(r"^train +178 tasks$", text, re.M), text
    assert re.search(r"^val +6 tasks \(\w{8}(, \w{8}){5}\)$", text, re.M), text
    assert re.search(r"^tokens +\d+ a step; the longest of \d+ samples has \d+$", text, re.M)
    assert re.search(r"^measured +[\d.]+ s a step, the mean of 2, [\d,]+ tokens/s$", text, re.M)
    assert re.search(r"^time +about .*start .*, 4 steps .*, 2 validations .*\)$", text, re.M)
    assert re.search(r"^memory +0\.\d+ GiB at most$", text, re.M)

    # A run is the same whether or not a dry run came first; and one within it changes nothing.
    assert run_arcflow(["fit", *FIT, "--trainer.default_root_dir=a"], tmp_path) == 0
    assert run_arcflow(["fit", *FIT, "--trainer.default_root_dir=b"], tmp_path) == 0
    saved = [weights(tmp_path / run / "checkpoints" / "last.ckpt") for run in ("a", "b")]
    assert all(saved[0][name].equal(saved[1][name]) for name in saved[0])
    more = ["fit", *FIT, "--trainer.default_root_dir=a", "--trainer.max_steps=9"]
    assert ", 5 steps " in told([*more, "--ckpt_path=last"], tmp_path, capfd)
    assert run_arcflow([*more, "--dry-run"], tmp_path) == 2
    assert "this folder holds the checkpoints of another run" in capfd.readouterr().out


@pytest.mark.slow
def test_validate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["validate", *EVALUATE, "--data.max_tokens=125"]
    text = told([*words, "--trainer.default_root_dir=a"], tmp_path, capfd)
    # Prompts: test inputs, with two views and with and without fine-tuning.
    inputs = sum(len(t.test) for t in arcflow.load_tasks("arc-agi-1/evaluation", max_side=5))
    found = re.search(
        r"^do not fit +(\d+) of (\d+) test inputs at data.max_tokens 125$", text, re.M
    )
    assert found, text
    assert int(found[2]) == inputs
    prompts = 4 * (inputs - int(found[1]))
    assert re.search(rf"^prompts +{prompts}, together [\d,]+ tokens$", text, re.M), text
    assert re.search(r"^ +\w{8}.*: \d+ tokens with one train pair, \d+ to answer$", text, re.M)
    measured = r"^measured +[\d.]+ s for 2 tasks .*tuning [\d.]+ s for 4 steps, answers [\d.]+ s$"
    assert re.search(measured, text, re.M), text
    assert re.search(r"^time +about .*start .*, 6 tasks .*, losses .*\)$", text, re.M), text

    assert run_arcflow([*words, "--trainer.default_root_dir=a"], tmp_path) == 0
    assert run_arcflow([*words, "--trainer.default_root_dir=b"], tmp_path) == 0
    assert kept(tmp_path / "a") == kept(tmp_path / "b")
    finished = told([*words, "--trainer.default_root_dir=a"], tmp_path, capfd)
    assert "; 6 are finished" in finished
    assert ", 0 tasks 0s" in finished
    other = [*words, "--trainer.default_root_dir=a", "--test_time.steps=3", "--dry-run"]
    assert run_arcflow(other, tmp_path) == 2
    assert "test_time.steps" in capfd.readouterr().out


@pytest.mark.slow
def test_predict_with_a_deadline_and_solvers_leaves_the_submission_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "submission.json").write_text("mine")
    words = [
        *("predict", *EVALUATE, f"--config={ROOT}/configs/kaggle.yaml"),
        "--data.predict={tasks: arc-agi-1/evaluation, max_side: 5}",
        "--pass_n.submission=submission.json",
        "--pass_n.search=true",
        "--pass_n.deadline=2h",
        "--test_time.steps=2",
        "--pass_n.answer.views=2",
        "--trainer.default_root_dir=a",
    ]
    text = told(words, tmp_path, capfd)
    assert re.search(r"^deadline +2h 00m from the start: enough$", text, re.M), text
    assert re.search(r"^solvers +search beside the model: at most \d+m \d\ds$", text, re.M), text
    late = told([*words, "--test_time.steps=100000", "--pass_n.task_seconds=2"], tmp_path, capfd)
    assert "2h 00m from the start: enough" in late  # the limit of a task bounds the whole


@pytest.mark.slow
def test_a_datamodule_of_ones_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "examples" / "custom_datamodule.py", tmp_path)
    (tmp_path / "my_tasks").mkdir()
    small = arcflow.load_tasks("arc-agi-1/training", max_side=3)
    large = arcflow.load_tasks("arc-agi-1/training", ids=("007bbfb7",))
    for name, chosen in (("train.json", [*small[:3], *large]), ("val.json", small[3:5])):
        text = json.dumps({task.id: task.to_json() for task in chosen})
        (tmp_path / "my_tasks" / name).write_text(text)
    words = ["fit", *FIT, "--data=custom_datamodule.MyData", "--data.root=my_tasks"]
    words = [word for word in words if not word.startswith("--data.val")]
    text = told([*words, "--data.max_tokens=120", "--trainer.default_root_dir=a"], tmp_path, capfd)
    assert re.search(r"^train +3 tasks", text, re.M), text
    assert re.search(r"^do not fit +1 of 4 tasks at data.max_tokens 120$", text, re.M), text
    assert re.search(r"^ +007bbfb7: \d+ tokens with one train pair$", text, re.M), text


@pytest.mark.slow
@pytest.mark.parametrize("command", ["fit", "validate"])
def test_nothing_fits(command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = [*TINY, "--data.max_tokens=20", "--trainer.default_root_dir=a", "--dry-run"]
    assert run_arcflow([command, *words], tmp_path) == 2
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("arcflow: ")]
    assert len(lines) == 1
    assert "data.max_tokens is too small" in lines[0]
    assert not list(tmp_path.iterdir())


def test_what_a_run_refuses_is_refused_first(capsys: pytest.CaptureFixture[str]) -> None:
    from arcflow.cli.main import main

    for word, said in (
        ("--trainer.max_stepz=3", "Did you mean --trainer.max_steps?"),
        ("--data.val.tasks=arc-agi-9/evaluation", "arc-agi-9/evaluation"),
        ("--dry-runs", "no such option"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["fit", "--dry-run", word])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err


def test_it_is_in_the_help_of_the_commands_that_have_it() -> None:
    for command in ("fit", "validate", "test", "predict"):
        assert "--dry-run" in help_page(command)
    assert "--dry-run" not in help_page("generate")
