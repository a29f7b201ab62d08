"""Reports of a study's results: a table for the terminal, CSV and Markdown."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcflow.core.errors import DataError
from arcflow.core.json_file import read_json
from arcflow.scoring.metrics import find_metric
from arcflow.studies.spec import Study

TTFT, BASELINE = "ttft", "baseline"


@dataclass(frozen=True)
class Result:
    """The result of one row with one seed.

    Attributes:
        variant: "ttft" if there was test-time fine-tuning, else "baseline".
        tasks: The number of tasks that were evaluated.
        seconds: The wall-clock time of the last stage in seconds, or None if it was interrupted.
        values: The values of the metrics by name.
    """

    variant: str
    tasks: int
    seconds: float | None
    values: Mapping[str, float]


Results = Mapping[tuple[str, int], Result]
"""The results by (row, seed), as far as there are any."""


def read_result(path: Path, columns: Sequence[str], seconds: float | None = None) -> Result:
    """Return the result in an evaluation's results file.

    Args:
        path: The file.
        columns: The metrics that it must have.
        seconds: The wall-clock time of the evaluation in seconds, if known.

    Raises:
        DataError: The file has another form, or lacks a column.
    """
    obj = read_json(path)
    variants = obj.get("variants") if isinstance(obj, dict) else None
    if not isinstance(obj, dict) or not isinstance(variants, dict) or not variants:
        raise _bad(path, obj, 'an object with "variants" and "tasks"')
    variant = TTFT if TTFT in variants else next(iter(variants))
    found: dict[str, Any] = variants[variant]
    for column in columns:
        if not isinstance(found.get(column), int | float):
            raise _bad(path, column, f"a column that is there: {', '.join(found)}")
    return Result(variant, int(obj["tasks"]), seconds, found)


def _bad(path: Path, value: object, expected: str) -> DataError:
    return DataError(
        f"{path}: not the results that the study shows",
        value=value,
        expected=expected,
        next_step="Correct the study's columns, or remove the file's folder to do it again.",
    )


@dataclass(frozen=True)
class Spread:
    """The mean and sample standard deviation (n - 1) of one metric over n seeds."""

    mean: float
    deviation: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Return the spread of some values, or None if there are none.

        One value has no deviation.
        """
        if not values:
            return None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation, len(values))


def spread(results: Results, row: str, column: str) -> Spread | None:
    """Return the spread of a row's metric over its seeds, or None without results."""
    return Spread.of([r.values[column] for (name, _), r in results.items() if name == row])


def best(study: Study, results: Results, column: str) -> set[str]:
    """Return the rows with the best mean: several if they are equal, none if all are."""
    means = {row.name: s.mean for row in study.rows if (s := spread(results, row.name, column))}
    means = {name: mean for name, mean in means.items() if not math.isnan(mean)}
    if len(set(means.values())) < 2:
        return set()
    first = (max if find_metric(column).larger_is_better else min)(means.values())
    return {name for name, mean in means.items() if mean == first}


def cell(found: Spread | None, column: str) -> str:
    """Return ``mean ± deviation``: shares in percent, other metrics with four decimals."""
    if found is None:
        return "-"
    scale, form = (100, "{:.1f}") if find_metric(column).percent else (1, "{:.4f}")
    text = form.format(scale * found.mean)
    if found.deviation is not None:
        text += " ± " + form.format(scale * found.deviation)
    return text


def heading(column: str) -> str:
    """Return a column's name with whose number it is, and its unit."""
    metric = find_metric(column)
    return f"{metric.title} %" if metric.percent else metric.title


def _rows(study: Study, results: Results) -> list[tuple[str, int, list[tuple[str, bool]]]]:
    """Return label, number of seeds and cells of each row with results.

    A cell is its text and whether it is the best of its column.
    """
    firsts = {column: best(study, results, column) for column in study.columns}
    shown = []
    for row in study.rows:
        n = sum(name == row.name for name, _ in results)
        cells = [
            (cell(spread(results, row.name, column), column), row.name in firsts[column])
            for column in study.columns
        ]
        if n:
            shown.append((row.label, n, cells))
    return shown


def table(study: Study, results: Results) -> Any:
    """Return a rich table of the mean ± sample standard deviation over seeds, the best in bold."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(study.title), title_justify="left", caption=caption(results))
    made.add_column("row")
    for column in study.columns:
        made.add_column(heading(column), justify="right")
    made.add_column("seeds", justify="right")
    for label, n, cells in _rows(study, results):
        texts = [Text(text, style="bold" if first else "") for text, first in cells]
        made.add_row(Text(label), *texts, str(n))
    return made


def caption(results: Results) -> str:
    """Return a text with the number of tasks and the meaning of the spread."""
    tasks = sorted({result.tasks for result in results.values()})
    of = f"{' or '.join(map(str, tasks))} tasks; " if tasks else ""
    return f"{of}mean ± sample standard deviation over seeds"


def markdown(study: Study, results: Results) -> str:
    """Return the table as Markdown, to paste into documents."""
    lines = [
        f"| row | {' | '.join(map(heading, study.columns))} | seeds |",
        f"|---|{'---:|' * (len(study.columns) + 1)}",
    ]
    for label, n, cells in _rows(study, results):
        texts = [f"**{text}**" if first else text for text, first in cells]
        lines.append(f"| {label} | {' | '.join(texts)} | {n} |")
    return "\n".join([*lines, "", f"{caption(results)[0].upper()}{caption(results)[1:]}.", ""])


def csv_text(study: Study, results: Results) -> str:
    """Return the results as CSV: a line for each row and seed, then each row's mean and deviation.

    The deviation is the sample standard deviation (n - 1).
    """
    names = list(dict.fromkeys(name for result in results.values() for name in result.values))
    names = [*study.columns, *(name for name in names if name not in study.columns)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", "label", "seed", "variant", "tasks", "seconds", *names])
    for row in study.rows:
        mine = [(seed, r) for (name, seed), r in results.items() if name == row.name]
        for seed, r in mine:
            seconds = "" if r.seconds is None else f"{r.seconds:.1f}"
            values = [r.values.get(name, "") for name in names]
            writer.writerow([row.name, row.label, seed, r.variant, r.tasks, seconds, *values])
        if not mine:
            continue
        spreads = [Spread.of([r.values[n] for _, r in mine if n in r.values]) for n in names]
        head, variant = [row.name, row.label], mine[0][1].variant
        means = ["" if s is None else s.mean for s in spreads]
        writer.writerow([*head, "mean", variant, "", "", *means])
        deviations = ["" if s is None or s.deviation is None else s.deviation for s in spreads]
        writer.writerow([*head, "deviation", variant, "", "", *deviations])
    return out.getvalue()
