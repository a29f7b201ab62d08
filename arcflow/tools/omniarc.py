"""``arcflow omniarc``: which training tasks are solved in code, and the programs."""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from arcflow.core.errors import ConfigError
from arcflow.tools.run import run

TASKS = 400
"""ARC-AGI-1's training tasks."""


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow omniarc``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow omniarc",
        description="ARC-AGI-1's training tasks, solved in code.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    coverage = commands.add_parser(
        "coverage",
        help="try every program on its task and on RE-ARC's pairs of it, and count",
        description="Try every program on all pairs of its task and on fresh RE-ARC pairs, "
        "adapted to the original; the last line says how many tasks are solved.",
    )
    coverage.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes; default: all"
    )
    check = commands.add_parser(
        "check",
        help="try the programs of some tasks and show what is wrong",
        description="Try the programs of some tasks, and say of each pair what is wrong.",
    )
    check.add_argument("ids", nargs="+", metavar="ID", help="of a task")
    show = commands.add_parser(
        "show", help="print a task's program", description="Print programs as a model sees them."
    )
    show.add_argument("ids", nargs="+", metavar="ID", help="of a task")
    for command in (coverage, check):
        command.add_argument(
            "--samples",
            type=int,
            default=100,
            metavar="N",
            help="RE-ARC pairs a task; 0 for none; default: 100",
        )
        command.add_argument(
            "--seed", type=int, default=0, metavar="SEED", help="of these pairs; default: 0"
        )
    works = {"coverage": _coverage, "check": _check, "show": _show}
    return run(parser, lambda options: works[options.command](options), argv)


def _coverage(options: argparse.Namespace) -> None:
    from arcflow.omniarc.registry import programs

    _check_number("--samples", options.samples, 0)
    _check_number("--jobs", options.jobs, 1)
    ids = list(programs())
    jobs = [(task_id, options.samples, options.seed) for task_id in ids]
    solved = 0
    print(f"{'task':8}  {'pairs':>7}  {'RE-ARC':>6}  program")
    with ProcessPoolExecutor(options.jobs) as pool:
        for n, (counts, line) in enumerate(pool.map(_row, jobs, chunksize=4)):
            solved += counts
            print(line)
            if sys.stderr.isatty():
                print(f"{n + 1} of {len(ids)}", end="\r", file=sys.stderr)
    print(f"{solved} of {TASKS} training tasks")


def _row(job: tuple[str, int, int]) -> tuple[bool, str]:
    """Whether a task is solved, and its line."""
    from arcflow.omniarc.check import check
    from arcflow.omniarc.registry import find_program

    program = find_program(job[0])
    verdict = check(program, *job[1:])
    right = sum(not wrong for wrong in verdict.original)
    share = f"{verdict.rearc_share:.0%}" if verdict.rearc else "-"
    line = f"{job[0]}  {f'{right}/{len(verdict.original)}':>7}  {share:>6}  {program.concept}."
    line += program.name
    if verdict.reason:
        line += f" (RE-ARC: {verdict.reason})"
    if verdict.style:
        line += f" ({'; '.join(verdict.style)})"
    return verdict.counts, line if verdict.counts else f"{line}  NOT SOLVED"


def _check(options: argparse.Namespace) -> None:
    from arcflow.omniarc.check import check
    from arcflow.omniarc.registry import find_program

    _check_number("--samples", options.samples, 0)
    failed = 0
    for task_id in options.ids:
        program = find_program(task_id)
        verdict = check(program, options.samples, options.seed)
        failed += not verdict.counts
        print(
            f"{task_id} {program.name}: {'solved' if verdict.counts else 'NOT SOLVED'}, "
            f"RE-ARC {verdict.rearc_share:.0%}"
        )
        if verdict.reason:
            print(f"  RE-ARC: {verdict.reason}")
        wrong = [(f"pair {n}", what) for n, what in enumerate(verdict.original) if what]
        rearc = [(f"RE-ARC pair {n}", what) for n, what in enumerate(verdict.rearc) if what]
        for where, what in (*wrong, *rearc[:5]):
            print(f"  {where}: {what}")
        for what in verdict.style:
            print(f"  text: {what}")
    if failed:
        print(f"{failed} of {len(options.ids)} not solved")


def _show(options: argparse.Namespace) -> None:
    from arcflow.omniarc.registry import find_program

    for task_id in options.ids:
        print(find_program(task_id).source)


def _check_number(option: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(
            f"{option} is too small",
            value=value,
            expected=f"at least {least}",
            next_step=f"Correct {option}.",
        )
