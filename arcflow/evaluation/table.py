"""The one table an evaluation prints."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from arcflow.evaluation.program_candidates import CODE_METRICS

_PERCENT = (
    "accuracy",
    "correct_pixels",
    "max_correct_pixels",
    "correct_size",
    "any_correct_size",
    "unanswered",
    "pass_n",
    "vote_1",
    "vote_2",
    *CODE_METRICS,
)


def metrics_table(results: Mapping[str, Mapping[str, float]]) -> Table:
    """Return a table with a row a metric and a column a variant; shares in per cent, losses in
    nats a token."""
    table = Table(title="evaluation", title_justify="left")
    table.add_column("measure")
    for variant in results:
        table.add_column(variant, justify="right")
    for name in dict.fromkeys(name for of in results.values() for name in of):
        form = "{:.1%}" if name in _PERCENT else "{:.4f}" if "loss" in name else "{:g}"
        table.add_row(name, *(form.format(of[name]) for of in results.values()))
    return table


def print_table(table: Table) -> None:
    """Print a table whole, even if the output is no terminal."""
    Console().print(table)
