"""Reports of a comparison of grids: a table, plots, and pictures of the tasks farthest off."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.compare import Comparison, Sets
from arcflow.core.features import NAMES
from arcflow.core.grid import Grid
from arcflow.viz.picture import draw_table

TITLES = {
    "black": "black background, share",
    "background": "share of the commonest colour",
    "palette": "colours",
    "height": "rows",
    "width": "columns",
    "objects": "objects",
    "tokens": "tokens (cells and rows)",
}
_COLORS = ("#333333", "#c1440e", "#1f78b4", "#33a02c")
_WORST, _DRAWN = 20, 4
REPORT_FILES = ("summary.md", "tasks.csv", "distribution.png", "worst.png")
"""The names of the files of a report."""


def summary(found: Comparison) -> str:
    """Return a Markdown table of median features over tasks, and of distances to the reference."""
    lines = [
        "| | " + " | ".join(found.sets) + " |",
        "|---|" + "---|" * len(found.sets),
    ]
    medians = {name: found.medians(name) for name in found.sets}
    shares = {
        name: np.mean([found.features[name][i][:, 0].mean() > 0.5 for i in found.ids])
        for name in found.sets
    }
    black = " | ".join(f"{100 * shares[name]:.0f} %" for name in found.sets)
    lines.append(f"| tasks with mostly black backgrounds | {black} |")
    for j, feature in enumerate(NAMES):
        if feature == "black":
            continue
        row = " | ".join(f"{medians[name][j]:.2f}" for name in found.sets)
        lines.append(f"| {TITLES[feature]} | {row} |")
    ratios = " | ".join(f"{found.token_ratio(name):.2f}" for name in found.sets)
    lines.append(f"| ratio of tokens, median | {ratios} |")
    for j, feature in enumerate(NAMES):
        row = " | ".join(f"{found.distances[name][:, j].mean():.2f}" for name in found.sets)
        lines.append(f"| distance: {TITLES[feature]} | {row} |")
    row = " | ".join(f"{found.distances[name].mean():.2f}" for name in found.sets)
    lines.append(f"| **distance, all** | {row} |")
    return "\n".join(lines) + "\n"


def task_table(found: Comparison) -> str:
    """Return CSV with a line for each task and set: the means of the features and the distances."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["task", "set", *NAMES, *(f"distance_{name}" for name in NAMES), "distance"])
    for k, task_id in enumerate(found.ids):
        for name in found.sets:
            means = found.features[name][task_id].mean(axis=0)
            away = found.distances[name][k]
            numbers = [f"{value:.4g}" for value in (*means, *away, away.mean())]
            writer.writerow([task_id, name, *numbers])
    return text.getvalue()


def plot(found: Comparison, title: str, path: Path) -> None:
    """Write a PNG of how each feature's means over tasks are distributed, with a line for each set.

    Args:
        found: The comparison.
        title: The title of the picture.
        path: The picture file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.6), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 4).ravel()
    for j, feature in enumerate(NAMES):
        _cumulated(panels[j], found, j)
        panels[j].set_title(TITLES[feature], fontsize=9)
    panels[0].legend(fontsize=8, frameon=False)
    _distances(panels[len(NAMES)], found)
    figure.suptitle(title, fontsize=12, fontweight="bold")
    figure.supylabel("share of tasks whose mean is at most this", fontsize=8, color="#555555")
    figure.savefig(path)


def write_report(
    found: Comparison, sets: Sets, title: str, folder: Path, more: Mapping[str, str] | None = None
) -> list[Path]:
    """Write ``summary.md``, ``tasks.csv``, ``distribution.png`` and ``worst.png``.

    Args:
        found: The comparison; the worst tasks are those of its last set.
        sets: The grids themselves, for the pictures.
        title: The title of the pictures.
        folder: The folder to write to, which is made if it is missing.
        more: The texts of further files by name, which may replace the others.

    Returns:
        The paths of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"summary.md": summary(found), "tasks.csv": task_table(found)} | dict(more or {})
    for name, text in texts.items():
        (folder / name).write_text(text)
    plot(found, title, folder / "distribution.png")
    worst = found.worst(found.sets[-1], _WORST)
    rows = [(task_id, [_spread(sets[name][task_id]) for name in found.sets]) for task_id in worst]
    draw_table(rows, found.sets, folder / "worst.png")
    return [folder / name for name in (*texts, "distribution.png", "worst.png")]


def _spread(grids: Sequence[Grid]) -> list[Grid]:
    """Return a few of the grids, evenly spread over the sequence."""
    places = np.linspace(0, len(grids) - 1, min(_DRAWN, len(grids))).round().astype(int)
    return [grids[i] for i in places]


def _cumulated(panel: Any, found: Comparison, j: int) -> None:
    for name, color in zip(found.sets, _COLORS, strict=False):
        means = np.sort([found.features[name][i][:, j].mean() for i in found.ids])
        panel.step(
            means,
            np.arange(1, len(means) + 1) / len(means),
            where="post",
            color=color,
            label=name,
            linewidth=2.2 if name == found.reference else 1.5,
        )
    panel.grid(color="#e4e4e4", linewidth=0.7)
    panel.tick_params(length=0, labelsize=8)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _distances(panel: Any, found: Comparison) -> None:
    others = found.sets[1:]
    values = [found.distances[name].mean() for name in others]
    panel.barh(range(len(others)), values, color=_COLORS[1 : len(others) + 1])
    panel.set_yticks(range(len(others)), others, fontsize=8)
    panel.set_title(f"distance to the {found.reference} inputs, sd", fontsize=9)
    panel.tick_params(length=0, labelsize=8)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
