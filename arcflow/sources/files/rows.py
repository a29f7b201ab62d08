"""Rows of a table, as JSON lines or in one array: the id of each, and pairs grouped by it."""

from collections.abc import Mapping, Sequence
from typing import Any

from arcflow.core.errors import DataError

TASK_KEYS = ("id", "task_id", "uid", "name")
"""Where the id of a row that is a whole task is looked for, in this order."""

PAIR_KEYS = ("task_id", "id", "name")
"""Where the id of the task that a pair belongs to is looked for: beside it, id may be the row's."""


def row_id(row: object, keys: Sequence[str] = TASK_KEYS) -> str | None:
    """Return the id that a row has, or None if it has none.

    Args:
        row: The decoded JSON; an id is a text that is not empty, or an integer.
        keys: The keys to look at, the first one first.
    """
    if not isinstance(row, Mapping):
        return None
    said = (row[key] for key in keys if key in row)
    ids = (str(i) for i in said if isinstance(i, str | int) and not isinstance(i, bool))
    return next(filter(None, ids), None)


def table_rows(obj: object) -> Sequence[object] | None:
    """Return the rows of a table of tasks with ids, or None if a value is no such table.

    A table is an array of rows, of which one or more have an id; such an array as the one value of
    an object, under "data", "rows" or "tasks"; or an object of rows that all have an id, whose keys
    are no ids but the rows' numbers.
    """
    if isinstance(obj, Mapping):
        if len(obj) == 1 and next(iter(obj)) in ("data", "rows", "tasks"):
            obj = next(iter(obj.values()))
        elif list(obj) == [str(i) for i in range(len(obj))]:
            rows = list(obj.values())
            return rows if rows and all(row_id(row) is not None for row in rows) else None
    if not isinstance(obj, list) or any(is_pair(row) for row in obj):
        return None
    return obj if any(row_id(row) is not None for row in obj) else None


def is_pair(row: object) -> bool:
    """Return whether a row is one pair with its grids by name."""
    return isinstance(row, Mapping) and "input" in row and "train" not in row


def group_pairs(rows: Sequence[Any], name: str) -> dict[str, list[Any]]:
    """Return rows of pairs by the id of their task, in the order in which the ids come.

    Args:
        rows: The pairs; all of them have the id of a task, or none has.
        name: The id of the one task that pairs without ids are of.

    Raises:
        DataError: Some rows have an id and others have none.
    """
    if not rows:
        return {name: []}
    grouped: dict[str | None, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row_id(row, PAIR_KEYS), []).append(row)
    if None not in grouped:
        return {task_id: found for task_id, found in grouped.items() if task_id is not None}
    if len(grouped) > 1:
        number = next(i for i, row in enumerate(rows) if row_id(row, PAIR_KEYS) is None)
        raise DataError(
            f"pair {number} has no id of a task, although others have one",
            value=sorted(map(str, rows[number]))
            if isinstance(rows[number], Mapping)
            else type(rows[number]).__name__,
            expected=f"one of {', '.join(PAIR_KEYS)} in every row, or in none",
            next_step="Give the row the id of its task, or remove it.",
        )
    return {name: grouped[None]}
