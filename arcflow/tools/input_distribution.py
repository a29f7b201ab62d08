"""``arcflow study input-distribution``: compare inputs that a model wrote with the tasks' own."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from arcflow.core.compare import Sets, compare
from arcflow.core.grid import Grid
from arcflow.core.overwriting import refuse_overwriting
from arcflow.sources.generated import read_generated
from arcflow.tools.distribution import REPORT_FILES, summary, write_report
from arcflow.tools.run import WHERE_HELP, run, task_files


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after its name and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow study input-distribution",
        description="Compare inputs of `arcflow generate inputs` with the inputs of the tasks "
        "they were written for: background, colours, sides, objects, tokens, as table and plots, "
        "with the tasks whose inputs are farthest off drawn.",
    )
    parser.add_argument("inputs", metavar="FILE", help="what `arcflow generate inputs` wrote")
    parser.add_argument(
        "--tasks",
        default="arc-agi-1/training",
        metavar="WHERE",
        help=f"the tasks: {WHERE_HELP}; default: %(default)s",
    )
    parser.add_argument(
        "--output",
        default="runs/studies/input-distribution",
        metavar="DIR",
        help="folder of the report; default: %(default)s",
    )
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    from arcflow.sources.files.by_name import named

    for name in REPORT_FILES:
        inputs = [options.inputs, *task_files(options.tasks)]
        refuse_overwriting("--output", Path(options.output) / name, inputs)
    generated = read_generated(options.inputs)
    tasks = {task.id: task for task in named(options.tasks)}
    original: dict[str, Sequence[Grid]] = {
        task_id: [pair.input for pair in (*tasks[task_id].train, *tasks[task_id].test)]
        for task_id in generated
        if task_id in tasks
    }
    sets: Sets = {"original": original, "generated": generated}
    found = compare(sets, "original")
    counts = Counter(len(grids) for grids in generated.values())
    title = f"Inputs written by a model, {len(found.ids)} tasks"
    files = write_report(found, sets, title, Path(options.output))
    print(summary(found))
    print(
        f"{len(generated)} tasks, {sum(map(len, generated.values()))} inputs, "
        f"{counts[0]} tasks without a new input"
    )
    print("out:", ", ".join(map(str, files)))
