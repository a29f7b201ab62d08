"""``arcflow study selection``: which rule chooses best among the answers of evaluations."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.files import write_whole
from arcflow.core.grid import Grid
from arcflow.core.overwriting import refuse_overwriting
from arcflow.scoring.selection import (
    ORACLE,
    RULES,
    Interval,
    Rule,
    RuleScore,
    first_answers,
    measure,
    solved_inputs,
    without_log_probs,
)
from arcflow.scoring.voting import Candidate, read_answers
from arcflow.studies.selection_plot import draw_selection
from arcflow.tools.run import WHERE_HELP, check_number, load_solutions, run, task_files
from arcflow.tools.vote import CANDIDATES_HELP

COLUMNS = ("vote_1", "vote_2", "kaggle", "share", "gain")
_HEADS = ("vote_1", "vote_2 (ARC Prize)", "kaggle", "of pass_n", "vote_2, gain")


@dataclass(frozen=True)
class JournalAnswers:
    """The answers of one journal.

    Attributes:
        label: The name to show.
        answers: The model's candidates by task id.
        rules: The rules that its answers allow.
    """

    label: str
    answers: Mapping[str, Sequence[Candidate]]
    rules: Sequence[Rule]


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after its name and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow study selection",
        description="Compare rules that choose two answers to each test input: votes, ties by "
        "log-probability, log-probability alone, re-scoring, and a perfect choice (pass_n), on "
        "the journals of evaluations of the same tasks, with 95 % bootstrap intervals over the "
        "tasks. Writes selection.csv, selection.md and selection.png.",
    )
    parser.add_argument("journals", nargs="+", metavar="JOURNAL", help=CANDIDATES_HELP)
    parser.add_argument(
        "--tasks",
        required=True,
        metavar="WHERE",
        help=f"where the solutions are: a Kaggle solutions file, {WHERE_HELP}",
    )
    parser.add_argument("--labels", metavar="NAME,...", help="names of the journals, in order")
    parser.add_argument(
        "--first",
        metavar="N,...",
        help="of each journal, in order, only the first N answers to each test input, as if the "
        "run had had N views; 0 for all. A journal may be given twice",
    )
    parser.add_argument(
        "--variant",
        default="",
        metavar="NAME",
        help="ttft or baseline; default: of each task the tuned answers where it has them",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap; default: 0")
    parser.add_argument(
        "--output",
        default="runs/studies/selection",
        metavar="DIR",
        help="folder of the files; default: %(default)s",
    )
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    check_number("--seed", options.seed, 0)
    labels = _labels(options.journals, options.labels)
    numbers = _numbers(options.first, len(options.journals))
    files = [Path(options.output) / f"selection.{kind}" for kind in ("csv", "md", "png")]
    for path in files:
        refuse_overwriting("--output", path, [*options.journals, *task_files(options.tasks)])
    solutions = load_solutions(options.tasks)
    found = [
        _read(path, label, options.variant, most)
        for path, label, most in zip(options.journals, labels, numbers, strict=True)
    ]
    outputs = _common(found, options.journals, solutions, options.tasks)
    rows = _measure(found, outputs, options.seed)
    inputs = sum(map(len, outputs.values()))
    title = f"{len(outputs)} tasks, {inputs} test inputs"
    notes = _notes(found, options.journals)
    _write(files[0], csv_text(rows).encode())
    _write(files[1], markdown(rows, title, notes).encode())
    _write(files[2], draw_selection(rows, title))
    _print(rows, title, notes)
    print("out:", ", ".join(map(str, files)))


Rows = list[tuple[str, RuleScore]]
"""The label of a journal and what one rule scored on it."""


def _labels(paths: Sequence[str], given: str | None) -> list[str]:
    """Return a distinct name for each journal: the given ones, or those of folders and files."""
    if given is None:
        names = [f"{Path(p).resolve().parent.name}/{Path(p).name.split('.')[0]}" for p in paths]
        return [n if names.count(n) == 1 else f"{n} ({i})" for i, n in enumerate(names, start=1)]
    names = given.split(",")
    if len(names) != len(paths) or len(set(names)) < len(names) or "" in names:
        raise ConfigError(
            "--labels: not one name for each journal",
            value=given,
            expected=f"{len(paths)} different names with commas between them",
            next_step="Correct --labels, or leave it out.",
        )
    return names


def _numbers(given: str | None, count: int) -> list[int | None]:
    if given is None:
        return [None] * count
    words = given.split(",")
    if len(words) != count or not all(word.isdecimal() for word in words):
        raise ConfigError(
            "--first: not one number for each journal",
            value=given,
            expected=f"{count} whole numbers with commas between them, 0 for all answers",
            next_step="Correct --first, or leave it out.",
        )
    return [int(word) or None for word in words]


def _read(path: str, label: str, variant: str, most: int | None) -> JournalAnswers:
    """Read a journal; answers of solvers are left out, as they are no samples of a model."""
    answers = {
        task_id: first_answers((c for c in found if not c.source), most)
        for task_id, found in read_answers(path, variant, "rescored").items()
    }
    candidates = [c for found in answers.values() for c in found]
    lacking = bool(without_log_probs(candidates))
    scored = any(c.rescored is not None for c in candidates)
    rules = [
        rule
        for rule in RULES
        if not (rule.needs_log_prob and lacking) and (scored or not rule.needs_rescoring)
    ]
    return JournalAnswers(label, answers, rules)


def _notes(found: Sequence[JournalAnswers], paths: Sequence[str]) -> list[str]:
    """Return a line for each kind of rule that a journal does not allow."""
    notes = []
    for one, path in zip(found, paths, strict=True):
        lacking = without_log_probs(c for of_task in one.answers.values() for c in of_task)
        if lacking:
            notes.append(
                f"{path}: {lacking} answers have no log-probability, so no rule that needs them "
                "is shown."
            )
        if not any(rule.needs_rescoring for rule in one.rules):
            notes.append(f"{path}: no answer was scored again (pass_n.rescore.views).")
    return notes


def _common(
    found: Sequence[JournalAnswers],
    paths: Sequence[str],
    solutions: Mapping[str, Sequence[Grid]],
    where: str,
) -> dict[str, Sequence[Grid]]:
    """Return the solutions of the tasks that every journal answers.

    Raises:
        DataError: The journals answer different tasks, none at all, or tasks without solutions.
    """
    ids = set(found[0].answers)
    for one, path in zip(found[1:], paths[1:], strict=True):
        other = set(one.answers)
        if other != ids:
            differing = sorted(ids ^ other)
            raise DataError(
                "the journals answer different tasks",
                value={paths[0]: len(ids), path: len(other), "differing": differing[:3]},
                expected="the same tasks in all of them",
                next_step="Finish the evaluations, or compare journals of the same tasks.",
            )
    if not ids:
        raise DataError(
            "no tasks: the journals have no answers",
            value=list(paths),
            expected="answers to at least one task",
            next_step="Check the paths, and --variant.",
        )
    unknown = sorted(ids - set(solutions))
    if unknown:
        raise DataError(
            f"{where} lacks tasks of the journals",
            value=unknown[:5],
            expected=f"solutions of all {len(ids)} tasks",
            next_step="Name the tasks of the evaluation with --tasks.",
        )
    return {task_id: solutions[task_id] for task_id in sorted(ids)}


def _measure(
    found: Sequence[JournalAnswers], outputs: Mapping[str, Sequence[Grid]], seed: int
) -> Rows:
    """Return what each rule scored; gains count from the first journal's default rule."""
    rows: Rows = []
    reference = None
    for one in found:
        oracle = solved_inputs(ORACLE, one.answers, outputs)
        solved = {rule: solved_inputs(rule, one.answers, outputs) for rule in one.rules}
        if reference is None:
            by_token = next(
                (rule for rule in one.rules if rule.name == "votes_token"), one.rules[0]
            )
            reference = solved[by_token]
        for rule in one.rules:
            rows.append((one.label, measure(rule, solved[rule], oracle, reference, seed)))
        rows.append((one.label, measure(ORACLE, oracle, oracle, reference, seed)))
    return rows


