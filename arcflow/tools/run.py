"""Common parts of the light tools: how they end, and where they find tasks and solutions."""

import argparse
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from arcflow.core.errors import ArcflowError, ConfigError, DataError
from arcflow.core.grid import Grid, make_grid
from arcflow.core.json_file import read_json

USER_ERROR, INTERRUPTED, TERMINATED = 2, 130, 143

WHERE_HELP = (
    "arc-agi-1/training, arc-agi-1/evaluation, arc-agi-2/training, arc-agi-2/evaluation, "
    "a Kaggle challenges file, a one-task file or a folder of them"
)


def run(
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], None],
    argv: Sequence[str],
    interrupted: str = "",
) -> int:
    """Parse ``argv``, do the work, and return the exit code.

    Args:
        parser: The parser of the words.
        work: The function that does the work, given the parsed options.
        argv: The words after the tool's name.
        interrupted: What a user who interrupts the work should know.

    Returns:
        0 for success; 2 after a user's mistake, which is explained in one message on stderr; 1 if
        the reader of the output stopped reading, as ``| head`` does; 130 after an interrupt; 143
        where SIGTERM ended the work (see :func:`stop_at_sigterm`).
    """
    try:
        _check_options(parser, argv)
    except ConfigError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return USER_ERROR
    options = parser.parse_args(argv)
    collecting = gc.isenabled()
    # Reading a set of tasks makes a million lists and no cycle; collecting garbage in vain would
    # take half of the time of reading.
    gc.disable()
    try:
        work(options)
        sys.stdout.flush()
    except ArcflowError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return USER_ERROR
    except Terminated:
        print(f"{parser.prog}: ended by SIGTERM. {interrupted}".rstrip(), file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted. {interrupted}".rstrip(), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at its end, which would raise the error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        if collecting:
            gc.enable()
    return 0


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: whatever cleans up after Ctrl-C cleans up after it too."""


@contextmanager
def stop_at_sigterm() -> Iterator[None]:
    """End the work at SIGTERM as at Ctrl-C, so that no partial file and no process is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the question that a misspelt name calls for.

    Args:
        name: What the user wrote.
        known: What there is.

    Returns:
        ``"Did you mean X? "`` with a space after it, or nothing where no name is near.
    """
    near = get_close_matches(name, list(known), 1)
    return f"Did you mean {near[0]}? " if near else ""


def _check_options(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Refuse an option that is not spelt out, before argparse asks for what else is missing."""
    known = _options(parser)
    for word in argv:
        name = word.partition("=")[0]
        if name == "--":
            return
        if name.partition(".")[0] in known and "." in name:
            continue  # an option of a class that another option names; its parser knows
        if name.startswith("--") and name not in known:
            raise ConfigError(
                "no such option",
                value=name,
                expected=f"an option of `{parser.prog}`",
                next_step=f"{did_you_mean(name, known)}See `{parser.prog} --help`.",
            )


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """All options, those of subcommands among them."""
    known: list[str] = []
    for action in parser._actions:
        known += action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                known += _options(inner)
    return known


def task_files(where: str | None) -> list[str]:
    """Return the paths that a name of tasks may stand for, the file of their solutions included."""
    from arcflow.sources.files.read import solutions_beside

    if not where:
        return []
    beside = solutions_beside(where)
    return [where] if beside is None else [where, str(beside)]


def load_solutions(where: str) -> dict[str, list[Grid]]:
    """Return the true answer to each test input, by task id.

    Args:
        where: A Kaggle solutions file, or anything that names tasks with known answers.

    Raises:
        DataError: Nothing is there, it is malformed, or a task's answers are hidden.
    """
    from arcflow.sources.files.by_name import named

    path = Path(where).expanduser()
    if path.is_file():
        obj = read_json(path)
        if isinstance(obj, dict) and obj and all(isinstance(v, list) for v in obj.values()):
            is_task = {"train", "test"} == set(obj)
            if not is_task:
                return {task_id: _outputs(path, task_id, obj[task_id]) for task_id in obj}
    found: dict[str, list[Grid]] = {}
    for task in named(where):
        known = [pair.output for pair in task.test if pair.output is not None]
        if len(known) < len(task.test):
            raise DataError(
                f"task {task.id} of {where}: its answers are hidden",
                value=f"{len(known)} of {len(task.test)} test outputs",
                expected="tasks with solutions",
                next_step="Name the solutions file itself.",
            )
        found[task.id] = known
    return found


def _outputs(path: Path, task_id: str, outputs: list[object]) -> list[Grid]:
    where = f"{path}, task {task_id}"
    if not outputs:
        raise DataError(
            f"{where}: no outputs",
            value=outputs,
            expected="the output of each test input",
            next_step="Check that the file holds ARC solutions.",
        )
    return [make_grid(rows, f"{where}, output {i}") for i, rows in enumerate(outputs)]  # type: ignore[arg-type]


def check_number(option: str, value: int, least: int) -> None:
    """Refuse an option's number that is too small.

    Args:
        option: The name of the option, for the error message.
        value: The number that was given.
        least: The smallest allowed number.

    Raises:
        ConfigError: The value is below ``least``.
    """
    if value < least:
        raise ConfigError(
            f"{option} is too small",
            value=value,
            expected=f"at least {least}",
            next_step=f"Correct {option}, or leave it out.",
        )
