"""Reading of task files and folders in every format, and of Kaggle's challenges with solutions."""

import logging
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from arcflow.core.errors import DataError, located
from arcflow.core.grid import Grid, make_grid
from arcflow.core.json_file import parse_json, read_json
from arcflow.core.task import Pair, Task
from arcflow.sources.files.formats import Format, task_of_line, tasks_of
from arcflow.sources.files.rows import is_pair
from arcflow.sources.files.text import (
    ENDINGS,
    LINES,
    are_lines,
    lines_of,
    read_text,
    read_value,
    stem_of,
)

_log = logging.getLogger(__name__)

_CHALLENGES, _SOLUTIONS = "_challenges.json", "_solutions.json"
_SPLITS = frozenset(("training", "train", "validation", "evaluation", "eval", "test"))


def solutions_beside(challenges: str | Path) -> Path | None:
    """Return the path of ``x_solutions.json`` beside ``x_challenges.json``, or None without one."""
    path = Path(challenges)
    if not path.name.endswith(_CHALLENGES):
        return None
    beside = path.with_name(path.name.removesuffix(_CHALLENGES) + _SOLUTIONS)
    return beside if beside.exists() else None


def read_tasks(
    path: str | Path,
    solutions: str | Path | None = None,
    form: Format = "auto",
    strict: bool = False,
    pairs: int = 3,
) -> list[Task]:
    """Return the tasks of one file, in its order.

    Args:
        path: A file of JSON or JSON lines, compressed by gzip or not, in one of the formats of
            :data:`~arcflow.sources.files.formats.Format`. The id of a single task is the file's
            stem.
        solutions: A file ``{id: [output of each test input]}``, as Kaggle's ``*_solutions.json``;
            None leaves test outputs as the file has them, hidden if it has none.
        form: What the file holds; "auto" detects it.
        strict: Whether a line that cannot be read is an error; otherwise it is named in a warning
            and left out.
        pairs: The number of train pairs of a task that is made from a list of pairs.

    Raises:
        DataError: Something is wrong; the message names the file, and the task and grid in it.
    """
    path = Path(path)
    if form == "lines" or path.name.endswith(LINES):
        tasks = _read_lines(read_text(path), path, form, strict, pairs)
    else:
        try:
            value = read_value(path)
        except DataError:
            text = read_text(path)
            if form != "auto" or not are_lines(text):
                raise
            tasks = _read_lines(text, path, form, strict, pairs)
        else:
            with located(str(path)):
                tasks = tasks_of(value, stem_of(path), str(path), form, pairs)
    return tasks if solutions is None else _solve(tasks, path, Path(solutions))


def read_folder(
    folder: str | Path, form: Format = "auto", strict: bool = False, pairs: int = 3
) -> list[Task]:
    """Return the tasks of the files in ``folder`` and in the folders inside it, ordered by path.

    A file of one task gives it the file's stem as id. If the file is named after its folder, as
    ConceptARC's ``Copy/Copy1.json``, or if two files have one stem, the folder's name comes first,
    ``"Copy/Copy1"``: the folder is the task's family.

    Args:
        folder: A folder of ``.json``, ``.jsonl`` and ``.ndjson`` files, compressed by gzip or not.
        form: What each file holds; "auto" detects it.
        strict: Whether a file that cannot be read is an error; otherwise it is named in a warning
            and left out. A file is taken whole or not at all, except for JSON lines, which are
            taken line by line.
        pairs: The number of train pairs of a task that is made from a list of pairs.

    Raises:
        DataError: There is no file, or none that can be read.
    """
    folder = Path(folder)
    named = name_files(find_files(folder), folder)
    tasks, bad = list[Task](), list[DataError]()
    for path, name in named:
        try:
            found = read_tasks(path, form=form, strict=strict, pairs=pairs)
        except DataError as error:
            if strict:
                raise
            bad.append(error)
            continue
        stem = stem_of(path)
        for task in found:
            inner = task.id == stem or task.id.startswith(f"{stem}/")
            task_id = name + task.id.removeprefix(stem) if inner else task.id
            tasks.append(replace(task, id=task_id, source=str(folder)))
    report_unreadable(bad, len(named), f"files in {folder}")
    return tasks


def find_files(folder: Path) -> list[Path]:
    """Return the files with tasks in a folder and in those inside it, in order, but hidden ones.

    Raises:
        DataError: There are no such files, or they are splits or Kaggle's files, of which one has
            to be chosen.
    """
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(ENDINGS)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    folders = sorted({path.parent.relative_to(folder) for path in found})
    splits = [inner for inner in folders if inner.name.lower() in _SPLITS]
    if len(splits) > 1:
        raise DataError(
            f"{folder}: several splits",
            value=[str(inner) for inner in splits[:5]],
            expected="a folder whose files can all be used",
            next_step=f"Name a folder inside it: {', '.join(map(str, splits[:5]))}.",
        )
    if not found:
        raise DataError(
            f"{folder}: no tasks",
            value=sorted(path.name for path in folder.iterdir())[:5] if folder.is_dir() else None,
            expected="a folder with one JSON file a task",
            next_step="Check the path.",
        )
    for path in found:
        if path.name.endswith((_CHALLENGES, _SOLUTIONS)):
            raise DataError(
                f"{folder}: Kaggle's files, each a set of tasks or of solutions",
                value=path.name,
                expected="a folder whose files can all be used",
                next_step="Name the challenges file by its own path.",
            )
    return found