def csv_text(rows: Rows) -> str:
    """Return the rows as CSV; shares 0 to 1, each with the ends of its interval."""
    head = ["journal", "rule", *(f"{c}{end}" for c in COLUMNS for end in ("", "_low", "_high"))]
    lines = [",".join(head)]
    for label, chosen in rows:
        cells = [f'"{label.replace(chr(34), chr(34) * 2)}"', chosen.rule.name]
        for column in COLUMNS:
            found: Interval = getattr(chosen, column)
            cells += [
                "" if math.isnan(v) else repr(v) for v in (found.value, found.low, found.high)
            ]
        lines.append(",".join(cells))
    return "\n".join([*lines, ""])


def markdown(rows: Rows, title: str, notes: Sequence[str]) -> str:
    """Return the rows as a table for documents."""
    lines = [f"{title}; per cent, with 95 % intervals over the tasks.", ""]
    lines += [f"| journal | rule | {' | '.join(_HEADS)} |", "|---|---|" + "---:|" * len(_HEADS)]
    for label, chosen in rows:
        cells = [_cell(getattr(chosen, column), column) for column in COLUMNS]
        lines.append(f"| {label} | {chosen.rule.label} | {' | '.join(cells)} |")
    return "\n".join([*lines, *([""] if notes else []), *notes, ""])


def _cell(found: Interval, column: str) -> str:
    if math.isnan(found.value):
        return "-"
    form = "+.1f" if column == "gain" else ".1f"
    value, low, high = (format(100 * v, form) for v in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _print(rows: Rows, title: str, notes: Sequence[str]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE, title=f"{title}: per cent, with 95 % intervals", pad_edge=False)
    for head in ("journal", "rule"):
        table.add_column(head)
    for head in _HEADS:
        table.add_column(head.replace(" (", "\n("), justify="right")
    for label, chosen in rows:
        cells = [_cell(getattr(chosen, column), column) for column in COLUMNS]
        table.add_row(label, chosen.rule.label, *(cell.replace(" (", "\n(") for cell in cells))
    console = Console()
    # A file or a pipe gets whole lines, while a terminal has its own width.
    (console if console.is_terminal else Console(width=200)).print(table)
    for note in notes:
        print(note)


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise DataError(
            f"the study cannot be written ({error.strerror})",
            value=str(path),
            expected="a folder that can be written to, with room on its disk",
            next_step="Give another --output, or make room.",
        ) from error
