"""What a study shows: its table, the spread over seeds, the time that is left."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import DataError
from arcflow.studies import command as study
from arcflow.studies.report import Spread, read_result
from arcflow.studies.runner import Progress
from tests.helpers.studies import (
    changed,
    lines,
    run,
    study_here,  # noqa: F401 (a fixture)
    write,
)


def test_the_csv_has_every_seed_and_the_spread(here: Path) -> None:
    assert run() == 0
    eight = [line for line in lines() if line["row"] == "eight"]
    assert [line["seed"] for line in eight] == ["0", "1", "mean", "deviation"]
    losses = [float(line["loss"]) for line in eight]
    assert losses[:2] == pytest.approx([1.2, 1.21])
    assert losses[2] == pytest.approx(np.mean(losses[:2]))
    assert losses[3] == pytest.approx(np.std(losses[:2], ddof=1))
    assert eight[0]["label"] == "eight steps"
    assert eight[0]["tasks"] == "3"
    assert float(eight[0]["seconds"]) >= 0
    # Tuned where there is test-time fine-tuning.
    assert {line["row"]: line["variant"] for line in lines()} == {
        "baseline": "baseline",
        "four": "ttft",
        "eight": "ttft",
    }


def test_the_table_in_words_and_markdown(here: Path, capsys: Any) -> None:
    assert run() == 0
    assert Path("out/study.md").read_text().splitlines() == [
        "| row | loss | accuracy % | seeds |",
        "|---|---:|---:|---:|",
        "| no steps | 2.0050 ± 0.0071 | 1.0 ± 1.4 | 2 |",
        "| four | 1.6050 ± 0.0071 | 21.0 ± 1.4 | 2 |",
        "| eight steps | **1.2050 ± 0.0071** | **41.0 ± 1.4** | 2 |",
        "",
        "3 tasks; mean ± sample standard deviation over seeds.",
    ]
    out = capsys.readouterr().out
    assert "A study [of nothing]" in out
    assert "1.2050 ± 0.0071" in out
    assert Path("out/study.png").read_bytes().startswith(b"\x89PNG")
    assert run("--seeds", "1") == 0
    assert "| four | 1.6100 | 22.0 | 1 |" in Path("out/study.md").read_text()


def test_equal_rows_have_no_best(here: Path) -> None:
    write(changed("rows", "eight", value={"validate": {"steps": 0, "other": 1}}))
    assert run("--only", "baseline,eight") == 0
    assert "**" not in Path("out/study.md").read_text()


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6))
def test_spread_is_the_sample_standard_deviation(values: list[float]) -> None:
    found = Spread.of(values)
    assert found is not None
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    if len(values) == 1:
        assert found.deviation is None
    else:
        assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([], "not the results that the study shows: got []"),
        ({"variants": {}, "tasks": 1}, 'an object with "variants" and "tasks"'),
        ({"variants": {"ttft": {"loss": 1.0}}, "tasks": 1}, "got 'accuracy'. Expected a column"),
    ],
)
def test_bad_results_are_refused(tmp_path: Path, obj: object, message: str) -> None:
    path = tmp_path / "validate.results.json"
    path.write_text(json.dumps(obj))
    with pytest.raises(DataError) as error:
        read_result(path, ["loss", "accuracy"])
    assert message in str(error.value)


def test_a_column_that_is_not_measured_fails_its_rows(here: Path, capsys: Any) -> None:
    write(changed("columns", value=["loss", "beauty"]))
    assert run("--only", "four", "--seeds", "0") == 1
    assert "Expected a column that is there: loss, accuracy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "left", "under_way", "jobs", "expected"),
    [
        ({}, "fvvv", [5.0], 1, None),
        ({"f": [100.0]}, "fvvv", [], 1, None),
        ({"f": [100.0], "v": [10.0, 20.0]}, "v", [], 1, 15.0),
        ({"f": [100.0], "v": [10.0, 20.0]}, "fv", [15.0], 2, 50.0),
        ({"v": [10.0]}, "v", [30.0], 1, 0.0),
    ],
)
def test_the_estimate(
    seconds: dict[str, list[float]],
    left: str,
    under_way: list[float],
    jobs: int,
    expected: float | None,
) -> None:
    progress = Progress(total=4, left=list(left), seconds=seconds)
    assert progress.finished == 4 - len(left)
    assert study.remaining(progress, jobs, under_way) == expected
