"""examples/custom_metric.py: a metric by its path, beside those of the table."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from arcflow.callbacks.pass_n import PassN
from arcflow.core.errors import ConfigError
from arcflow.evaluation.program_candidates import CODE_METRICS
from arcflow.evaluation.table import metrics_table
from arcflow.evaluation.torchmetric import ARCMetrics
from arcflow.scoring.metrics import METRIC_TABLE, METRICS, Metric, load_metrics, task_metrics
from arcflow.scoring.voting import Candidate
from tests.helpers.examples import tiny_run
from tests.helpers.runs import run_arcflow

PATH = "examples.custom_metric.NEARLY_RIGHT"
OUTPUT = np.zeros((5, 5), np.int8)
NEAR = OUTPUT.copy()
NEAR[0, :2] = 1


def candidates(grid: np.ndarray | None) -> list[Candidate]:
    return [Candidate("t", 0, grid, -1.0, 1)]


def test_it_is_measured_averaged_and_shown() -> None:
    extra = load_metrics([PATH])
    measured = task_metrics(candidates(NEAR), [OUTPUT], "t", extra)
    assert list(measured) == [*METRICS, "nearly_right"]
    assert (measured["accuracy"], measured["nearly_right"]) == (0.0, 1.0)
    metric = ARCMetrics(extra)
    metric.update("t", candidates(NEAR), [OUTPUT])
    metric.update("u", [], [OUTPUT])
    values = metric.compute()
    assert values["nearly_right"] == 0.5
    table = metrics_table({"baseline": values}, extra)
    shown = dict(zip(*(list(column.cells) for column in table.columns), strict=True))
    assert shown["nearly_right"] == "50.0%"


def test_the_table_holds_every_metric() -> None:
    assert {"loss", *METRICS, *CODE_METRICS} == set(METRIC_TABLE)
    assert all(metric.help for metric in METRIC_TABLE.values())
    smaller = {name for name, metric in METRIC_TABLE.items() if not metric.larger_is_better}
    assert smaller == {"loss", "unanswered"}


def test_mistakes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="did you mean 'NEARLY_RIGHT'"):
        load_metrics(["examples.custom_metric.NEARLY_WRIGHT"])
    with pytest.raises(ConfigError, match="module cannot be imported"):
        load_metrics(["examples.no_such_module.X"])
    with pytest.raises(ConfigError, match="not a metric"):
        load_metrics(["examples.custom_metric.nearly_right"])
    with pytest.raises(ConfigError, match="a name that is taken"):
        load_metrics([PATH, PATH])
    clash = Metric("pass_n", lambda scored: 0.0, "Taken.")
    monkeypatch.setattr("examples.custom_metric.NEARLY_RIGHT", clash)
    with pytest.raises(ConfigError, match="a name that is taken"):
        load_metrics([PATH])


@pytest.mark.slow
@pytest.mark.skipif(
    "metrics" not in inspect.signature(PassN.__init__).parameters,
    reason="pass_n.metrics is not there",
)
def test_the_command_line_measures_it(tmp_path: Path) -> None:
    words = tiny_run("validate", tmp_path, "--test_time.steps=0", f"--pass_n.metrics=[{PATH}]")
    assert run_arcflow(words, tmp_path) == 0
    (values,) = json.loads((tmp_path / "validate.results.json").read_text())["variants"].values()
    assert 0 <= values["nearly_right"] <= 1
