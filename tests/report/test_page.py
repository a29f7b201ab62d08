"""The page without a browser: its size, its escapes, its policy, and the tool that writes it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from arcflow.cli.main import main
from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.report.contents import gather
from arcflow.report.page import render
from arcflow.scoring.submission import build_submission, write_submission
from arcflow.scoring.voting import read_candidates
from arcflow.sources.files.by_name import named
from tests.helpers.reports import entries_for, write_entries

GRID = make_grid([[1, 2], [3, 4]])
EVIL = "</pre><script>alert(1)</script>\"'&\x1b[2J"


class Tags(HTMLParser):
    """The page's tags; each that must be closed is closed in order."""

    VOID = ("meta", "input", "br", "line", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(page: str) -> list[str]:
    parser = Tags()
    parser.feed(page)
    assert parser.open == []
    return parser.seen


def tool(*words: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", *words])
    assert end.value.code == 0


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["report", *words])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def test_400_tasks_are_below_10_megabytes_and_load_nothing(tmp_path: Path) -> None:
    tasks = named("arc-agi-1/evaluation")
    journal = write_entries(tmp_path / "j", entries_for(tasks, 0, ["ttft", "baseline"]))
    path = tmp_path / "report.html"
    tool(str(journal), "--tasks", "arc-agi-1/evaluation", "-o", str(path))
    page = path.read_text()
    assert path.stat().st_size < 10_000_000
    seen = tags_of(page)
    assert seen.count("details") == 400
    assert not {"link", "img", "iframe", "object"} & set(seen)
    assert not re.search(r"\b(src|href)=", page)
    assert "default-src &#39;none&#39;" in page


def test_texts_of_tasks_are_escaped() -> None:
    task = Task(EVIL, (Pair(GRID, GRID),), (Pair(GRID, GRID),))
    entry = {
        "task": EVIL,
        "variant": EVIL,
        "candidates": [
            {
                "task_id": EVIL,
                "test_index": 0,
                "grid": None,
                "log_prob": None,
                "n_tokens": 0,
                "reason": EVIL,
                "text": "def task" + EVIL,
            }
        ],
    }
    page = render(EVIL, gather([task], [entry]), facts={"a": EVIL})
    assert tags_of(page).count("script") == 1
    assert "<script>alert" not in page
    assert "\x1b" not in page


def test_the_losses_of_fine_tuning_are_drawn_once_a_task() -> None:
    tasks = named("arc-agi-1/evaluation")[:3]
    page = render("an evaluation", gather(tasks, entries_for(tasks, 0, ["ttft", "baseline"])))
    tags_of(page)
    title = "loss of fine-tuning: 2.5 at step 1, 0.125 at step 12"
    assert page.count(f"<title>{title}</title>") == 3
    [path] = set(re.findall(r'class="chart losses">.*?points="([^"]+)"', page))
    points = [tuple(map(float, point.split(","))) for point in path.split()]
    # To the right with the steps, and down with the losses.
    assert len(points) == 3
    assert points[0][0] < points[1][0] < points[2][0]
    assert points[0][1] < points[1][1] < points[2][1]
    flat = {"task": tasks[0].id, "variant": "ttft", "candidates": [], "losses": [[1, 0.0]]}
    assert "0 at step 1, 0 at step 1" in render("one step", gather(tasks, [flat]))


def test_a_report_of_no_tasks_says_so() -> None:
    page = render("nothing", [])
    tags_of(page)
    assert "There are no tasks in this report." in page


def test_submissions_are_shown_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = named("arc-agi-1/evaluation")[:10]
    paths = []
    for seed in (0, 1):
        journal = write_entries(tmp_path / f"{seed}.journal.jsonl", entries_for(tasks, seed, "t"))
        submission = build_submission(tasks, read_candidates(journal, "t"))
        path = tmp_path / f"{seed}.json"
        write_submission(path, submission)
        paths.append(str(path))
    page = tmp_path / "c.html"
    words = ["--tasks", "arc-agi-1/evaluation", "-o", str(page)]
    tool("compare", *paths, *words)
    said = capsys.readouterr().out
    # Kind 0 is right: places 0 and 5 with seed 0, places 4 and 9 with seed 1.
    assert "10 tasks that both have: 2 gained, 2 lost, 6 the same" in said
    assert f"gained: {tasks[4].id}, {tasks[9].id}" in said
    assert f"lost: {tasks[0].id}, {tasks[5].id}" in said
    text = page.read_text()
    assert tags_of(text).count("details") == 10
    assert text.count('data-change="gained"') == 2
    tool(paths[0], *words)
    assert "10 tasks, 2 solved" in capsys.readouterr().out


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = named("arc-agi-1/evaluation")[:2]
    journal = str(write_entries(tmp_path / "a.journal.jsonl", entries_for(tasks, 0, "t")))
    other = str(write_entries(tmp_path / "o.journal.jsonl", [{"task": "x", "steps": 1}]))
    where = ["--tasks", "arc-agi-1/evaluation"]
    assert "no such file" in refused(capsys, str(tmp_path / "none"), *where)
    assert "two files are compared" in refused(capsys, "compare", journal, *where)
    assert "line 2: no journal of an evaluation" in refused(capsys, other, *where)
    assert "would replace an input" in refused(capsys, journal, *where, "-o", journal)
    assert "no task in common" in refused(
        capsys, "compare", journal, journal, "--tasks", "arc-agi-1/training"
    )
    assert "cannot be written" in refused(capsys, journal, *where, "-o", f"{journal}/r")
