"""``arcflow show`` on submissions and journals: lists, drawings, marks of wrong cells, pictures."""

import os
from pathlib import Path

import pytest

from arcflow.cli.main import main
from arcflow.scoring.submission import build_submission, write_submission
from arcflow.scoring.voting import read_candidates
from arcflow.sources.files.by_name import named
from tests.helpers.reports import entries_for, write_entries


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    tasks = named("arc-agi-1/evaluation")[:5]
    return write_entries(tmp_path / "v.journal.jsonl", entries_for(tasks, 0, ["ttft"]))


def show(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        main(["show", *words])
    assert end.value.code == code
    said = capsys.readouterr()
    return said.err if code else said.out


def test_a_journal_is_listed(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = show(capsys, str(journal), "--tasks", "arc-agi-1/evaluation").splitlines()
    assert said[0] == f"{journal}: 5 tasks"
    assert said[1] == "  00576224  ttft: solved"
    assert said[5].endswith("ttft: unanswered")
    assert said[6] == f"One of them: arcflow show 00576224 --answers {journal}"


def test_wrong_cells_are_marked_without_colours(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = named("arc-agi-1/evaluation")[1]
    said = show(capsys, task.id, "--answers", str(journal), "--no-color", "--width", "300")
    assert "test 0, ttft: nearly" in said
    drawn = said[said.index("test 0, ttft") :]
    # Each of both attempts has one wrong cell, the truth none.
    assert drawn.count("x") == 2
    assert drawn.count("1 wrong") == 2
    assert "truth" in drawn


def test_marks_are_in_colours_too(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = named("arc-agi-1/evaluation")[1]
    said = show(capsys, task.id, "--answers", str(journal), "--color", "--width", "300")
    assert "\x1b[48;" in said
    assert said[said.index("test 0, ttft") :].count("x\x1b") == 2


def test_a_submission_and_a_picture(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = named("arc-agi-1/evaluation")[:5]
    path = tmp_path / "submission.json"
    write_submission(path, build_submission(tasks, read_candidates(journal)))
    assert "  00576224  submission: solved" in show(capsys, str(path))
    for ending, start in ((".svg", b"<svg"), (".png", b"\x89PNG")):
        picture = tmp_path / f"one{ending}"
        show(capsys, tasks[0].id, "--answers", str(path), "-o", str(picture))
        assert picture.read_bytes().startswith(start)


def test_a_runs_folder_shows_its_last_answers(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = named("arc-agi-1/evaluation")[:5]
    folder = tmp_path / "run"
    folder.mkdir()
    write_submission(folder / "submission.json", build_submission(tasks, read_candidates(journal)))
    assert f"{folder}/submission.json: 5 tasks" in show(capsys, str(folder))
    for age, name in ((2000, "test"), (1000, "validate")):
        path = folder / f"{name}.journal.jsonl"
        path.write_bytes(journal.read_bytes())
        os.utime(path, (age, age))
    assert f"{folder}/test.journal.jsonl: 5 tasks" in show(capsys, str(folder))
    said = show(capsys, tasks[1].id, "--answers", str(folder), "--no-color")
    assert said == show(capsys, tasks[1].id, "--answers", str(journal), "--no-color")


def test_bad_input_is_one_line(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = named("arc-agi-1/training")[0].id
    answers = ["--answers", str(journal)]
    for words, message in (
        ([other, *answers], "answers to none of the tasks"),
        ([str(journal), "--tasks", "arc-agi-1/training"], "answers to none of the tasks"),
        (["00576224", "-o", "a.svg"], "a picture shows one task, its answers or what"),
        (["00576224", *answers, "-o", str(tmp_path / "a.gif")], "unknown kind of picture"),
        (["00576224", *answers, "-o", str(journal)], "would replace an input"),
        (["00576224", "--answers", str(tmp_path / "none")], "no such file"),
    ):
        said = show(capsys, *words, code=2)
        assert message in said
        assert said.count("\n") == 1
