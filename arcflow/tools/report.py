"""``arcflow report``: show evaluations as one HTML page, or compare two of them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from arcflow.core.errors import ConfigError
from arcflow.core.overwriting import refuse_overwriting
from arcflow.tools.run import WHERE_HELP, run, task_files

_ANSWERS = "journal of an evaluation, file of candidates, or submission"


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow report`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow report",
        description="Show an evaluation as one HTML page that opens from disk: of each task its "
        "pairs, the candidates with votes and sources, what is right, and how the wrong ones "
        "differ. `arcflow report compare A B` shows which tasks B gained and lost. Several files "
        "count as one evaluation with all their answers.",
        usage="arcflow report [compare] ANSWERS... --tasks WHERE [-o FILE] [--title TEXT]",
    )
    parser.add_argument("answers", nargs="+", metavar="ANSWERS", help=_ANSWERS)
    parser.add_argument(
        "--tasks",
        required=True,
        metavar="WHERE",
        help=f"the tasks, with their solutions if they are known: {WHERE_HELP}",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="report.html",
        help="the page to write; default: report.html",
    )
    parser.add_argument("--title", default="", metavar="TEXT", help="the heading of the page")
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    from arcflow.report.answers_file import read_entries
    from arcflow.report.write import write_comparison, write_report
    from arcflow.sources.files.by_name import named

    paths = list(options.answers)
    compare = paths[0] == "compare"
    if compare and len(paths) != 3:
        raise ConfigError(
            "compare: two files are compared",
            value=paths[1:],
            expected="`arcflow report compare A B`",
            next_step="Name one file of answers before and one after.",
        )
    paths = paths[compare:]
    refuse_overwriting("--output", options.output, [*paths, *task_files(options.tasks)])
    tasks = named(options.tasks)
    if compare:
        before, after = map(read_entries, paths)
        title = options.title or f"{Path(paths[0]).name} and {Path(paths[1]).name}"
        changes = write_comparison(options.output, title, tasks, before, after)
        counts = {word: list(changes.values()).count(word) for word in ("gained", "lost", "same")}
        print(
            f"{options.output}: {len(changes)} tasks that both have: {counts['gained']} gained, "
            f"{counts['lost']} lost, {counts['same']} the same"
        )
        for word in ("gained", "lost"):
            ids = [task_id for task_id, change in changes.items() if change == word]
            if ids:
                print(f"{word}: {', '.join(ids)}")
        return
    entries = [entry for path in paths for entry in read_entries(path)]
    title = options.title or ", ".join(Path(path).name for path in paths)
    found = write_report(options.output, title, tasks, entries)
    solved = sum(one.status == "solved" for one in found)
    print(f"{options.output}: {len(found)} tasks, {solved} solved")
    named_ids = {task.id for task in tasks}
    unknown = {entry["task"] for entry in entries} - named_ids
    if unknown:
        print(f"{len(unknown)} tasks of the answers are not in {options.tasks}: left out.")
