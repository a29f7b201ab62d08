"""Grid: the checked way in is fast for what is right and exact about what is wrong."""

import pickle
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import DataError
from arcflow.core.grid import MAX_SIDE, N_COLORS, freeze, grid_key, make_grid

cells = st.integers(0, N_COLORS - 1)
right = st.integers(1, MAX_SIDE).flatmap(
    lambda width: st.lists(
        st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=MAX_SIDE
    )
)


@settings(deadline=None)
@given(right)
def test_rows_become_a_read_only_grid(rows: list[list[int]]) -> None:
    grids = [make_grid(form) for form in (rows, tuple(map(tuple, rows)), np.array(rows))]
    for grid in grids:
        assert grid.dtype == np.int8
        assert grid.tolist() == rows
        assert grid.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            grid[0, 0] = 1
        assert grid_key(grid) == grid_key(freeze(np.array(rows, dtype=np.int8)))
        assert pickle.loads(pickle.dumps(grid)).tolist() == rows


@settings(deadline=None)
@given(right, st.data())
def test_one_wrong_cell_is_named(rows: list[list[Any]], data: st.DataObject) -> None:
    r = data.draw(st.integers(0, len(rows) - 1))
    c = data.draw(st.integers(0, len(rows[0]) - 1))
    bad = data.draw(
        st.sampled_from([10, -1, 255, 256, 10**30, True, False, 1.0, "1", None, [1], np.int8(3)])
    )
    rows[r][c] = bad
    with pytest.raises(DataError) as error:
        make_grid(rows, "here")
    assert str(error.value) == (
        f"here: bad cell at row {r}, column {c}: got {bad!r}. Expected an integer 0..9. Correct "
        "the grid in its file or generator."
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "not a grid: got []. Expected a list of 1 to 30 rows."),
        (None, "not a grid: got None. Expected a list of 1 to 30 rows."),
        ("12", "not a grid: got '12'. Expected a list of 1 to 30 rows."),
        ({"a": 1}, "not a grid: got {'a': 1}. Expected a list of 1 to 30 rows."),
        (b"12", "not a grid: got b'12'. Expected a list of 1 to 30 rows."),
        ([[1]] * 31, "too many rows: got 31. Expected 1 to 30 rows."),
        ([[]], "bad row 0: got 0. Expected a list of 1 to 30 cells."),
        ([[1] * 31], "bad row 0: got 31. Expected a list of 1 to 30 cells."),
        ([[1], 2], "bad row 1: got 2. Expected a list of 1 to 30 cells."),
        (["1"], "bad row 0: got '1'. Expected a list of 1 to 30 cells."),
        ([[1, 2], [3]], "ragged rows, row 1 has another length than row 0: got 1. Expected 2"),
        ([[1], []], "bad row 1: got 0. Expected a list of 1 to 30 cells."),
        (np.zeros((2, 2)), "not a grid: got 'array of shape (2, 2), dtype float64'."),
        (np.zeros(2, dtype=int), "not a grid: got 'array of shape (2,), dtype int64'."),
        (np.zeros((2, 2), dtype=bool), "not a grid: got 'array of shape (2, 2), dtype bool'."),
        (np.full((1, 1), 300), "bad cell at row 0, column 0: got 300. Expected an integer 0..9."),
    ],
)
def test_what_is_no_grid_is_told(rows: Any, message: str) -> None:
    with pytest.raises(DataError) as error:
        make_grid(rows, "here")
    assert str(error.value).startswith(f"here: {message}")


def test_integers_of_other_classes_are_integers() -> None:
    colour = IntEnum("colour", {"blue": 1})
    assert make_grid([[colour.blue, 2]]).tolist() == [[1, 2]]  # type: ignore[attr-defined]
