"""``arcflow omniarc`` with what people hand it: files of programs, good and bad; wrong words."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from arcflow.omniarc.registry import find_program
from arcflow.sandbox import Limits
from arcflow.tools import omniarc, sandbox
from tests.helpers.signals import heed_interrupts

ID = "00d62c1b"
UNSOLVED = "def task(grid):\n    return grid\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str | bytes, name: str = f"{ID}.py") -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def check(*words: str) -> int:
    """The exit code of ``arcflow omniarc check``."""
    try:
        return omniarc.main(["check", "--samples", "4", *words])
    except SystemExit as end:
        return int(end.code or 0)


def test_what_show_prints_is_solved(capsys: pytest.CaptureFixture[str]) -> None:
    assert omniarc.main(["show", ID, ID]) == 0
    shown = capsys.readouterr().out
    assert shown.count("def task(grid):") == 1
    assert check(write("\ufeff" + shown), ID) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{ID}.py: solved, RE-ARC 100%",
        f"{ID} fill_what_walls_enclose: solved, RE-ARC 100%",
    ]


def test_a_folder_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    write(find_program(ID).source, f"mine/{ID}.py")
    write(UNSOLVED, "mine/007bbfb7.py")
    write("notes", "mine/notes.txt")
    assert check("mine") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mine/007bbfb7.py: NOT SOLVED, RE-ARC not tried"
    assert lines[1] == "  pairs 0, 1, 2, 3, 4, 5: shape (3, 3) instead of (9, 9)"
    assert lines[-2:] == [f"mine/{ID}.py: solved, RE-ARC 100%", "1 of 2 not solved"]


def test_a_bad_file_of_a_folder_does_not_hide_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(find_program(ID).source, f"mine/{ID}.py")
    write(b"\xff", "mine/007bbfb7.py")
    write("", "mine/helpers.py")
    write("", "mine/ffffffff.py")
    Path("mine/017c7c7b.py").mkdir()
    Path("mine/025d127b.py").symlink_to("nowhere")
    assert check("mine") == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line.partition(".py")[0].rpartition("/")[2] for line in lines[:6]] == [
        "007bbfb7",
        ID,
        "017c7c7b",
        "025d127b",
        "ffffffff",
        "helpers",
    ]
    assert lines[0].startswith("NOT READ: mine/007bbfb7.py: not UTF-8 text")
    assert lines[1] == f"mine/{ID}.py: solved, RE-ARC 100%"
    assert "its name is no task's" in lines[5]
    assert lines[6:] == ["5 of 6 not solved"]
    assert said.err == ""
    # A file that is named by its own path is told before anything is tried.
    assert check(f"mine/{ID}.py", "mine/helpers.py") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def task(grid):\n    raise KeyError(3)\n",
         "pairs 0, 1, 2, 3, 4, 5: KeyError in line 2: 3"),
        ("def task(grid):\n    return find_walls(grid)\n",
         "pairs 0, 1, 2, 3, 4, 5: NameError in line 2: name 'find_walls' is not defined"),
        ("def task(grid):\n    return find_walls(grid)\n",
         "text: line 2: find_walls is neither numpy's, the DSL's nor a builtin"),
        ("def task(grid):\n    return grid.tolist()\n", "It returns no grid: bad type (list)."),
        ("def tusk(grid):\n    return grid\n", "text: Not allowed: no function task(grid)"),
        ("", "text: Not allowed: no function task(grid)"),
        ("def task(grid, color):\n    return grid\n",
         "text: Not allowed in line 1: task(grid, color) where task(grid) is expected"),
        ("import os\ndef task(grid):\n    return grid\n",
         "text: Not allowed in line 1: import os"),
        ("def task(grid)\n    return grid\n", "text: SyntaxError in line 1: expected ':'"),
        ("x = 1\0\n", "text: SyntaxError in line 1: a NUL character"),
    ],
)  # fmt: skip
def test_programs_that_do_not_count(
    capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert check(write(text)) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{ID}.py: NOT SOLVED, RE-ARC not tried\n")
    assert message in out


def test_an_endless_program_takes_its_time_on_each_pair(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arcflow.omniarc.program_files.LIMITS", Limits(seconds=0.1))
    assert check(write("def task(grid):\n    while True:\n        pass\n")) == 1
    assert "pairs 0, 1, 2, 3, 4, 5: It takes longer than 0.1 s." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (f"{ID}.py", b"# " + b"x" * 1_000_000, r"too long for a program: got '1000002 bytes'"),
        (f"{ID}.py", b"#\n\xff\xfe", r"not UTF-8 text, at byte 2: got b'\\xff\\xfe'"),
        ("walls.py", b"", r"its name is no task's: got 'walls.py'\. Expected a file named"),
        ("ffffffff.py", b"", r"there is no such task: got 'ffffffff'"),
        (f"{ID}.py/x", b"", r"no programs in this folder: got \['x'\]"),
    ],
)
def test_files_that_are_no_programs(
    capsys: pytest.CaptureFixture[str], name: str, text: bytes, message: str
) -> None:
    write(text, name)
    assert check(ID, name.partition("/")[0]) == 2
    said = capsys.readouterr()
    assert said.out == ""  # told before anything is tried
    assert said.err.count("\n") == 1
    assert re.search(message, said.err), said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "nothing.py"], "nothing.py: no such file"),
        (["check", "a" * 300 + ".py"], "cannot be read: got 'File name too long'"),
        (["check", "/dev/zero"], "neither a file nor a folder"),
        (["check", ID, "ffffffff"], "no program for this task: got 'ffffffff'"),
        (["check", ID, "--seed", "-1"], "--seed is too small: got -1. Expected at least 0."),
        (["check", ID, "--samples", "-1"], "--samples is too small: got -1"),
        (["show", ID, "ffffffff"], "no program for this task: got 'ffffffff'"),
        (["coverage", "--seed", "-1"], "--seed is too small: got -1"),
        (["coverage", "--jobs", "0"], "--jobs is too small: got 0. Expected at least 1."),
    ],
)
def test_wrong_words(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert omniarc.main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert message in said.err


@pytest.mark.parametrize("main", [omniarc.main, sandbox.main])
def test_unknown_commands_name_the_known_ones(
    capsys: pytest.CaptureFixture[str], main: Callable[[Sequence[str]], int]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["chek"])
    assert end.value.code == 2
    assert "invalid choice: 'chek' (choose from" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_coverage_is_one_line() -> None:
    words = [sys.executable, "-m", "arcflow", "omniarc", "coverage", "--jobs", "2"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    ) as child:
        assert child.stdout is not None
        for _ in range(2):
            assert child.stdout.readline()  # the header, and a task
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does, to all of its processes
        _, told = child.communicate(timeout=60)
    assert (child.returncode, told) == (130, "arcflow omniarc: interrupted.\n")
