"""Entries of a report, from a journal, from a file of candidates or from a submission."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid
from arcflow.core.json_file import read_bytes
from arcflow.scoring.journal import is_journal, read_journal
from arcflow.scoring.rescored import as_ranked
from arcflow.scoring.submission import PLACEHOLDER, read_submission
from arcflow.scoring.voting import candidate_to_dict, read_answers

Entry = dict[str, Any]


def read_entries(path: str | Path) -> list[Entry]:
    """Return the entries that :func:`~arcflow.report.contents.gather` takes.

    Args:
        path: A journal; a submission, whose two attempts become two answers in their order, the
            placeholder left out; or a file of candidates, one JSON object a line.

    Raises:
        DataError: The file cannot be read, or is none of these.
    """
    data = read_bytes(path)
    if is_journal(data):
        header, entries = read_journal(path)
        return [
            _checked(entry, f"{path}, line {number}")
            for number, entry in enumerate(as_ranked(header, entries), start=2)
        ]
    name = Path(path).stem
    if begins_as_submission(data):
        return [
            {
                "task": task_id,
                "variant": name,
                "candidates": [
                    candidate
                    for index, attempts in enumerate(inputs)
                    for candidate in _attempts(task_id, index, attempts)
                ],
            }
            for task_id, inputs in read_submission(path).items()
        ]
    return [
        {"task": task_id, "variant": name, "candidates": [candidate_to_dict(c) for c in found]}
        for task_id, found in read_answers(path).items()
    ]


def _checked(entry: Entry, where: str) -> Entry:
    for key, kind in (("task", str), ("variant", str), ("candidates", list)):
        if not isinstance(entry.get(key), kind):
            raise DataError(
                f"{where}: no journal of an evaluation",
                value={key: entry.get(key)},
                expected=f"an entry with {key!r}, a {kind.__name__}",
                next_step="Give the journal of validate, test, predict or solve.",
            )
    losses = entry.get("losses", [])
    pairs = isinstance(losses, list) and all(isinstance(p, list) and len(p) == 2 for p in losses)
    if not pairs or not all(isinstance(x, int | float) for point in losses for x in point):
        raise DataError(
            f"{where}: no losses of fine-tuning",
            value={"losses": losses},
            expected="a list of [step, loss]",
            next_step="Give the journal as the evaluation wrote it.",
        )
    return entry


def begins_as_submission(data: bytes) -> bool:
    """Return whether a file that begins with these bytes is a submission."""
    # A file of candidates has one object a line, each with this key.
    return b'"attempt_1"' in data[:100_000]


def _attempts(task_id: str, index: int, attempts: Iterable[Grid]) -> list[Entry]:
    # The log-probability keeps the attempts in their order: both have one vote.
    return [
        {
            "task_id": task_id,
            "test_index": index,
            "grid": grid.tolist(),
            "log_prob": -float(place),
            "n_tokens": 1,
        }
        for place, grid in enumerate(attempts)
        if not np.array_equal(grid, PLACEHOLDER)
    ]
