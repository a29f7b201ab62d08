"""Features of grids, distances between sets of them, and the report."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.cli.main import main
from arcflow.core.compare import compare
from arcflow.core.errors import DataError
from arcflow.core.features import NAMES, count_objects, describe, distance, feature_matrix
from arcflow.core.grid import Grid, make_grid
from arcflow.sources.arc import load_split
from arcflow.tools.distribution import summary, task_table, write_report

GRIDS = st.integers(1, 8).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 3), min_size=width, max_size=width), min_size=1, max_size=8
    ).map(make_grid)
)
NUMBERS = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=12).map(np.array)


def test_features_of_a_grid_counted_by_hand() -> None:
    grid = make_grid([[0, 0, 2, 0], [0, 2, 0, 0], [0, 0, 0, 5]])
    found = describe(grid)
    assert (found.black, found.palette, found.height, found.width) == (1, 3, 3, 4)
    assert found.background == pytest.approx(9 / 12)
    assert found.objects == 2  # the two 2s touch at a corner
    assert found.tokens == 15
    assert describe(make_grid([[3, 3], [3, 0]])).black == 0


@given(GRIDS, st.integers(0, 3), st.booleans())
@settings(deadline=None, max_examples=60)
def test_turning_and_flipping_change_no_object(grid: Grid, turns: int, flip: bool) -> None:
    other = np.rot90(grid[:, ::-1] if flip else grid, turns)
    a, b = describe(grid), describe(make_grid(other.tolist()))
    assert (a.objects, a.palette, a.black, a.background) == (
        b.objects,
        b.palette,
        b.black,
        b.background,
    )
    assert sorted((a.height, a.width)) == sorted((b.height, b.width))


@given(GRIDS)
@settings(deadline=None, max_examples=60)
def test_objects_are_at_most_the_cells_off_the_background(grid: Grid) -> None:
    assert count_objects(grid, 0) <= int((grid != 0).sum())
    assert (count_objects(grid, 0) == 0) == bool((grid == 0).all())


@given(NUMBERS, NUMBERS, st.integers(-9, 9))
@settings(deadline=None, max_examples=100)
def test_distance_is_a_distance(a: np.ndarray, b: np.ndarray, shift: int) -> None:
    assert distance(a, a) == 0
    assert distance(a, b) == pytest.approx(distance(b, a))
    assert distance(a, a + shift) == pytest.approx(abs(shift))
    assert distance(a, b) >= abs(a.mean() - b.mean()) - 1e-9


def sets() -> dict[str, dict[str, list[Grid]]]:
    tasks = load_split("arc-agi-1/training")[:12]
    original = {task.id: [pair.input for pair in (*task.train, *task.test)] for task in tasks}
    red = {i: [np.where(grid == 0, 2, grid) for grid in grids] for i, grids in original.items()}
    return {"red": red, "original": original, "same": original}


def test_a_changed_background_is_what_the_comparison_finds() -> None:
    found = compare(sets(), "original")
    assert found.sets == ("original", "red", "same")
    assert not found.distances["same"].any()
    assert found.distances["red"][:, NAMES.index("black")].mean() > 1
    assert not found.distances["red"][:, NAMES.index("tokens")].any()
    assert found.token_ratio("red") == 1
    far = found.worst("red", 3)
    totals = {i: d.mean() for i, d in zip(found.ids, found.distances["red"], strict=True)}
    assert totals[far[0]] == max(totals.values())
    assert "| tasks with mostly black backgrounds |" in summary(found)


def test_report_files(tmp_path: Path) -> None:
    data = sets()
    found = compare(data, "original")
    files = write_report(found, data, "Title", tmp_path / "report", {"notes.md": "a note\n"})
    assert [f.name for f in files] == [
        "summary.md",
        "tasks.csv",
        "notes.md",
        "distribution.png",
        "worst.png",
    ]
    assert all(f.stat().st_size for f in files)
    rows = list(csv.DictReader(task_table(found).splitlines()))
    assert len(rows) == 12 * 3
    first = next(row for row in rows if row["set"] == "original")
    grids = data["original"][first["task"]]
    assert float(first["tokens"]) == pytest.approx(feature_matrix(grids)[:, -1].mean(), rel=1e-3)


def test_a_picture_of_few_bytes_keeps_the_colours_of_cells(tmp_path: Path) -> None:
    from PIL import Image

    from arcflow.viz.picture import draw_table
    from arcflow.viz.terminal import RGB

    grid = make_grid([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    draw_table([("a task", [[grid, grid], [grid]])], ["original", "other"], tmp_path / "table.png")
    with Image.open(tmp_path / "table.png") as picture:
        assert picture.mode == "P"
        counts = dict(map(reversed, picture.convert("RGB").getcolors(maxcolors=256)))
    assert {color for color in RGB if counts.get(color, 0) > 100} == set(RGB)
    assert max(counts, key=counts.__getitem__) == (255, 255, 255)


def test_sets_without_a_common_task_are_refused() -> None:
    data = sets() | {"other": {"zzz": [make_grid([[1]])]}}
    with pytest.raises(DataError, match="no task is in all sets"):
        compare(data, "original")


def test_study_of_re_arc(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ids = "00d62c1b,0a938d79,25ff71a9"
    with pytest.raises(SystemExit) as stop:
        main(["study", "rearc-distribution", "--prompts", "6", "--ids", ids, "--output", "out"])
    assert stop.value.code == 0
    assert "| | original | generated | adapted |" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out/tasks.csv").read_text().splitlines()))
    assert {row["task"] for row in rows} == set(ids.split(","))
    of = {
        name: np.mean([float(row["distance"]) for row in rows if row["set"] == name])
        for name in ("original", "generated", "adapted")
    }
    assert of["original"] == 0 < of["adapted"] < of["generated"]
    with pytest.raises(SystemExit) as stop:
        main(["study", "rearc-distribution", "--prompts", "0"])
    assert stop.value.code == 2
    assert "--prompts is too small: got 0" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["study", "rearc-distribution", "--seed", "-1"])
    assert "--seed is too small: got -1" in capsys.readouterr().err
