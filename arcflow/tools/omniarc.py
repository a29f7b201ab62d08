"""``arcflow omniarc``: check and show the programs that solve training tasks."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from arcflow.core.errors import DataError
from arcflow.tools.run import check_number, run

if TYPE_CHECKING:
    from arcflow.omniarc.check import Verdict

TASKS = 400
"""The number of ARC-AGI-1's training tasks."""


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow omniarc`` and return its exit code."""
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
        help="try some programs, or those in files, and show what is wrong",
        description="Try programs, and say of each pair what is wrong; ends with 1 where one does "
        "not solve its task.",
    )
    check.add_argument(
        "programs",
        nargs="+",
        metavar="PROGRAM",
        help="a task's id; or a file named for its task (ID.py) that holds task(grid) as `show` "
        "prints it, or a folder of such files: these run in the sandbox",
    )
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

    _check_numbers(options)
    check_number("--jobs", options.jobs, 1)
    ids = list(programs())
    jobs = [(task_id, options.samples, options.seed) for task_id in ids]
    solved = 0
    print(f"{'task':8}  {'pairs':>7}  {'RE-ARC':>6}  program", flush=True)
    # Ctrl-C goes to all processes of a terminal; the workers end at once and print nothing.
    ends = (signal.SIGINT, signal.SIG_DFL)
    pool = ProcessPoolExecutor(min(options.jobs, len(ids)), None, signal.signal, ends)
    try:
        for n, (counts, line) in enumerate(pool.map(_row, jobs, chunksize=4)):
            solved += counts
            print(line, flush=True)
            if sys.stderr.isatty():
                print(f"{n + 1} of {len(ids)}", end="\r", file=sys.stderr)
    finally:
        pool.shutdown(cancel_futures=True)
    print(f"{solved} of {TASKS} training tasks")


def _row(job: tuple[str, int, int]) -> tuple[bool, str]:
    """Return whether a task is solved, and its line of the table."""
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
    from arcflow.omniarc.program_files import LIMITS, ProgramFile, check_file, find_files
    from arcflow.omniarc.registry import Program, find_program
    from arcflow.sandbox import Sandbox

    _check_numbers(options)
    found: list[Program | ProgramFile | DataError] = []
    for word in dict.fromkeys(options.programs):
        found += find_files(word) if _is_path(word) else [find_program(word)]
    failed = 0
    with ExitStack() as stack:
        sandbox: Sandbox | None = None
        for one in found:
            if isinstance(one, DataError):  # one of a folder's files, beside which others are tried
                print(f"NOT READ: {one}")
                failed += 1
                continue
            if isinstance(one, Program):
                name = f"{one.task_id} {one.name}"
                verdict = check(one, options.samples, options.seed)
            else:
                if sandbox is None:
                    sandbox = stack.enter_context(Sandbox(limits=LIMITS))
                name = str(one.path)
                verdict = check_file(sandbox.run, one, options.samples, options.seed)
            failed += not verdict.counts
            _tell(name, verdict)
    if failed:
        print(f"{failed} of {len(found)} not solved")
        raise SystemExit(1)


def _tell(name: str, verdict: "Verdict") -> None:
    """Print the verdict on one program."""
    share = f"{verdict.rearc_share:.0%}" if verdict.rearc else "not tried"
    print(f"{name}: {'solved' if verdict.counts else 'NOT SOLVED'}, RE-ARC {share}")
    if verdict.reason:
        print(f"  RE-ARC: {verdict.reason}")
    for line in (*_grouped("pair", verdict.original), *_grouped("RE-ARC pair", verdict.rearc)[:5]):
        print(f"  {line}")
    for what in verdict.style:
        print(f"  text: {what}")


def _grouped(name: str, problems: Sequence[str]) -> list[str]:
    """Return a line for each thing that is wrong, with the numbers of the pairs."""
    numbers: dict[str, list[str]] = {}
    for n, what in enumerate(problems):
        if what:
            numbers.setdefault(what, []).append(str(n))
    return [
        f"{name}{'s' * (len(which) > 1)} {', '.join(which)}: {what}"
        for what, which in numbers.items()
    ]


def _is_path(word: str) -> bool:
    """Return whether a word means a file or folder and not a task's id."""
    return "." in word or os.sep in word or os.path.exists(word)


def _show(options: argparse.Namespace) -> None:
    from arcflow.omniarc.registry import find_program

    for program in [find_program(task_id) for task_id in dict.fromkeys(options.ids)]:
        print(program.source)


def _check_numbers(options: argparse.Namespace) -> None:
    check_number("--samples", options.samples, 0)
    check_number("--seed", options.seed, 0)
