"""Formats of task files: what a JSON value holds, and the tasks that it is made into."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair, Task, task_from_json
from arcflow.sources.files.rows import group_pairs, row_id, table_rows

Format = Literal["auto", "task", "tasks", "variations", "pairs", "examples", "lines"]
"""What a file holds; "auto" detects it.

Each name, and what a file of this kind looks like::

    task        {"train": [{"input", "output"}, ...], "test": [...]}
    tasks       {id: any of the others but lines}
    variations  [task, task, ...], of one task; with ids of their own, tasks
    pairs       [{"input", "output"}, ...] or [[input, output], ...], of one task, as RE-ARC's;
                with ids, [{"task_id", "input", "output"}, ...], of the tasks that they name
    examples    {"examples": [[input, output], ...], "source": program}, as BARC's
    lines       one task or examples on each line, which may have an id; or one pair on each
"""

Part = Literal["task", "tasks", "variations", "pairs", "examples"]


def recognise(obj: object) -> Part | None:
    """Return the format of a value, or None if it is none of them."""
    if isinstance(obj, Mapping):
        said = [obj[key] for key in ("train", "test") if key in obj]
        if said and not all(isinstance(part, Mapping) and part for part in said):
            return "task"
        if isinstance(obj.get("examples"), list):
            return "examples"
        return "tasks" if obj else None
    if not isinstance(obj, list) or not obj:
        return None
    first = obj[0]
    if isinstance(first, Mapping):
        return "pairs" if "input" in first else "variations"
    return "pairs" if _is_couple(first) else None


def tasks_of(
    obj: object, name: str, source: str, form: Format = "auto", pairs: int = 3
) -> list[Task]:
    """Return the tasks that a value holds.

    Args:
        obj: The decoded JSON.
        name: The id of the one task, or the family of its variations.
        source: The source to record on the tasks.
        form: What the value is; "lines" counts as "auto".
        pairs: The number of train pairs of the tasks that a list of pairs is cut into; each has one
            test pair.

    Raises:
        DataError: The value is not what it should be; the message names the task and the grid.
    """
    found = recognise(obj)
    part = found if form in ("auto", "lines") else form
    if part in _BY_ID and found == "tasks" and isinstance(obj, Mapping):
        return [t for key, value in obj.items() for t in _as_part(part, value, key, source, pairs)]
    if part == "pairs" and isinstance(obj, list):
        grouped = group_pairs(obj, name).items()
        return [task for key, of in grouped for task in _as_part(part, of, key, source, pairs)]
    rows = table_rows(obj) if form in ("auto", "lines", "tasks") else None
    if rows is not None:
        return _rows(rows, name, source)
    if part == "tasks" and isinstance(obj, Mapping) and obj:
        return [
            task for key, value in obj.items() for task in _tasks_of_one(value, key, source, pairs)
        ]
    if part is None or part == "tasks":
        raise DataError(
            "no tasks",
            value=obj if isinstance(obj, dict) else type(obj).__name__,
            expected='an object {"task id": {"train": [...], "test": [...]}}',
            next_step="Check that the file holds ARC tasks.",
        )
    return _as_part(part, obj, name, source, pairs)


_BY_ID = ("variations", "pairs", "examples")


def _rows(rows: Sequence[object], name: str, source: str) -> list[Task]:
    """Return the tasks of rows that have ids; one without is named by its number."""
    return [
        (_examples if recognise(row) == "examples" else _task)(
            row, row_id(row) or f"{name}/{i}", source
        )
        for i, row in enumerate(rows)
    ]


def _tasks_of_one(obj: object, name: str, source: str, pairs: int) -> list[Task]:
    part = recognise(obj)
    # An object inside an object, or a value of no format, is read as a task to report its mistake.
    return _as_part("task" if part in (None, "tasks") else part, obj, name, source, pairs)


def _as_part(part: str, obj: object, name: str, source: str, pairs: int) -> list[Task]:
    if part == "task":
        return [_task(obj, name, source)]
    if part == "examples":
        return [_examples(obj, name, source)]
    if part == "pairs":
        return _cut(read_pairs(obj, name), name, source, pairs)
    if not isinstance(obj, list):
        raise DataError(
            f"task {name}: not a list of its variations",
            value=type(obj).__name__,
            expected="a list of tasks",
            next_step="Set format to 'auto', or to what the file holds.",
        )
    return [
        (_examples if recognise(item) == "examples" else _task)(item, f"{name}/{i}", source)
        for i, item in enumerate(obj)
    ]


def task_of_line(obj: object, name: str, source: str) -> Task:
    """Return the task of one line, which is a task or examples.

    Args:
        obj: The decoded JSON of the line.
        name: The id of a task that has none of its own.
        source: The source to record on the task.

    Raises:
        DataError: The value is neither, or has a mistake.
    """
    if not isinstance(obj, Mapping) or recognise(obj) not in ("task", "examples"):
        raise DataError(
            f"task {name}: neither a task nor examples",
            value=list(obj)[:5] if isinstance(obj, Mapping) else type(obj).__name__,
            expected='an object with "train" and "test", or with "examples"',
            next_step="Check that every line is one task.",
        )
    read = _examples if recognise(obj) == "examples" else _task
    return read(obj, row_id(obj) or name, source)


def read_pairs(obj: object, name: str) -> list[Pair]:
    """Return the pairs in a list of pairs, with every output known.

    Args:
        obj: The decoded JSON.
        name: The id of the task, for error messages.

    Raises:
        DataError: The value is no list of pairs, or one of them is wrong.
    """
    if not isinstance(obj, list) or not obj:
        raise DataError(
            f"task {name}: no pairs",
            value=type(obj).__name__ if not isinstance(obj, list) else obj,
            expected='a list of {"input": rows, "output": rows}',
            next_step="Check that the file holds pairs.",
        )
    return [read_pair(item, f"task {name}, pair {i}") for i, item in enumerate(obj)]


def read_pair(item: object, where: str) -> Pair:
    """Return the pair that ``{"input", "output"}`` or ``[input, output]`` describes.

    Args:
        item: The decoded JSON.
        where: What the pair is, for error messages.

    Raises:
        DataError: The value is neither, or a grid is wrong.
    """
    if isinstance(item, Mapping) and "input" in item and "output" in item:
        item = [item["input"], item["output"]]
    if not isinstance(item, list) or len(item) != 2:
        raise DataError(
            f"{where}: not a pair",
            value=item,
            expected='{"input": rows, "output": rows} or [input, output]',
            next_step="Check the pair in its file.",
        )
    grids: list[Grid] = [
        make_grid(cells, f"{where}, {side}")
        for cells, side in zip(item, ("input", "output"), strict=True)
    ]
    return Pair(grids[0], grids[1])


def _examples(obj: object, name: str, source: str) -> Task:
    """Return a row's examples as a task, with the last one as its test pair."""
    found = obj.get("examples") if isinstance(obj, Mapping) else None
    pairs = read_pairs(found, name)
    if len(pairs) < 2:
        raise _too_few(name, len(pairs))
    code = obj.get("source") if isinstance(obj, Mapping) else None
    return Task(
        name, tuple(pairs[:-1]), tuple(pairs[-1:]), source, code if isinstance(code, str) else None
    )


