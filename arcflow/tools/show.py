"""``arcflow show``: show a task's grids in the terminal."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.overwriting import refuse_overwriting
from arcflow.core.printable import printable
from arcflow.core.task import Task
from arcflow.report.answers_file import begins_as_submission
from arcflow.scoring.journal import is_journal
from arcflow.sources.files.formats import Format
from arcflow.tools.run import WHERE_HELP, run
from arcflow.tools.show_answers import (
    last_answers,
    list_answered,
    picture,
    read_answered,
    render_answered,
)
from arcflow.tools.show_views import add_options, check_options, show_views
from arcflow.viz.terminal import best_colors, detect_colors, render_task


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow show`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow show",
        description="Show a task's pairs side by side, in colour where the output is a terminal; "
        "list the tasks of a file, a folder or a published set; show the answers of a "
        "submission or a journal beside the truth; or show what a model sees of a task.",
    )
    parser.add_argument(
        "tasks",
        nargs="+",
        metavar="TASK",
        help="a task's id, a JSON file, a folder, a published set such as arc-agi-1/training, "
        "counting/FAMILY/NUMBER, a generated task; or a submission, a journal or a run's folder, "
        "which is listed",
    )
    parser.add_argument(
        "--answers",
        metavar="FILE",
        help="show the answers of this journal, submission, file of candidates or run's folder "
        "too; wrong cells are marked by x",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write a picture (.svg or .png) of one task; with --answers, --views or --prompt",
    )
    parser.add_argument(
        "--tasks",
        dest="where",
        metavar="WHERE",
        help=f"where to look for the ids: {WHERE_HELP}; default: the four published sets in turn",
    )
    parser.add_argument(
        "--format",
        choices=get_args(Format),
        default="auto",
        help="what a file, or each file of a folder, holds; default: as its content says",
    )
    parser.add_argument("--hide-answers", action="store_true", help="show test outputs as ?")
    parser.add_argument(
        "--color",
        action=argparse.BooleanOptionalAction,
        help="coloured cells or digits; default: colours on a terminal where NO_COLOR is not set",
    )
    parser.add_argument(
        "--width", type=int, metavar="COLUMNS", help="columns to fill; default: the terminal's"
    )
    add_options(parser)
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    check_options(options)
    if options.color is None:
        colors = detect_colors(sys.stdout.isatty(), os.environ)
    else:
        colors = best_colors(os.environ) if options.color else "none"
    width = options.width or shutil.get_terminal_size().columns
    seen = options.prompt or options.views is not None
    if options.output is not None and (
        len(options.tasks) > 1 or (options.answers is None and not seen)
    ):
        raise ConfigError(
            "--output: a picture shows one task, its answers or what a model sees of it",
            value=options.tasks,
            expected="one id, and --answers FILE, --views N or --prompt",
            next_step="Name them, or leave --output out.",
        )
    for name in options.tasks:
        name = last_answers(name) or name
        if _holds_answers(name):
            print(list_answered(name, list(read_answered(name, _all(options.where)).values())))
            continue
        task = _find(name, options.where, options.format)
        if not isinstance(task, Task):
            _list(name, task)
            continue
        shown = task.without_answers() if options.hide_answers else task
        if seen:
            show_views(options, shown, colors, width)
            continue
        if options.answers is None:
            print(render_task(shown, colors, width))
            continue
        answers = last_answers(options.answers) or options.answers
        answered = read_answered(answers, [shown])[task.id]
        if options.output is None:
            print(render_answered(answered, colors, width))
        else:
            refuse_overwriting("--output", options.output, [answers])
            picture(answered).save(options.output)
            print(f"written: {options.output}")


def _holds_answers(name: str) -> bool:
    """Return whether a path is a journal or a submission, by its first bytes."""
    path = Path(name).expanduser()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(100_000)
    return is_journal(start) or begins_as_submission(start)


def _all(where: str | None) -> list[Task]:
    """Return the tasks of a place, or those of the published sets."""
    from arcflow.sources.arc import SPLITS
    from arcflow.sources.files.by_name import named

    return [task for name in ([where] if where else SPLITS) for task in named(name)]


def _find(name: str, where: str | None, form: Format) -> Task | list[Task]:
    """Return the task that is named, or all tasks of a file, folder or set with several."""
    from arcflow.sources.arc import SPLITS, find_task
    from arcflow.sources.files.by_name import named

    found: Task | None
    if where is not None:
        found = next((task for task in named(where, form=form) if task.id == name), None)
    elif name in SPLITS or Path(name).expanduser().exists():
        tasks = named(name, form=form)
        return tasks[0] if len(tasks) == 1 else tasks
    elif name.startswith("counting/"):
        from arcflow.sources.counting import named_task

        found = named_task(name)
    else:
        found = find_task(name)
    if found is None:
        raise DataError(
            "no such task",
            value=name,
            expected=f"the id of a task in {where or 'ARC-AGI-1 or ARC-AGI-2'}, or a JSON file",
            next_step="Check the id, or say with --tasks where it is.",
        )
    return found


def _list(name: str, tasks: Sequence[Task]) -> None:
    """Print a line for each task of a set, and how one of them is shown."""
    print(f"{printable(name)}: {len(tasks)} tasks")
    width = max(len(printable(task.id)) for task in tasks)
    for task in tasks:
        sides = max(max(grid.shape) for grid in task.grids())
        hidden = sum(pair.output is None for pair in task.test)
        print(
            f"  {printable(task.id):<{width}}  {len(task.train)} train, {len(task.test)} test, "
            f"sides up to {sides}{f', {hidden} answers hidden' if hidden else ''}"
        )
    print(f"One of them: arcflow show {printable(tasks[0].id)} --tasks {printable(name)}")
