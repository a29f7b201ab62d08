"""``arcflow solve``: answer tasks without a model."""

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.overwriting import refuse_overwriting
from arcflow.core.task import Pair, Task
from arcflow.scoring.journal import read_journal
from arcflow.scoring.merge import rank_answers
from arcflow.scoring.voting import Candidate, by_test_input
from arcflow.solving.solvers import SOLVERS, check_solvers, cores
from arcflow.tools.run import WHERE_HELP, check_number, run, stop_at_sigterm, task_files
from arcflow.viz.terminal import best_colors, detect_colors, render_task

if TYPE_CHECKING:
    from arcflow.solving.run import SolveRun

_JOURNAL = ".journal.jsonl"
_DRAWN = 20
"""The largest number of tasks that are drawn without being asked."""


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow solve`` and return its exit code."""
    with stop_at_sigterm():
        return run(_parser(), _work, argv, "The same command goes on if it has an --output.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="arcflow solve",
        description="Answer tasks without a model: by search over grid functions, and by decision "
        "trees over cells. Shows the answers beside the test inputs; solved are tasks of which "
        "every test output is right within two attempts.",
    )
    parser.add_argument(
        "tasks", nargs="+", metavar="TASKS", help=f"a published task's id, or any of: {WHERE_HELP}"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the submission.json to write, valid from the first moment on; its journal "
        "(FILE.journal.jsonl, without .json) lets the same command go on after a kill",
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="time a task (default: 60)"
    )
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="processes (default: one a core)"
    )
    parser.add_argument(
        "--deadline",
        default="",
        metavar="WHEN",
        help='when to end: a duration from the start ("11h30m", "90m", seconds) or a time',
    )
    parser.add_argument(
        "--solvers",
        default=",".join(SOLVERS),
        metavar="NAMES",
        help=f"which solvers, with commas (default: {','.join(SOLVERS)})",
    )
    parser.add_argument(
        "--max-side", type=int, metavar="N", help="only tasks with no known side over N cells"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="begin anew instead of going on from a journal"
    )
    parser.add_argument(
        "--draw",
        action=argparse.BooleanOptionalAction,
        help=f"draw the answers (default: for up to {_DRAWN} tasks)",
    )
    parser.add_argument("--program", action="store_true", help="print the programs found as well")
    parser.add_argument(
        "--color",
        action=argparse.BooleanOptionalAction,
        help="coloured cells or digits; default: colours on a terminal where NO_COLOR is not set",
    )
    return parser


def _work(options: argparse.Namespace) -> None:
    solvers = check_solvers(options.solvers.split(","), "--solvers")
    if not 0 <= options.seconds < math.inf:
        raise ConfigError(
            "--seconds is no time",
            value=options.seconds,
            expected="0 or more seconds",
            next_step="Correct --seconds, or leave it out.",
        )
    check_number("--jobs", options.jobs, 0)
    deadline = _deadline(options.deadline)
    tasks = _tasks(options.tasks, options.max_side)
    output = None if options.output is None else Path(options.output)
    if output is not None and output.is_dir():
        raise DataError(
            "--output is a folder",
            value=options.output,
            expected="the path of a file",
            next_step=f"Name a file in it, e.g. {output / 'submission.json'}.",
        )
    if output is not None:
        read = [path for name in options.tasks for path in task_files(name)]
        refuse_overwriting("--output", output, read)
        refuse_overwriting("the journal of --output", output.with_suffix(_JOURNAL), read)

    from arcflow.solving.run import SolveRun

    solving = SolveRun(tasks, solvers, options.seconds, output, options.overwrite)
    drawn = len(tasks) <= _DRAWN if options.draw is None else options.draw
    try:
        with _Progress(solving) as progress:
            if progress.before:
                progress.say(f"{progress.before} of {len(tasks)} tasks are finished already.")
            report = _in_order(solving, lambda task: _draw(task, solving, options))
            if drawn:
                report(None)
            for task in solving.solve(options.jobs or cores(), deadline, progress.show):
                progress.add(task)
                if drawn:
                    report(task)
    finally:
        solving.close()
    print(_summary(solving))
    if output is not None:
        _write_page(output, tasks)


def _write_page(output: Path, tasks: Sequence[Task]) -> None:
    """Write the report beside the submission; it can be made again from the journal."""
    from arcflow.report.write import write_report

    page = output.with_suffix(".report.html")
    try:
        write_report(page, output.name, tasks, read_journal(output.with_suffix(_JOURNAL))[1])
    except DataError as error:
        print(f"arcflow solve: {error}", file=sys.stderr)
    else:
        print(f"report: {page}")


def _deadline(text: str) -> float | None:
    from arcflow.evaluation.time_budget import read_deadline

    deadline = read_deadline(text, time.time(), "deadline")
    if deadline is not None and deadline <= time.time():
        raise ConfigError(
            "--deadline has passed",
            value=text,
            expected="a time to come",
            next_step="Set a later --deadline.",
        )
    return deadline


def _tasks(names: Sequence[str], max_side: int | None) -> list[Task]:
    """Return the tasks that the words name, and that are small enough."""
    from arcflow.sources.files.by_name import named
    from arcflow.sources.select import TaskSelection, select_tasks

    found: dict[str, Task] = {}
    for name in names:
        single = _by_id(name)
        for task in [single] if single is not None else named(name):
            if task.id in found:
                raise DataError(
                    "a task is named twice",
                    value=task.id,
                    expected="every id once",
                    next_step="Leave one of the names out.",
                )
            found[task.id] = task
    selection = TaskSelection(max_side=max_side)
    return select_tasks(found.values(), selection)


def _by_id(name: str) -> Task | None:
    """Return the task with this id, or None if the word is a path or the name of a set."""
    from arcflow.sources.arc import SPLITS, find_task

    if name in SPLITS or Path(name).expanduser().exists():
        return None
    task = find_task(name)
    if task is None and "/" not in name and "." not in name:
        raise DataError(
            "no such task",
            value=name,
            expected=f"the id of a task in ARC-AGI-1 or ARC-AGI-2, {', '.join(SPLITS)}, or the "
            "path of a file or a folder that exists",
            next_step="Check the id or the path.",
        )
    return task


def _in_order(solving: "SolveRun", draw: Callable[[Task], None]) -> Callable[[Task | None], None]:
    """Return a function that draws finished tasks in the order of the list, as soon as it can."""
    waiting = iter(solving.tasks)
    upcoming = next(waiting, None)

    def report(_: Task | None) -> None:
        nonlocal upcoming
        while upcoming is not None and solving.finished(upcoming):
            draw(upcoming)
            upcoming = next(waiting, None)

    return report


def _draw(task: Task, solving: "SolveRun", options: argparse.Namespace) -> None:
    """Print the test inputs of a task with the answers beside them."""
    if options.color is None:
        colors = detect_colors(sys.stdout.isatty(), os.environ)
    else:
        colors = best_colors(os.environ) if options.color else "none"
    found = by_test_input(solving.candidates(task), task.id, len(task.test))
    pairs, notes = [], []
    for index, (pair, candidates) in enumerate(zip(task.test, found, strict=True)):
        attempts = [vote.grid for vote in rank_answers(candidates)[:2]]
        right = [a.tolist() == pair.output.tolist() for a in attempts if pair.output is not None]
        shown = right.index(True) if True in right else 0
        pairs.append(Pair(pair.input, attempts[shown] if attempts else None))
        notes.append(_note(index, pair, candidates, pairs[-1], shown, any(right)))
        if options.program:
            notes += _programs(candidates, pairs[-1])
    picture = Task(task.id, (), tuple(pairs), task.source)
    print(render_task(picture, colors, shutil.get_terminal_size().columns).rstrip("\n"))
    print("\n".join(notes), end="\n\n", flush=True)


def _note(
    index: int, pair: Pair, candidates: Sequence[Candidate], shown: Pair, place: int, right: bool
) -> str:
    """Return the line that says what became of a test input."""
    if shown.output is None:
        return f"test {index}: no answer"
    best = _given(candidates, shown)
    said = f"test {index}: "
    if pair.output is not None:
        said += "right, " if right else "wrong, "
    said += f"attempt {place + 1}"
    if best is not None:
        said += f" by {best.source}, confidence {best.confidence or 0.0:.0%}"
        said += f" ({best.view})" * bool(best.view)
    return said


def _given(candidates: Sequence[Candidate], shown: Pair) -> Candidate | None:
    """Return the surest candidate that gives the shown answer."""
    assert shown.output is not None
    same = [
        c for c in candidates if c.grid is not None and c.grid.tolist() == shown.output.tolist()
    ]
    return max(same, key=lambda c: c.confidence or 0.0, default=None)


def _programs(candidates: Sequence[Candidate], shown: Pair) -> Iterator[str]:
    if shown.output is not None:
        for candidate in candidates:
            same = candidate.grid is not None and candidate.grid.tolist() == shown.output.tolist()
            if same and candidate.text:
                yield candidate.text.rstrip("\n")
                return


def _summary(solving: "SolveRun") -> str:
    from arcflow.solving.run import is_solved

    done = [task for task in solving.tasks if solving.finished(task)]
    verdicts = [is_solved(task, solving.candidates(task)) for task in done]
    known = [verdict for verdict in verdicts if verdict is not None]
    answered = sum(_is_answered(task, solving) for task in done)
    said = f"{len(solving.tasks)} tasks, {answered} answered"
    if known:
        said += f", {sum(known)} of {len(known)} solved"
    if solving.left:
        said += f"; the deadline came before {len(solving.left)} tasks"
    return said + (f"\nsubmission: {solving.output}" if solving.output is not None else "")


def _is_answered(task: Task, solving: "SolveRun") -> bool:
    found = by_test_input(solving.candidates(task), task.id, len(task.test))
    return all(any(c.grid is not None for c in of_input) for of_input in found)


class _Progress:
    """A line on stderr: tasks done, solved or answered so far, and time left."""

    def __init__(self, solving: "SolveRun") -> None:
        from arcflow.solving.run import is_solved

        self._verdict, self._solving = is_solved, solving
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self.before = self._done = len(solving.tasks) - len(solving.left)
        self._good = sum(map(self._is_good, (t for t in solving.tasks if solving.finished(t))))
        self._known = all(pair.output is not None for t in solving.tasks for pair in t.test)
        self._shown = -math.inf

    def __enter__(self) -> "_Progress":
        self.show()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live:
            self.clear()

    def clear(self) -> None:
        """Remove the line, so that something else can be printed."""
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def say(self, words: str) -> None:
        """Print words on a line of their own."""
        if self._live:
            self.clear()
        print(f"arcflow solve: {words}", file=sys.stderr)

    def add(self, task: Task) -> None:
        """Count a finished task."""
        self._done += 1
        self._good += self._is_good(task)
        if self._live:
            self.clear()
        self.show()

    def show(self) -> None:
        """Print where the run is; where stderr is no terminal, at most every half a minute."""
        now = time.monotonic()
        done = self._done == len(self._solving.tasks)
        if not self._live and (now - self._shown < 30 and not done):
            return
        self._shown = now
        of, word = len(self._solving.tasks), "solved" if self._known else "answered"
        line = f"{self._done}/{of} tasks, {self._good} {word}"
        if self._solving.preparing:
            line += ", preparing the solvers (a minute or two, the first time on a machine)"
            self._began = now  # a task's time does not include it
        fresh = self._done - self.before
        if fresh and self._done < of:
            left = (now - self._began) / fresh * (of - self._done)
            line += f", {int(left) // 60}:{int(left) % 60:02d} left"
        start, end = ("\r\x1b[K", "") if self._live else ("", "\n")
        print(f"{start}{line}", end=end, file=sys.stderr, flush=True)

    def _is_good(self, task: Task) -> bool:
        verdict = self._verdict(task, self._solving.candidates(task))
        return _is_answered(task, self._solving) if verdict is None else verdict
