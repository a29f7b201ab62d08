"""The HTML page of a report: one file, no network, readable without scripts."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from arcflow.core.grid import Grid
from arcflow.core.printable import printable
from arcflow.report.chart import Lines, chart_svg, loss_svg
from arcflow.report.contents import ATTEMPTS, STATUS_WORDS, TaskAnswers
from arcflow.viz.terminal import RGB

MAX_ANSWERS = 8
"""The largest number of distinct answers to a test input that a page draws."""


@dataclass(frozen=True)
class VariantSummary:
    """One row of a page's first table.

    Attributes:
        name: The variant.
        kaggle: The share of all test inputs that are solved, 0 to 1; None if no truth is known.
        arc_prize: The mean over tasks of each task's share, 0 to 1; None if no truth is known.
        tasks_solved: The number of tasks with every test input solved.
        tasks: The number of tasks.
        inputs_solved: The number of solved test inputs.
        inputs: The number of test inputs.
        unanswered: The number of test inputs without any answer.
    """

    name: str
    kaggle: float | None
    arc_prize: float | None
    tasks_solved: int
    tasks: int
    inputs_solved: int
    inputs: int
    unanswered: int


def summarise(tasks: Sequence[TaskAnswers]) -> list[VariantSummary]:
    """Return a row for each variant, over the tasks that have it."""
    names = dict.fromkeys(name for task in tasks for name in task.variants)
    # The one that counts comes first, wherever the first task that has it stands.
    rows = []
    for name in sorted(names, key=lambda name: name != "all"):
        found = [task.variants[name] for task in tasks if name in task.variants]
        known = [one for one in found if one.status != "hidden" and one.inputs]
        inputs = sum(len(one.inputs) for one in found)
        truth = sum(len(one.inputs) for one in known)
        solved = sum(one.solved for one in known)
        rows.append(
            VariantSummary(
                name,
                solved / truth if truth else None,
                sum(one.solved / len(one.inputs) for one in known) / len(known) if known else None,
                sum(one.status == "solved" for one in known),
                len(found),
                solved,
                inputs,
                sum(not one.answers for variant in found for one in variant.inputs),
            )
        )
    return rows


def render(
    title: str,
    tasks: Sequence[TaskAnswers],
    facts: Mapping[str, str] | None = None,
    curve: Lines | None = None,
    changes: Mapping[str, str] | None = None,
) -> str:
    """Return the HTML page of a report.

    Args:
        title: The heading.
        tasks: The tasks, in the order in which the page shows them.
        facts: Further facts for the head of the page, by name.
        curve: Shares in [0, 1] by the number of predictions, by metric, drawn as a chart.
        changes: For a comparison, ``"gained"``, ``"lost"`` or ``"same"`` by task id.

    Returns:
        The text of the page. It loads nothing, holds its own script and style (which the page's
        content security policy names by their hashes), and escapes every text of the tasks.
    """
    style, script = _style(), _text("page.js")
    statuses = Counter(task.status for task in tasks)
    return _template().render(
        title=title,
        tasks=tasks,
        facts=facts or {},
        rows=summarise(tasks),
        chart=chart_svg(curve) if curve else "",
        changes=changes,
        change_counts=Counter((changes or {}).values()),
        words=STATUS_WORDS,
        statuses=[(status, statuses[status]) for status in STATUS_WORDS if statuses[status]],
        sources=sorted({source for task in tasks for source in task.sources}),
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}",
        attempts=ATTEMPTS,
        most=MAX_ANSWERS,
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "rows": _rows,
        "printable": printable,
        "lines": _lines,
        "percent": _percent,
        "losses": loss_svg,
    }
    return environment.from_string(_text("page.html.jinja"))


def _rows(grid: Grid) -> str:
    """Return a grid as lines of digits, which the page's script draws in colour."""
    return "\n".join("".join(map(str, row)) for row in grid.tolist())


def _lines(text: str) -> str:
    """Return text of several lines with everything that cannot be printed escaped."""
    return "\n".join(map(printable, text.split("\n")))


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"


def _style() -> str:
    colors = "\n".join(f"  --c{color}: rgb({r}, {g}, {b});" for color, (r, g, b) in enumerate(RGB))
    return f":root {{\n{colors}\n}}\n{_text('page.css')}"


@cache
def _text(name: str) -> str:
    return files("arcflow.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
