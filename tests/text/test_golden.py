"""The golden vectors hold, and the checker says so when they do not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import DataError
from arcflow.text.grid_text import GridText
from tests.helpers.golden import CHECKS, REPLACED_SYMBOLS, check_folder, main, parse_encoder
from tests.helpers.paths import ROOT

DATA = ROOT / "tests" / "data"
COUNTS = {
    "augmentation.json": 40,
    "problem_augmentation.json": 105,
    "grid_text.json": 54,
    # 40 tasks' measures, 7 measures over all, 2 votes, 40 tasks' attempts.
    "evaluation.json": 89,
}


def folder_with(path: Path, name: str, change: Callable[[Any], object] | None = None) -> Path:
    """A folder with one of the golden files, changed in place or replaced by what is returned."""
    vectors = json.loads((DATA / name).read_text())
    replaced = change(vectors) if change else None
    (path / name).write_text(json.dumps(vectors if replaced is None else replaced))
    return path


@pytest.mark.parametrize("name", CHECKS)
def test_every_vector_holds(name: str, tmp_path: Path):
    results = list(check_folder(folder_with(tmp_path, name)))
    assert [where for where, reason in results if reason is not None] == []
    assert len(results) == COUNTS[name]


def set_cell(grid: list[list[int]]) -> None:
    grid[0][0] = (grid[0][0] + 1) % 10


SPOILS: list[tuple[str, Callable[[Any], object], str]] = [
    (
        "augmentation.json",
        lambda v: set_cell(v[3]["train"][0]["input"]),
        "FAILED augmentation.json 3: ",
    ),
    (
        "augmentation.json",
        lambda v: v[5].update(task_id="nosuchid"),
        "FAILED augmentation.json 5: DataError: unknown task: got 'nosuchid'.",
    ),
    (
        "augmentation.json",
        lambda v: v[6].update(n_rot90=7),
        "FAILED augmentation.json 6: DataError: dihedral: bad n_rot90: got 7.",
    ),
    (
        "augmentation.json",
        lambda v: v[7].pop("color_map") and None,
        "FAILED augmentation.json 7: KeyError: 'color_map'",
    ),
    (
        "problem_augmentation.json",
        lambda v: set_cell(v[9]["output"]),
        "FAILED problem_augmentation.json 9: ",
    ),
    (
        "problem_augmentation.json",
        lambda v: v[2].update(kind="shear"),
        "FAILED problem_augmentation.json 2: unknown kind 'shear'",
    ),
    (
        "problem_augmentation.json",
        lambda v: v[2]["output"].append([0]),
        "FAILED problem_augmentation.json 2: ",
    ),
    (
        "grid_text.json",
        lambda v: v[1].update(text=v[1]["text"] + "\n"),
        "FAILED grid_text.json 1: ",
    ),
    (
        "grid_text.json",
        lambda v: v[2].update(encoder="__import__('os')"),
        "FAILED grid_text.json 2: DataError: unknown encoder: ",
    ),
    (
        "evaluation.json",
        lambda v: v["metrics"].update(accuracy=v["metrics"]["accuracy"] + 2e-9),
        "FAILED evaluation.json metrics accuracy: accuracy is ",
    ),
    (
        "evaluation.json",
        lambda v: v["metrics"].update(luck=1.0),
        "FAILED evaluation.json metrics luck: unknown metric luck",
    ),
    (
        "evaluation.json",
        lambda v: v["votes"].update(vote_2=0.0),
        "FAILED evaluation.json votes vote_2: ",
    ),
    (
        "evaluation.json",
        lambda v: v["task_metrics"]["c1990cce"].update(unanswered=0.5),
        "FAILED evaluation.json task_metrics c1990cce: unanswered is 0.0, expected 0.5",
    ),
    (
        "evaluation.json",
        lambda v: set_cell(v["submission"]["c1990cce"][0]["attempt_2"]),
        "FAILED evaluation.json submission c1990cce: other attempts",
    ),
    (
        "evaluation.json",
        lambda v: v["submission"].update(nosuchid=[]),
        "FAILED evaluation.json submission nosuchid: no predictions for this task",
    ),
    (
        "evaluation.json",
        lambda v: v.pop("predictions") and None,
        "FAILED evaluation.json predictions: KeyError: 'predictions'",
    ),
    (
        "grid_text.json",
        lambda v: {"encoder": "MinimalGridEncoder()"},
        "FAILED grid_text.json: not in the format of this file: not a list of vectors: got 'dict'.",
    ),
    (
        "evaluation.json",
        lambda v: [1],
        "FAILED evaluation.json predictions: TypeError: ",
    ),
]


@pytest.mark.parametrize(("name", "spoil", "line"), SPOILS)
def test_a_spoiled_vector_is_named(
    name: str,
    spoil: Callable[[Any], object],
    line: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    assert main([str(folder_with(tmp_path, name, spoil))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [text for text in lines[:-1] if text.startswith(line)] == lines[:1]
    assert lines[-1].endswith(", 1 failed")


def test_a_file_that_is_not_json_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "grid_text.json").write_text("[")
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_nothing_to_check_is_not_a_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path / "nowhere")]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.endswith("none of " + ", ".join(CHECKS) + " is there")
    assert last == "0 passed, 0 failed"


def test_the_command(tmp_path: Path):
    for name in CHECKS:
        shutil.copy(DATA / name, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.golden", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=DATA.parent.parent,
        check=False,
    )
    assert done.stdout == f"{sum(COUNTS.values())} passed, 0 failed\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MinimalGridEncoder()", GridText()),
        ("GridWithSeparationEncoder('|')", GridText(separator="|")),
        ('GridWithSeparationEncoder(", ")', GridText(separator=", ")),
        ("GridCodeBlockEncoder(RepeatNumberEncoder(3))", GridText(frame="code", repeat=3)),
        (
            "GridShapeEncoder(RowNumberEncoder(ReplaceNumberEncoder(MinimalGridEncoder())))",
            GridText(frame="shape", row_numbers=True, symbols=REPLACED_SYMBOLS),
        ),
    ],
)
def test_encoder_names(name: str, expected: GridText):
    assert parse_encoder(name) == expected


@pytest.mark.parametrize(
    "name",
    ["", "MinimalGridEncoder", "GridCodeBlockEncoder()", "MinimalGridEncoder()()", "Minimal()"],
)
def test_unknown_encoders_are_refused(name: str):
    with pytest.raises(DataError, match="unknown encoder: got "):
        parse_encoder(name)
