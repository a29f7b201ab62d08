"""Files and folders of tasks in every format; Kaggle's challenges with their solutions."""

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
    """``x_solutions.json`` in the folder of ``x_challenges.json``, if it is there."""
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
    """The tasks of one file, in its order.

    Args:
        path: JSON or JSON lines, packed by gzip or not, as :data:`Format` says. A single task's
            id is the file's stem.
        solutions: ``{id: [output of each test input]}`` as Kaggle's ``*_solutions.json``;
            None leaves test outputs as the file has them, hidden where it has none.
        form: what the file holds; "auto" looks.
        strict: a line that cannot be read stops, and is not just left out and named.
        pairs: where the file holds pairs, train pairs of a task that is cut from them.

    Raises:
        DataError: naming the file, and the task and grid in it, that is wrong.
    """
    path = Path(path)
    if form == "lines" or (form == "auto" and path.name.endswith(LINES)):
        tasks = _read_lines(read_text(path), path, strict)
    else:
        try:
            value = read_value(path)
        except DataError:
            text = read_text(path)
            if form != "auto" or not are_lines(text):
                raise
            tasks = _read_lines(text, path, strict)
        else:
            with located(str(path)):
                tasks = tasks_of(value, stem_of(path), str(path), form, pairs)
    return tasks if solutions is None else _solve(tasks, path, Path(solutions))


def read_folder(
    folder: str | Path, form: Format = "auto", strict: bool = False, pairs: int = 3
) -> list[Task]:
    """The tasks of the files in ``folder`` and in the folders inside it, by path.

    A file of one task gives it the file's stem as id. Where the file is called after its folder,
    as ConceptARC's ``Copy/Copy1.json``, or where two files have one stem, the folder's name comes
    first, ``"Copy/Copy1"``: the folder is the task's family.

    Args:
        folder: of ``.json``, ``.jsonl`` and ``.ndjson`` files, packed by gzip or not.
        form: what each file holds; "auto" looks.
        strict: a file that cannot be read stops, and is not just left out and named. A file is
            taken whole or not at all, but for JSON lines, of which each is taken or not.
        pairs: as for :func:`read_tasks`.

    Raises:
        DataError: there is none, or none that can be read.
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
    """The files with tasks in a folder and in those inside it, in order, hidden ones left out.

    Raises:
        DataError: there are none, or they are splits or Kaggle's files, of which one has to be
            chosen.
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
    """Each file with the id that its one task gets, or the family of its variations."""
    times = Counter(stem_of(path) for path in paths)
    named = []
    for path in paths:
        stem, parent = stem_of(path), path.parent.name
        inside = path.parent != folder and (stem.startswith(parent) or times[stem] > 1)
        named.append((path, f"{parent}/{stem}" if inside else stem))
    return named


def report_unreadable(bad: Sequence[DataError], total: int, what: str) -> None:
    """Warn of what was left out; where nothing else is there, raise the first error.

    Args:
        bad: an error for each.
        total: of which so many could not be read.
        what: what they are, e.g. ``"files in my_tasks"``.

    Raises:
        DataError: none could be read.
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


def _read_lines(text: bytes, path: Path, strict: bool) -> list[Task]:
    lines = lines_of(text)
    if not lines:
        raise DataError(
            f"{path}: no lines",
            value=text[:40],
            expected="a task a line",
            next_step="Check that the file holds ARC tasks.",
        )
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


def read_line(line: bytes, path: Path, number: int) -> Task:
    """The task of one line of a file; one without an id is named by file, line and content.

    Content, because two files of one name would else be taken for the same tasks.

    Raises:
        DataError: naming file and line.
    """
    where = f"{path}, line {number}"
    value, content = parse_json(line, where, True), zlib.crc32(line.strip()) & 0xFFFFFF
    with located(where):
        return task_of_line(value, f"{stem_of(path)}:{number}:{content:06x}", str(path))


def _solve(tasks: list[Task], path: Path, solutions: Path) -> list[Task]:
    """``tasks`` with the outputs of the solutions file, which must fit them exactly."""
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
