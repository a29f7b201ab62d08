"""A line through the runs of a study whose rows differ in one number."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from arcflow.studies.report import Result, Results
from arcflow.studies.spec import find_study, read_study
from arcflow.studies.trend import draw_trend, fit_trend, trend_lines
from tests.helpers.paths import ROOT
from tests.helpers.studies import (
    STUDY,
    run,
    study_here,  # noqa: F401 (a fixture)
    write,
)

SHARES = [round(0.1 * i, 1) for i in range(1, 11)]


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(ROOT)
    return read_study(find_study("data_scaling"))


def results(seeds: int = 3, noise: float = 0.02) -> Results:
    rng = np.random.default_rng(0)
    found = {}
    for share in SHARES:
        for seed in range(seeds):
            loss = 1.5 - 0.2 * np.log2(share) + noise * rng.normal()
            values = dict.fromkeys(("accuracy", "vote_1", "vote_2", "kaggle"), 0.25)
            found[f"share-{share}", seed] = Result("baseline", 13, 1.0, {"loss": loss, **values})
    return found


def test_the_line_is_that_of_least_squares(shipped: Any) -> None:
    found = results()
    trend = fit_trend(shipped, found, "loss")
    assert trend is not None
    x = [float(row.removeprefix("share-")) for row, _ in found]
    y = [result.values["loss"] for result in found.values()]
    line = stats.linregress(np.log2(x), y)
    assert trend.slope == pytest.approx(line.slope)
    assert trend.intercept == pytest.approx(line.intercept)
    assert trend.margin == pytest.approx(stats.t.ppf(0.975, len(x) - 2) * line.stderr)
    assert abs(trend.slope + 0.2) < trend.margin < 0.05
    at = np.array([1.0])
    value, width = trend.band(at)
    assert value[0] == pytest.approx(line.intercept)
    # At the number 1 the line's interval is that of the intercept.
    assert width[0] == pytest.approx(stats.t.ppf(0.975, len(x) - 2) * line.intercept_stderr)


def test_the_table_and_the_picture(shipped: Any, tmp_path: Path) -> None:
    lines = trend_lines(shipped, results(noise=0.0))
    assert lines[0] == (
        "| metric | change per doubling of the share of the training tasks | 95 % interval | runs |"
    )
    assert lines[2] == "| loss | -0.2000 | -0.2000 to -0.2000 | 30 |"
    assert lines[3] == "| accuracy % | +0.00 | +0.00 to +0.00 | 30 |"
    assert draw_trend(shipped, results(), tmp_path / "trend.png")
    assert (tmp_path / "trend.png").read_bytes().startswith(b"\x89PNG")


def test_too_few_runs_have_no_trend(shipped: Any, tmp_path: Path) -> None:
    few = dict(list(results(1).items())[:2])
    one_row = {key: value for key, value in results().items() if key[0] == "share-0.1"}
    for found in (few, one_row):
        assert fit_trend(shipped, found, "loss") is None
        assert trend_lines(shipped, found) == []
        assert not draw_trend(shipped, found, tmp_path / "trend.png")
    assert not (tmp_path / "trend.png").exists()


def with_numbers(**numbers: Any) -> dict[str, Any]:
    rows = {
        name: {"x": x, "validate": {"steps": 5 + i}} for i, (name, x) in enumerate(numbers.items())
    }
    return {**STUDY, "rows": rows, "trend": "steps"}


def test_a_study_shows_its_trend(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(with_numbers(a=1, b=2, c=4))
    assert run() == 0
    said = capsys.readouterr().out
    assert "| loss | -0.1000 | " in said
    assert "study.csv, study.md, study.png, trend.png" in said
    assert "change per doubling of steps" in Path("out/study.md").read_text()
    assert Path("out/trend.png").is_file()


@pytest.mark.parametrize("x", [None, 0, -1.0, "two", True, float("inf")])
def test_numbers_that_are_none_are_refused(
    x: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    obj = with_numbers(a=1, b=x)
    if x is None:
        del obj["rows"]["b"]["x"]
    write(obj)
    assert run() == 2
    assert "row b: x: got" in capsys.readouterr().err


def test_numbers_without_a_trend_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    obj = with_numbers(a=1, b=2)
    del obj["trend"]
    write(obj)
    assert run() == 2
    assert "row a: x: got 1. Expected a number above 0, with trend alone" in capsys.readouterr().err
