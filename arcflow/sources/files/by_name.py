"""Tasks by name: a published split, a file or a folder."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from arcflow.core.errors import DataError
from arcflow.core.task import Task
from arcflow.sources.arc import SPLITS, load_split
from arcflow.sources.files.formats import Format
from arcflow.sources.files.read import read_folder, read_tasks, solutions_beside


def named(
    name: str,
    solutions: str | None = None,
    form: Format = "auto",
    strict: bool = False,
    pairs: int = 3,
) -> list[Task]:
    """Return the tasks that ``name`` stands for.

    Args:
        name: ``"arc-agi-1/training"``, ``"arc-agi-1/evaluation"``, ``"arc-agi-2/training"`` or
            ``"arc-agi-2/evaluation"``; or the path of a file or a folder in any supported format.
        solutions: The solutions file of a challenges file; None takes ``x_solutions.json`` beside
            ``x_challenges.json`` if it is there.
        form: What the file, or each of the folder's files, holds; "auto" detects it.
        strict: Whether a file of a folder, or a line, that cannot be read is an error; otherwise it
            is named in a warning and left out.
        pairs: The number of train pairs of a task that is made from a list of pairs.

    Raises:
        DataError: Nothing has this name, or what has it is not what it should be.
    """
    path = Path(name).expanduser()
    if name not in SPLITS and path.is_file():
        return read_tasks(path, solutions or solutions_beside(path), form, strict, pairs)
    if solutions is not None:
        raise DataError(
            "solutions belong to a challenges file",
            value=name,
            expected=f"the path of a challenges file, for the solutions {solutions}",
            next_step="Name the challenges file, or leave the solutions out.",
        )
    if name in SPLITS:
        return list(load_split(name))
    if name and path.is_dir():
        return read_folder(path, form, strict, pairs)
    near = difflib.get_close_matches(name.lower(), SPLITS, n=1)
    raise DataError(
        "unknown tasks",
        value=name,
        expected=f"{', '.join(SPLITS)}, or the path of a JSON file or a folder that exists",
        next_step=f"Did you mean {near[0]}?" if near else "Check the name or the path.",
    )


def join(
    names: Sequence[str],
    duplicates: Literal["refuse", "first"] = "refuse",
    solutions: str | None = None,
    form: Format = "auto",
    strict: bool = False,
    pairs: int = 3,
) -> list[Task]:
    """Return the tasks of several names, one after the other.

    Args:
        names: The names, each as for :func:`named`.
        duplicates: Whether two tasks with one id are refused, or the first one is taken.
        solutions: The solutions file, as for :func:`named`, if there is one name.
        form: What each file holds, as for :func:`named`.
        strict: Whether unreadable files and lines are errors, as for :func:`named`.
        pairs: The number of train pairs, as for :func:`named`.

    Raises:
        DataError: A name is unknown, a file is bad, or an id occurs twice, of which the message
            says where.
    """
    found: dict[str, Task] = {}
    twice: list[str] = []
    for name in names:
        for task in named(name, solutions, form, strict, pairs):
            if task.id in found:
                twice.append(task.id)
            else:
                found[task.id] = task
    if twice and duplicates == "refuse":
        raise DataError(
            f"duplicate task ids: {len(twice)} in {' and '.join(names)}",
            value=twice[:5],
            expected="every id once",
            next_step="Name one of the sources only, or set duplicates to 'first' to take each "
            "id from the first source that has it.",
        )
    return list(found.values())
