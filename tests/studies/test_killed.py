"""What survives when a study or one of its runs is killed, and what is left behind."""

import fcntl
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arcflow.studies import command as study
from arcflow.studies import run_folder as study_folder
from arcflow.studies import runner as study_runs
from arcflow.studies.plan import plan
from arcflow.studies.runner import Progress
from arcflow.studies.spec import read_study
from tests.helpers.studies import (
    calls,
    changed,
    lines,
    roots,
    run,
    study_here,  # noqa: F401 (a fixture)
    wait,
    write,
)


def start(here: Path, *words: str) -> "subprocess.Popen[bytes]":
    """The study in a process of its own."""
    code = (
        "import sys\n"
        "from arcflow.studies import command as study, runner as study_runs\n"
        f"study_runs.ARCFLOW = (sys.executable, '-S', {str(here / 'child.py')!r})\n"
        f"sys.exit(study.main(['s.yaml', '--output', 'out', *{list(words)!r}]))\n"
    )
    with (here / "said.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=said
        )


@pytest.mark.parametrize("started", [1, 2, 4])
def test_a_killed_study_goes_on(here: Path, started: int) -> None:
    assert study.main(["s.yaml", "--output", "whole"]) == 0
    Path("calls.txt").unlink()
    write(changed("stages", "validate", "options", value={"sleep": 0.2}))
    process = start(here)
    wait(lambda: len(calls()) == started)
    process.kill()
    process.wait()
    assert run() == 0
    # The run that was under way is done again: nobody saw how it ended.
    assert len(set(roots("fit"))) == 2
    assert len(set(roots("validate"))) == 6
    assert len(calls()) <= 9
    assert Path("out/study.md").read_text() == Path("whole/study.md").read_text()


def test_a_process_left_behind_is_waited_for(here: Path) -> None:
    four = plan(read_study(Path("s.yaml")), Path("out"), (0,))["four", 0]
    assert four.parent is not None
    four.folder.mkdir(parents=True)
    progress = Progress(2)
    with (four.folder / study_folder.LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        steps = study_runs.run_all([four.parent, four], 2, progress)
        wait(lambda: next(steps) == [] and progress.waiting == {"four seed 0"})
        assert "four seed 0: waiting for a process left behind" in progress.messages
        next(steps)
        assert [words[0] for words in calls()] == ["fit"]
    assert [failures for failures in steps if failures] == []
    assert [words[0] for words in calls()] == ["fit", "validate"]
    assert progress.finished == 2
    assert progress.waiting == set()


def test_a_stopped_study_leaves_no_child_and_shows_what_is_there(here: Path) -> None:
    write(changed("rows", "four", value={"validate": {"sleep": 60}}))
    process = start(here)
    wait(lambda: len(calls()) == 3)
    with pytest.raises(BlockingIOError):
        lock(Path("out/rows/four/seed-0"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    said = (here / "said.txt").read_text().splitlines()[-1]
    assert said == "arcflow study: ended by SIGTERM. The same command goes on from here."
    lock(Path("out/rows/four/seed-0"))
    assert [line["row"] for line in lines()] == ["baseline"] * 3


def lock(folder: Path) -> None:
    with (folder / study_folder.LOCK).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_one_study_a_folder(here: Path, capsys: Any) -> None:
    with study_folder.only_study(Path("out")):
        assert run() == 2
    assert "another study is running in this folder: got 'out'" in capsys.readouterr().err
    assert calls() == []


def test_a_fit_goes_on_from_its_checkpoint(here: Path) -> None:
    assert run("--seeds", "0") == 0
    folder = Path("out") / roots("fit")[0]
    record = json.loads((folder / study_folder.RECORD).read_text())
    (folder / study_folder.RECORD).write_text(json.dumps({**record, "state": "started"}))
    assert run("--seeds", "0") == 0
    assert "--ckpt_path=last" in calls()[-1]
    assert json.loads((folder / study_folder.RECORD).read_text())["state"] == "done"
    assert json.loads((folder / study_folder.RECORD).read_text())["seconds"] is None
