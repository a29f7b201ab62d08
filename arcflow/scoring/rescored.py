"""Values of re-scoring in a journal: which answers have them, and whether they rank.

A model's answers hold their values themselves. A solver's answers are journaled as soon as they
are there, so the model's entry of the task holds what it makes of them, under :data:`RESCORED`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from arcflow.core.errors import DataError
from arcflow.core.grid import GridKey, grid_key, make_grid

RESCORED = "rescored"
"""The key of an entry under which the values of solvers' answers are."""

RANK_OPTION = "pass_n.rescore.rank"
"""The option, as a journal's header names it, that says whether the values rank."""

Entry = dict[str, Any]

Values = dict[tuple[str, int, GridKey], tuple[float, int]]
"""The value in nats and the number of views by task id, test index and answer."""


def solver_values(entries: Iterable[Mapping[str, Any]], where: str = "journal") -> Values:
    """Return the values of solvers' answers that the entries of a journal hold.

    Args:
        entries: The entries of one journal, or some of them.
        where: What they are, for error messages.

    Raises:
        DataError: A value is damaged.
    """
    found: Values = {}
    for entry in entries:
        listed = entry.get(RESCORED, [])
        try:
            for one in listed:
                key = grid_key(make_grid(one["grid"], f"{where}, {RESCORED}"))
                value, views = float(one["rescored"]), int(one["rescore_views"])
                if not math.isfinite(value):
                    raise ValueError("not a number")
                found[str(entry["task"]), int(one["test_index"]), key] = (value, views)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{where}: bad {RESCORED}",
                value=listed,
                expected="a list of objects with test_index, grid, rescored and rescore_views",
                next_step="Check that the file is the journal of an evaluation.",
            ) from error
    return found


def ranked_by_votes(header: Mapping[str, Any]) -> bool:
    """Return whether the run of a journal ranked by votes, whatever values it noted.

    Args:
        header: The first value of :func:`~arcflow.scoring.journal.read_journal`.
    """
    run = header.get("run")
    return isinstance(run, Mapping) and run.get(RANK_OPTION) == "votes"


def as_ranked(header: Mapping[str, Any], entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of a journal, without the values if its run ranked by votes.

    Args:
        header: The journal's header.
        entries: Its entries.
    """
    if not ranked_by_votes(header):
        return list(entries)
    return [
        {name: _plain(name, value) for name, value in entry.items() if name != RESCORED}
        for entry in entries
    ]


def _plain(name: str, value: Any) -> Any:
    """Return what an entry says under a name, without the values of its candidates."""
    if name != "candidates" or not isinstance(value, list):
        return value
    return [
        {key: of for key, of in one.items() if key not in ("rescored", "rescore_views")}
        if isinstance(one, Mapping)
        else one  # whoever reads it says what is wrong
        for one in value
    ]
