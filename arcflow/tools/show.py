"""``arcflow show``: show a task's grids in the terminal."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from arcflow.core.errors import DataError
from arcflow.core.task import Task
from arcflow.tools.run import WHERE_HELP, run
from arcflow.viz.terminal import best_colors, detect_colors, render_task


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow show`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow show",
        description="Show a task's pairs side by side, in colour where the output is a terminal.",
    )
    parser.add_argument(
        "tasks",
        nargs="+",
        metavar="TASK",
        help="a task's id, a JSON file with one task, or counting/FAMILY/NUMBER, a generated one",
    )
    parser.add_argument(
        "--tasks",
        dest="where",
        metavar="WHERE",
        help=f"where to look for the ids: {WHERE_HELP}; default: the four published sets in turn",
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
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    if options.color is None:
        colors = detect_colors(sys.stdout.isatty(), os.environ)
    else:
        colors = best_colors(os.environ) if options.color else "none"
    width = options.width or shutil.get_terminal_size().columns
    for name in options.tasks:
        task = _find(name, options.where)
        print(render_task(task.without_answers() if options.hide_answers else task, colors, width))


def _find(name: str, where: str | None) -> Task:
    from arcflow.sources.arc import find_task
    from arcflow.sources.files.by_name import named

    if where is not None:
        found = next((task for task in named(where) if task.id == name), None)
    elif Path(name).is_file():
        tasks = named(name)
        if len(tasks) > 1:
            raise DataError(
                f"{name}: several tasks",
                value=f"{len(tasks)} tasks",
                expected="a file with one task",
                next_step=f"Name one of them, e.g. `arcflow show {tasks[0].id} --tasks {name}`.",
            )
        found = tasks[0]
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
