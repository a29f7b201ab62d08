"""Programs in files that anybody may have written, named for their task and run in the sandbox."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arcflow.core.errors import DataError
from arcflow.core.json_file import decode_text, read_bytes
from arcflow.core.task import Pair
from arcflow.omniarc.check import Verdict, difference, original_pairs, rearc_pairs
from arcflow.omniarc.feedback import result_feedback
from arcflow.omniarc.style import style_problems
from arcflow.omniarc.trial import RunPrograms
from arcflow.sandbox import Grids, Limits, Refused, Result, SyntaxProblem
from arcflow.sources.arc import load_split

LIMITS = Limits(seconds=5.0)
"""The limits of a program on one pair."""

_NAME = re.compile(r"[0-9a-f]{8}\.py")
_AS_SHOWN = "a file named for its task, such as 00d62c1b.py, that holds a function task(grid)"


@dataclass(frozen=True)
class ProgramFile:
    """A file with a program to try.

    Attributes:
        path: The path of the file.
        task_id: The id of the ARC-AGI-1 training task that the file is named for.
        text: The content of the file.
    """

    path: Path
    task_id: str
    text: str


def find_files(where: str) -> list[ProgramFile | DataError]:
    """Read the program in a file, or those in all files ``*.py`` of a folder.

    Args:
        where: The path of a file or a folder.

    Returns:
        The programs, sorted by file name; for a file in a folder that is named for no task, is too
        long for a program, or is not UTF-8 text, the error that says so.

    Raises:
        DataError: If nothing is there, or if the one file is none.
    """
    path = Path(where).expanduser()
    if not os.path.isdir(path):
        return [_read(path)]
    files = sorted(path.glob("*.py"))
    if not files:
        raise DataError(
            f"{path}: no programs in this folder",
            value=sorted(file.name for file in path.iterdir())[:5],
            expected=_AS_SHOWN,
            next_step="Name another folder; `arcflow omniarc show ID > ID.py` writes such a file.",
        )
    return [_read_or_error(file) for file in files]


def _read_or_error(path: Path) -> ProgramFile | DataError:
    try:
        return _read(path)
    except DataError as error:
        return error


def _read(path: Path) -> ProgramFile:
    is_file = os.path.isfile(path)  # unlike Path.is_file, it never raises
    if os.path.exists(path) and not is_file:
        raise DataError(
            f"{path}: neither a file nor a folder",
            value=path.name,
            expected=_AS_SHOWN,
            next_step="Check the path.",
        )
    if is_file and path.stat().st_size > LIMITS.text_bytes:
        raise DataError(
            f"{path}: too long for a program",
            value=f"{path.stat().st_size} bytes",
            expected=f"at most {LIMITS.text_bytes}",
            next_step="A program tells a rule in some lines; remove grids and other data from it.",
        )
    raw = read_bytes(path)
    if not _NAME.fullmatch(path.name):
        raise DataError(
            f"{path}: its name is no task's",
            value=path.name,
            expected=_AS_SHOWN,
            next_step="Rename the file to the task's id and .py.",
        )
    if not any(task.id == path.stem for task in load_split("arc-agi-1/training")):
        raise DataError(
            f"{path}: there is no such task",
            value=path.stem,
            expected="the id of an ARC-AGI-1 training task",
            next_step="Correct the file's name; `arcflow show arc-agi-1/training` shows the tasks.",
        )
    expected = "a program, which is UTF-8 text"
    return ProgramFile(
        path, path.stem, decode_text(raw, str(path), expected, "Save the file as UTF-8.")
    )


def check_file(run: RunPrograms, file: ProgramFile, samples: int, seed: int = 0) -> Verdict:
    """Try a program on everything that it has to solve, each pair by itself.

    RE-ARC's pairs are left out if a pair of the original is wrong.

    Args:
        run: The sandbox's function to run programs, with :data:`LIMITS`.
        file: The program.
        samples: The number of RE-ARC pairs to try.
        seed: The seed of the RE-ARC pairs.

    Returns:
        The results on all pairs; a text that is refused has the reason as its only style problem.
    """
    pairs = original_pairs(file.task_id)
    (first,) = run([file.text], [[pairs[0].input]])
    if isinstance(first, SyntaxProblem | Refused):
        return Verdict((), (), (_problem(first, pairs[0]),), "")
    original = [_problem(first, pairs[0]), *_problems(run, file.text, pairs[1:])]
    rearc: list[str] = []
    if not any(original):
        rearc = _problems(run, file.text, rearc_pairs(file.task_id, samples, seed))
    return Verdict(tuple(original), tuple(rearc), tuple(style_problems(file.text)), "")


def _problems(run: RunPrograms, text: str, pairs: Sequence[Pair]) -> list[str]:
    results = run([text] * len(pairs), [[pair.input] for pair in pairs])
    return [_problem(result, pair) for result, pair in zip(results, pairs, strict=True)]


def _problem(result: Result, pair: Pair) -> str:
    """Describe in a few words what is wrong with the result on one pair; "" if it is right."""
    if isinstance(result, Grids):
        return difference(result.outputs[0], pair.output)
    return result_feedback(result, [])
