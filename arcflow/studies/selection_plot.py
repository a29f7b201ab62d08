"""The picture of ``arcflow study selection``: one bar for each journal and rule."""

import io
from collections.abc import Sequence

from arcflow.scoring.selection import ORACLE, RuleScore

# These colours suit colour-blind readers and differ in grey too.
_RULE, _ORACLE, _ENDS = "#0072B2", "#BBBBBB", "#333333"


def draw_selection(rows: Sequence[tuple[str, RuleScore]], title: str) -> bytes:
    """Return the picture as PNG: ``vote_2`` of each rule with its interval, best choice in grey.

    Args:
        rows: The label of a journal and what one rule scored on it, journal after journal.
        title: The line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = [label for label, _ in rows]
    several = len(set(labels)) > 1
    names = [f"{label}: {c.rule.label}" if several else c.rule.label for label, c in rows]
    figure = Figure(
        figsize=(5.5 + 0.06 * max(map(len, names)), 1.3 + 0.33 * len(rows)),
        layout="constrained",
        dpi=130,
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    place = 0.0
    places = []
    for number, (label, _) in enumerate(rows):
        place -= 1.0 if number == 0 or labels[number - 1] == label else 1.6
        places.append(place)
    for at, (_, chosen) in zip(places, rows, strict=True):
        found = chosen.vote_2
        color = _ORACLE if chosen.rule is ORACLE else _RULE
        axes.barh(at, 100 * found.value, height=0.7, color=color)
        axes.plot([100 * found.low, 100 * found.high], [at, at], color=_ENDS, lw=1.2)
        axes.text(100 * found.high, at, f"  {100 * found.value:.1f}", va="center", fontsize=8)
    axes.set_yticks(places, names, fontsize=9)
    axes.set_xlim(0, max(5.0, 1.12 * max(100 * c.vote_2.high for _, c in rows)))
    axes.set_xlabel("vote_2 (ARC Prize), per cent; lines: 95 % intervals over the tasks")
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
