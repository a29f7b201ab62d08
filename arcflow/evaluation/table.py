"""The one table an evaluation prints."""

from collections.abc import Mapping, Sequence

from lightning.pytorch.loggers import Logger
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
        table.add_row(
            metric.title,
            *(form.format(of[name]) if name in of else "" for of in results.values()),
        )
    return table


def print_table(table: Table) -> None:
    """Print a table whole, even if the output is no terminal."""
    Console().print(table)


def log_results(logger: Logger, results: Mapping[str, Mapping[str, float]], step: int) -> None:
    """Write all values to a logger, each as ``VARIANT/NAME``.

    Args:
        logger: the logger.
        results: by variant, the value of each metric.
        step: the step at which they are logged.
    """
    logger.log_metrics(
        {
            f"{variant}/{name}": value
            for variant, of in results.items()
            for name, value in of.items()
        },
        step,
    )
    logger.save()