def name_files(paths: Sequence[Path], folder: Path) -> list[tuple[Path, str]]:
    """Return each file with the id of its one task, which is the family if it has variations.

    Args:
        paths: The files.
        folder: The folder that they were found in.
    """
    times = Counter(stem_of(path) for path in paths)
    named = []
    for path in paths:
        stem, parent = stem_of(path), path.parent.name
        inside = path.parent != folder and (stem.startswith(parent) or times[stem] > 1)
        named.append((path, f"{parent}/{stem}" if inside else stem))
    return named


def report_unreadable(bad: Sequence[DataError], total: int, what: str) -> None:
    """Warn of what was left out, or raise the first error if nothing else is there.

    Args:
        bad: The error of each item that could not be read.
        total: The number of all items.
        what: What the items are, e.g. ``"files in my_tasks"``.

    Raises:
        DataError: No item could be read.
    """
    if bad and len(bad) == total:
        raise bad[0]
    if bad:
        more = f" And {len(bad) - 3} more." if len(bad) > 3 else ""
        _log.warning(
            "Left out, because they cannot be read: %d of %d %s. The others are used. %s%s",
            len(bad),
            total,
            what,
            " ".join(map(str, bad[:3])),
            more,
        )


def _read_lines(text: bytes, path: Path, form: Format, strict: bool, pairs: int) -> list[Task]:
    lines = lines_of(text)
    if not lines:
        raise DataError(
            f"{path}: no lines",
            value=text[:40],
            expected="a task a line",
            next_step="Check that the file holds ARC tasks.",
        )
    of_one = form not in ("auto", "lines", "task", "examples")
    if of_one or (form in ("auto", "lines") and is_pair_line(lines[0][1])):
        rows = read_rows(lines, path, strict)
        with located(str(path)):
            return tasks_of(rows, stem_of(path), str(path), form, pairs)
    tasks, bad = list[Task](), list[DataError]()
    for number, line in lines:
        try:
            tasks.append(read_line(line, path, number))
        except DataError as error:
            if strict:
                raise
            bad.append(error)
    report_unreadable(bad, len(lines), f"lines of {path}")
    return tasks


def is_pair_line(line: bytes) -> bool:
    """Return whether a line of a file is a pair, so that the file's lines are to be grouped."""
    try:
        return is_pair(parse_json(line, "line", True))
    except DataError:
        return False


def read_rows(lines: Sequence[tuple[int, bytes]], path: Path, strict: bool) -> list[object]:
    """Return the values of lines whose tasks are made of several lines each.

    Args:
        lines: The number and the text of each line.
        path: The file, for messages.
        strict: Whether a line that is not JSON is an error; otherwise it is named in a warning.

    Raises:
        DataError: No line is JSON, or one is not and ``strict`` is set.
    """
    rows, bad = list[object](), list[DataError]()
    for number, line in lines:
        try:
            rows.append(parse_json(line, f"{path}, line {number}", True))
        except DataError as error:
            if strict:
                raise
            bad.append(error)
    report_unreadable(bad, len(lines), f"lines of {path}")
    return rows


def read_line(line: bytes, path: Path, number: int) -> Task:
    """Return the task of one line of a file.

    A task without an id is named by file, line and content. The content is in the name because
    otherwise two files of one name would be taken for the same tasks.

    Args:
        line: The text of the line.
        path: The file, which becomes the task's source.
        number: The number of the line, from 1.

    Raises:
        DataError: The line holds no task, or a mistake; the message names file and line.
    """
    where = f"{path}, line {number}"
    value, content = parse_json(line, where, True), zlib.crc32(line.strip()) & 0xFFFFFF
    with located(where):
        return task_of_line(value, f"{stem_of(path)}:{number}:{content:06x}", str(path))


def _solve(tasks: list[Task], path: Path, solutions: Path) -> list[Task]:
    """Return ``tasks`` with the outputs of the solutions file, which must fit them exactly."""
    obj = read_json(solutions)
    if not isinstance(obj, dict):
        raise DataError(
            f"{solutions}: no solutions",
            value=type(obj).__name__,
            expected='an object {"task id": [output, ...]}',
            next_step="Check that the file holds ARC solutions.",
        )
    ids = {task.id for task in tasks}
    for missing, where, other in (
        ([task.id for task in tasks if task.id not in obj], solutions, path),
        ([task_id for task_id in obj if task_id not in ids], path, solutions),
    ):
        if missing:
            raise DataError(
                f"{where}: lacks {len(missing)} of the tasks in {other}",
                value=missing[:5],
                expected="challenges and solutions of the same tasks",
                next_step="Use the two files of one release, or leave the solutions out.",
            )
    return [_solved(task, obj[task.id], path, solutions) for task in tasks]


def _solved(task: Task, outputs: object, path: Path, solutions: Path) -> Task:
    if not isinstance(outputs, list) or len(outputs) != len(task.test):
        raise DataError(
            f"{solutions}: task {task.id}: another number of outputs than test inputs",
            value=len(outputs) if isinstance(outputs, list) else outputs,
            expected=f"a list of {len(task.test)}, as {path} has test inputs",
            next_step="Use the two files of one release, or leave the solutions out.",
        )
    with located(str(solutions)):
        grids: list[Grid] = [
            make_grid(output, f"task {task.id}, test output {i}")
            for i, output in enumerate(outputs)
        ]
    test = tuple(Pair(pair.input, grid) for pair, grid in zip(task.test, grids, strict=True))
    for i, (old, new) in enumerate(zip(task.test, test, strict=True)):
        if old.output is not None and old != new:
            raise DataError(
                f"{solutions}: task {task.id}, test output {i}: not the output in {path}",
                value=grids[i].tolist(),
                expected=f"{old.output.tolist()}",
                next_step="Use the two files of one release, or leave the solutions out.",
            )
    return replace(task, test=test)
