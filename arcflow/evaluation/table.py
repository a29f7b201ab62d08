"""The one table an evaluation prints."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from arcflow.scoring.metrics import METRIC_TABLE, Metric, find_metric


def metrics_table(
    results: Mapping[str, Mapping[str, float]], extra: Sequence[Metric] = ()
) -> Table:
    """Return a table of one row a metric and one column a variant.

    Args:
        results: by variant, the value of each metric.
        extra: metrics beside the built-in ones.

    Returns:
        Shares in per cent, the loss in nats a token, anything else as it is.
    """
    table = Table(title="evaluation", title_justify="left")
    table.add_column("metric")
    for variant in results:
        table.add_column(variant, justify="right")
    for name in dict.fromkeys(name for of in results.values() for name in of):
        known, metric = name in METRIC_TABLE, find_metric(name, extra)
        form = "{:.1%}" if metric.percent else "{:.4f}" if known else "{:g}"
        table.add_row(metric.title, *(form.format(of[name]) for of in results.values()))
    return table


def print_table(table: Table) -> None:
    """Print a table whole, even if the output is no terminal."""
    Console().print(table)
