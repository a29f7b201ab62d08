"""``arcflow curve``: show metrics against the number of predictions, from one evaluation."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.overwriting import refuse_overwriting
from arcflow.scoring.curve import CURVES, Point, curve
from arcflow.scoring.metrics import METRIC_TABLE
from arcflow.scoring.voting import Candidate, Rank, read_answers
from arcflow.tools.ranking import add_rank_option, read_ranked
from arcflow.tools.run import WHERE_HELP, load_solutions, run, task_files
from arcflow.tools.vote import CANDIDATES_HELP

Curve = Mapping[str, Sequence[Point]]

# These colours suit colour-blind readers and differ in grey too.
_STYLES = {
    "pass_n": ("#0072B2", "o", "pass_n: any of the n is right"),
    "vote_2": ("#D55E00", "s", "vote_2: one of the first two by votes is right (ARC Prize)"),
    "kaggle": ("#009E73", "D", "kaggle: the same, of all test inputs"),
    "vote_1": ("#555555", "^", "vote_1: the first by votes is right"),
}


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow curve`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow curve",
        description="Show what fewer predictions would have measured: pass_n, vote_1, vote_2 (ARC "
        "Prize's number, the mean over tasks) and kaggle (Kaggle's, the share of all test inputs) "
        "against the number n of predictions, subsampled from one evaluation, with the 95 % "
        "confidence band over the choice of tasks. At the largest n they are the evaluation's "
        "own. Several journals count as one with all their predictions.",
    )
    parser.add_argument("journals", nargs="+", metavar="JOURNAL", help=CANDIDATES_HELP)
    parser.add_argument(
        "--tasks",
        required=True,
        metavar="WHERE",
        help=f"where the solutions are: a Kaggle solutions file, {WHERE_HELP}; tasks that the "
        "journals do not have are left out",
    )
    parser.add_argument(
        "--variant",
        choices=("ttft", "baseline"),
        default="",
        help="of a journal, the answers after or before test-time fine-tuning; default: of each "
        "task the tuned ones where it has them, as `arcflow vote` does",
    )
    add_rank_option(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the curve as CSV, one row a number of predictions, shares 0..1",
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="draw the curve: a picture as its ending says, e.g. .png"
    )
    parser.add_argument(
        "--draws",
        type=int,
        default=1000,
        metavar="N",
        help="subsamples of a test input's predictions, for the votes (default: 1000)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="of the subsamples and the bootstrap (default: 0)",
    )
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    inputs = [*options.journals, *task_files(options.tasks)]
    for option, output in (("--output", options.output), ("--plot", options.plot)):
        if output is not None:
            refuse_overwriting(option, output, inputs)
    if options.output is not None and options.output == options.plot:
        raise ConfigError(
            "--plot: the same file as --output",
            value=options.plot,
            expected="two files",
            next_step="Give one of them another name.",
        )
    answers: dict[str, list[Candidate]] = {}

    def read(path: str, rank: Rank) -> dict[str, list[Candidate]]:
        return read_answers(path, options.variant, rank)

    for of_journal in read_ranked(options.journals, options.rank, read):
        for task_id, found in of_journal.items():
            # A solver's answers are no samples of a model, so a curve of them is asked for by name.
            sampled = found if options.variant else [c for c in found if not c.source]
            answers.setdefault(task_id, []).extend(sampled)
    solutions = load_solutions(options.tasks)
    outputs = {task_id: solutions[task_id] for task_id in answers if task_id in solutions}
    candidates = [candidate for found in answers.values() for candidate in found]
    points = curve(candidates, outputs, options.draws, options.seed)
    if options.output is not None:
        _write(options.output, _csv(points).encode())
    title = f"{len(outputs)} task{'s' * (len(outputs) != 1)}"
    if options.plot is not None:
        _plot(options.plot, points, title)
    _print(points, title)
    missing = len(solutions) - len(outputs)
    if missing:
        print(f"{missing} of the {len(solutions)} tasks of {options.tasks} have no predictions.")


def _print(points: Curve, title: str) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    # Narrow columns: four of them, with their bands, fit 80 characters.
    table = Table(
        box=SIMPLE,
        title=f"{title}: percent, with 95 % band",
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column("n", justify="right")
    for name in CURVES:
        table.add_column(METRIC_TABLE[name].title.replace(" (", "\n("), justify="right")
    for row in zip(*(points[name] for name in CURVES), strict=True):
        cells = (f"{100 * p.value:.1f} ({100 * p.low:.1f}-{100 * p.high:.1f})" for p in row)
        table.add_row(str(row[0].n), *cells)
    Console().print(table)


def _csv(points: Curve) -> str:
    head = ",".join(["n", *(f"{name},{name}_low,{name}_high" for name in CURVES)])
    rows = [
        ",".join([str(row[0].n), *(f"{p.value!r},{p.low!r},{p.high!r}" for p in row)])
        for row in zip(*(points[name] for name in CURVES), strict=True)
    ]
    return "\n".join([head, *rows, ""])


def _plot(path: str, points: Curve, title: str) -> None:
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in canvas.get_supported_filetypes():
        raise DataError(
            "the plot's ending names no kind of picture",
            value=path,
            expected=f"one of {', '.join(sorted(canvas.get_supported_filetypes()))}",
            next_step="Call it curve.png.",
        )
    axes = figure.subplots()
    for name, (color, marker, label) in _STYLES.items():
        of = points[name]
        n = [p.n for p in of]
        axes.fill_between(
            n, [100 * p.low for p in of], [100 * p.high for p in of], color=color, alpha=0.15, lw=0
        )
        axes.plot(n, [100 * p.value for p in of], color=color, marker=marker, ms=5, label=label)
    numbers = [p.n for p in points[CURVES[0]]]
    if len(numbers) > 1 and numbers[-1] < 1.3 * numbers[-2]:
        del numbers[-2]  # otherwise their labels would overlap
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(numbers))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(n) for n in numbers])
    axes.set_xlim(2**-0.25, 2**0.25 * numbers[-1])
    # The axis begins at zero, and has some height even if all values are zero.
    axes.set_ylim(0, max(axes.get_ylim()[1], 5))
    axes.set_xlabel("predictions for each test input, n")
    axes.set_ylabel("solved, percent (mean over tasks; kaggle: over test inputs)")
    axes.set_title(f"{title}, 95 % bands over the choice of tasks")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format=kind)
    _write(path, picture.getvalue())


def _write(path: str, data: bytes) -> None:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)
    except OSError as error:
        raise DataError(
            f"the curve cannot be written ({error.strerror})",
            value=path,
            expected="a path to a file in a folder that can be written to",
            next_step="Choose another path, or make room there.",
        ) from error
