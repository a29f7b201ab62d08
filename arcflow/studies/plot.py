"""A picture of a study: one panel for each metric, one line for each row, one dot for each seed."""

from pathlib import Path
from typing import Any

from arcflow.scoring.metrics import find_metric
from arcflow.studies.report import Results, best, caption, spread
from arcflow.studies.spec import Study

_DOT, _MEAN, _BEST, _REFERENCE = "#8fb3d9", "#1f4e79", "#c1440e", "#888888"


def draw(study: Study, results: Results, path: Path) -> None:
    """Write the picture of a study as PNG.

    The dashed line is the mean of the first row without options, from which the others differ.

    Args:
        study: The study, whose ``plot`` names the metrics.
        results: The results; rows without any are left out.
        path: The picture file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in study.rows if any(name == row.name for name, _ in results)]
    places = {row.name: -i for i, row in enumerate(rows)}
    longest = max((len(row.label) for row in rows), default=0)
    width = 0.075 * longest + 3.4 * len(study.plot)
    figure = Figure(figsize=(width, 1.5 + 0.3 * len(rows)), layout="constrained", dpi=130)
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(study.plot), sharey=True, squeeze=False)[0]
    reference = next((row.name for row in rows if not row.changes), None)
    for panel, column in zip(panels, study.plot, strict=True):
        _panel(panel, results, column, places, best(study, results, column), reference)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    panels[0].set_yticks(list(places.values()), [row.label for row in rows])
    panels[0].set_ylim(-len(rows) + 0.4, 0.6)
    figure.suptitle(study.title, fontsize=12, fontweight="bold")
    figure.supxlabel(
        f"{caption(results).split(';')[0]}; dots: seeds, bars: means, orange: the best"
        + (", dashed: the row that the others differ from" if reference else ""),
        fontsize=8,
        color="#555555",
    )
    figure.savefig(path)


def _panel(
    panel: Any,
    results: Results,
    column: str,
    places: dict[str, int],
    firsts: set[str],
    reference: str | None,
) -> None:
    scale = 100 if find_metric(column).percent else 1
    for name, place in places.items():
        values = [scale * r.values[column] for (row, _), r in results.items() if row == name]
        found = spread(results, name, column)
        if found is None:
            continue
        color = _BEST if name in firsts else _MEAN
        panel.plot(values, [place] * len(values), "o", color=_DOT, markersize=5, alpha=0.8)
        panel.plot(scale * found.mean, place, "|", color=color, markersize=13, markeredgewidth=2.6)
    mean = spread(results, reference, column) if reference is not None else None
    if mean is not None:
        panel.axvline(scale * mean.mean, color=_REFERENCE, linestyle="--", linewidth=1, zorder=1)
    if find_metric(column).percent and panel.get_xlim()[1] < 1:
        panel.set_xlim(-0.5, 10)  # all of them 0, or nearly: no scale of thousandths
    title = find_metric(column).title
    panel.set_title(f"{title}, nats a token" if column == "loss" else f"{title}, %", fontsize=10)
    panel.grid(axis="both", color="#e4e4e4", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelsize=9)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
