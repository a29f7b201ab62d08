"""The trend of a study whose rows differ in one number: a line through all runs, with intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.scoring.metrics import find_metric
from arcflow.studies.report import Results, heading
from arcflow.studies.spec import Study

_DOT, _LINE = "#8fb3d9", "#1f4e79"


@dataclass(frozen=True)
class Trend:
    """The line of least squares of a metric over the binary logarithm of the rows' number.

    Its intervals are those of ordinary least squares, with Student's t, and take all runs for
    independent of each other.

    Attributes:
        x: The numbers of the runs, one for each row and seed.
        y: The values of the metric of the same runs.
        slope: The change of the metric per doubling of the number.
        margin: Half the width of the slope's 95 % interval.
        intercept: The value of the line at the number 1.
    """

    x: Sequence[float]
    y: Sequence[float]
    slope: float
    margin: float
    intercept: float

    def band(self, at: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the line and half the width of its 95 % interval.

        Args:
            at: The numbers to evaluate it at, shape (N,).

        Returns:
            Two arrays of shape (N,).
        """
        places, mean = np.log2(self.x), float(np.log2(self.x).mean())
        spread = float(((places - mean) ** 2).sum())
        n, away = len(self.x), np.log2(at) - mean
        # The slope's margin is t times the residuals' deviation over the root of the spread.
        width = self.margin * math.sqrt(spread) * np.sqrt(1 / n + away**2 / spread)
        return self.intercept + self.slope * np.log2(at), width


def fit_trend(study: Study, results: Results, column: str) -> Trend | None:
    """Return the trend of a metric over all finished runs.

    Args:
        study: The study, whose rows have an ``x``.
        results: The results, as far as there are any.
        column: The metric.

    Returns:
        The trend, or None with fewer than three runs or only one number.
    """
    from scipy.stats import t

    numbers = {row.name: row.x for row in study.rows if row.x is not None}
    points = [
        (numbers[row], result.values[column])
        for (row, _), result in sorted(results.items())
        if row in numbers and math.isfinite(result.values[column])
    ]
    x, y = [p[0] for p in points], [p[1] for p in points]
    if len(points) < 3 or len(set(x)) < 2:
        return None
    places, values = np.log2(x), np.array(y)
    away = places - places.mean()
    spread = float((away**2).sum())
    slope = float((away * values).sum()) / spread
    intercept = float(values.mean() - slope * places.mean())
    left = float(((values - intercept - slope * places) ** 2).sum())
    free = len(points) - 2
    margin = float(t.ppf(0.975, free)) * math.sqrt(left / free / spread)
    return Trend(x, y, slope, margin, intercept)


def trend_lines(study: Study, results: Results) -> list[str]:
    """Return a Markdown table of the change of each metric per doubling; [] without a trend."""
    found = [(column, fit_trend(study, results, column)) for column in study.columns]
    rows = []
    for column, trend in found:
        if trend is not None:
            percent = find_metric(column).percent
            scale, form = (100, "{:+.2f}") if percent else (1, "{:+.4f}")
            ends = (trend.slope, trend.slope - trend.margin, trend.slope + trend.margin)
            slope, low, high = (form.format(scale * end) for end in ends)
            rows.append(f"| {heading(column)} | {slope} | {low} to {high} | {len(trend.x)} |")
    if not rows:
        return []
    head = f"| metric | change per doubling of {study.trend} | 95 % interval | runs |"
    return [head, "|---|---:|---:|---:|", *rows]


def draw_trend(study: Study, results: Results, path: Path) -> bool:
    """Write a picture with a panel for each plotted metric: runs, line and its 95 % interval.

    Args:
        study: The study.
        results: The results.
        path: The PNG file to write.

    Returns:
        Whether there is a trend, and so a picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = {column: fit_trend(study, results, column) for column in study.plot}
    shown = {column: trend for column, trend in found.items() if trend is not None}
    if not shown:
        return False
    figure = Figure(figsize=(3.6 * len(shown) + 0.4, 3.4), layout="constrained", dpi=130)
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for panel, (column, trend) in zip(panels, shown.items(), strict=True):
        _panel(panel, column, trend)
        panel.set_xlabel(study.trend, fontsize=9)
    figure.suptitle(study.title, fontsize=12, fontweight="bold")
    figure.savefig(path)
    return True


def _panel(panel: Any, column: str, trend: Trend) -> None:
    scale = 100 if find_metric(column).percent else 1
    at = np.geomspace(min(trend.x), max(trend.x), 100)
    line, width = trend.band(at)
    panel.fill_between(at, scale * (line - width), scale * (line + width), color=_DOT, alpha=0.3)
    panel.plot(at, scale * line, color=_LINE)
    panel.plot(trend.x, scale * np.array(trend.y), "o", color=_DOT, markersize=5)
    panel.set_xscale("log", base=2)
    numbers = sorted(set(trend.x))
    panel.set_xticks(numbers, [f"{number:g}" for number in numbers], fontsize=8)
    panel.minorticks_off()
    panel.set_title(heading(column), fontsize=10)
    panel.grid(color="#e4e4e4", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
