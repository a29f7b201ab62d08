"""Whatever a program or a call is, the pool answers in words and goes on."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from arcflow.core.grid import make_grid
from arcflow.sandbox import (
    Grids,
    Limits,
    Raised,
    Refused,
    Result,
    Sandbox,
    SandboxError,
    SyntaxProblem,
    run_programs,
)

GRID = make_grid([[1, 2], [3, 4]])
TURN = "def task(grid):\n    return np.rot90(grid)\n"
MEGABYTE = f"# {'x' * 999_000}\n{TURN}"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, Limits(seconds=5.0)) as running:
        yield running


def assert_alive(sandbox: Sandbox) -> None:
    """The same worker gives a right answer."""
    (result,) = sandbox.run([TURN], [[GRID]])
    assert isinstance(result, Grids)
    np.testing.assert_array_equal(result.outputs[0], np.rot90(GRID))


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("def task(grid):\n    raise ValueError('no walls')\n",
         Raised("ValueError", "no walls", 2)),
        ("def task(grid):\n    return find_walls(grid)\n",
         Raised("NameError", "name 'find_walls' is not defined", 2)),
        ("from arcflow.omniarc.dsl import find_walls\n",
         Refused("arcflow.omniarc.dsl.find_walls", 1)),
        (MEGABYTE, Refused(f"a text of {len(MEGABYTE)} characters, at most 65536")),
        (f"{TURN}# \udc80", SyntaxProblem("a character that is no UTF-8", 3)),
        (None, SyntaxProblem("a program is text, not NoneType")),
        ("if True:\n    def task(grid):\n        return grid\n",
         Refused("no function task(grid)")),
        ("async def task(grid):\n    return grid\n", Refused("an async function", 1)),
        (f"{TURN}def task(grid, color):\n    return grid\n",
         Refused("task(grid, color) where task(grid) is expected", 3)),
        ("def task(grid, **options):\n    return grid\n",
         Refused("task(grid, **options) where task(grid) is expected", 1)),
        ("@lambda function: 3\ndef task(grid):\n    return grid\n",
         Raised("TypeError", "'int' object is not callable", 0)),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)  # fmt: skip
def test_programs(sandbox: Sandbox, program: Any, expected: Result) -> None:
    process = sandbox.workers[0].process
    assert sandbox.run([program], [[GRID]]) == [expected]
    assert_alive(sandbox)
    assert sandbox.workers[0].process is process


def test_a_program_of_a_megabyte_runs_where_the_limit_allows_it(sandbox: Sandbox) -> None:
    limits = Limits(seconds=5.0, text_bytes=1_000_000)
    results = sandbox.run([MEGABYTE, TURN, MEGABYTE], [[GRID]] * 3, limits)
    assert [type(result) for result in results] == [Grids] * 3
    with pytest.raises(SandboxError, match=r"limits.text_bytes is out of range: got 1048576"):
        Limits(text_bytes=1 << 20)


@pytest.mark.parametrize(
    "grid",
    [
        [[1, 2], [3, 4]],
        None,
        "12\n34",
        7,
        np.zeros((2, 2, 2), np.int8),
        np.zeros((0, 2), np.int8),
        np.zeros((2, 31), np.int8),
        np.full((1, 1), -1, np.int8),
        np.zeros((2, 2), bool),
        np.zeros((2, 2)),
        np.array([[None]]),
    ],
    ids=str,
)
def test_inputs_that_are_no_grids(sandbox: Sandbox, grid: Any) -> None:
    with pytest.raises(SandboxError) as told:
        sandbox.run([TURN, TURN], [[GRID], [GRID, grid]])
    assert str(told.value).startswith("program 1, input 1 is not a grid: got ")
    assert "Expected an int8 array of shape (H, W), sides 1..30, cells 0..9." in str(told.value)
    assert "\n" not in str(told.value)
    assert_alive(sandbox)


def test_the_short_form_tells_the_same() -> None:
    with pytest.raises(SandboxError, match="program 0, input 0 is not a grid: got 3"):
        run_programs([TURN], [[3]], n_workers=1)  # type: ignore[list-item]