def _cut(pairs: Sequence[Pair], name: str, source: str, n: int) -> list[Task]:
    if len(pairs) < 2:
        raise _too_few(name, len(pairs))
    groups = [pairs[i : i + n + 1] for i in range(0, len(pairs), n + 1)]
    return [
        Task(f"{name}/{i}", tuple(group[:-1]), tuple(group[-1:]), source)
        for i, group in enumerate(groups)
        if len(group) > 1
    ]


def _too_few(name: str, n: int) -> DataError:
    return DataError(
        f"task {name}: too few pairs",
        value=n,
        expected="at least 2: one to learn from and one to solve",
        next_step="Leave the task out.",
    )


def _task(obj: object, name: str, source: str) -> Task:
    try:
        return task_from_json(name, obj, source)
    except DataError:
        if not isinstance(obj, Mapping) or not _is_edited(obj):
            raise
        return task_from_json(name, _plain(obj), source)


def _is_edited(obj: Mapping[str, Any]) -> bool:
    """Return whether cells are as ARC's testing interface saves them, as in Mini-ARC's files.

    Colours are then digits in quotes, and cells never touched are 0 or null. Anything else beside a
    digit in quotes is a mistake, and so is null without any.
    """
    cells: set[object] = set()

    def look(value: object, levels: int) -> None:
        if isinstance(value, list | Mapping) and levels == 0:
            cells.add("nested as no task is")
        elif isinstance(value, list):
            for item in value:
                look(item, levels - 1)
        elif isinstance(value, Mapping):
            for key in ("input", "output"):
                look(value.get(key), levels - 1)
        else:
            cells.add(value if isinstance(value, str | int) else repr(value))

    look(obj.get("train"), 4)  # pairs, a pair, rows, cells
    look(obj.get("test"), 4)
    digits = cells & _DIGITS
    return bool(digits) and cells - digits <= {0, "None"}


_DIGITS = frozenset("0123456789")


def _plain(value: object) -> Any:
    if isinstance(value, list):
        return [0 if item is None else _plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if key in _KEYS}
    return int(value) if isinstance(value, str) and len(value) == 1 else value


_KEYS = ("train", "test", "input", "output")


def _is_couple(item: object) -> bool:
    """Return whether a value looks like two grids, judging by its outermost lists."""
    return (
        isinstance(item, list)
        and len(item) == 2
        and all(isinstance(grid, list) and grid and isinstance(grid[0], list) for grid in item)
    )
