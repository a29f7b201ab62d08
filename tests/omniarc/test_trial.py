"""What programs do with a task's pairs, and the words for what is wrong."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.omniarc.feedback import MESSAGE, error_feedback, grids_feedback
from arcflow.omniarc.trial import ProgramResult, try_programs
from arcflow.sandbox import Limits, Sandbox
from tests.helpers.scripted_programs import RIGHT, WRONG

TRAIN = [[[1, 2], [3, 4]], [[5, 0, 0]], [[7], [8]]]
TEST = [[[1, 1], [0, 2]], [[9, 0]]]
HALF_TURN = Task(
    "half-turn",
    tuple(Pair(make_grid(g), make_grid(np.rot90(g, 2).tolist())) for g in TRAIN),
    tuple(Pair(make_grid(g), None) for g in TEST),
)
RIGHT_ON_SQUARES = """
def task(grid):
    if grid.shape[0] != grid.shape[1]:
        raise ValueError("no square")
    return np.rot90(grid, 2)
"""
FAILS_ON_A_TEST_INPUT = """
def task(grid):
    return np.rot90(grid, 2) if grid[0, 0] != 9 else 9
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, Limits(seconds=0.5)) as made:
        yield made


def trial(sandbox: Sandbox, program: str) -> ProgramResult:
    [found] = try_programs(sandbox.run, [program], [HALF_TURN])
    return found


def test_a_right_program(sandbox: Sandbox) -> None:
    found = trial(sandbox, RIGHT)
    assert (found.runs, found.valid, found.solves, found.problem) == (True, True, True, "")
    assert [g.tolist() for g in found.outputs if g is not None] == [[[2, 0], [1, 1]], [[0, 9]]]


def test_a_program_that_misses_is_told_the_first_cells(sandbox: Sandbox) -> None:
    found = trial(sandbox, WRONG)
    assert (found.runs, found.valid, found.right) == (True, True, (False, False, False))
    assert found.problem.split("\n") == [
        "In an output 4 of 4 cells are wrong.",
        "row 1, column 1: 1, should be 4",
        "row 1, column 2: 2, should be 3",
        "row 2, column 1: 3, should be 2",
        "row 2, column 2: 4, should be 1",
    ]


def test_pairs_count_that_a_program_reproduces_before_or_after_it_raises(sandbox: Sandbox) -> None:
    found = trial(sandbox, RIGHT_ON_SQUARES)
    assert (found.runs, found.valid, found.right) == (False, False, (True, False, False))
    assert found.problem == "ValueError in line 4: no square"
    assert found.outputs[0] is not None
    assert found.outputs[1] is None


def test_a_program_may_solve_the_pairs_and_fail_on_a_test_input(sandbox: Sandbox) -> None:
    found = trial(sandbox, FAILS_ON_A_TEST_INPUT)
    assert (found.runs, found.valid, found.solves) == (True, False, True)
    assert found.problem == "It returns no grid: bad type (int)."
    assert [g is None for g in found.outputs] == [False, True]


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("def task(grid:\n", "SyntaxError in line 1: "),
        ("import os\n" + RIGHT, "Not allowed in line 1: "),
        ("def task(grid):\n    while True:\n        pass\n", "It takes longer than 0.5 s."),
        ("def task(grid):\n    return grid * 100\n", "It returns no grid: bad values ("),
        ("x = 1\n", "Not allowed: "),
        ("def task(grid):\n    raise ValueError(f'{len}')\n", "ValueError in line 2: "),
    ],
)
def test_programs_that_do_not_run(sandbox: Sandbox, program: str, problem: str) -> None:
    [before, found, after] = try_programs(
        sandbox.run, [RIGHT, program, RIGHT], [HALF_TURN, HALF_TURN, HALF_TURN]
    )
    assert before.solves
    assert after.solves
    assert found.right == (False, False, False)
    assert found.outputs == (None, None)
    assert found.problem.startswith(problem)


def test_known_test_outputs_play_no_part(sandbox: Sandbox) -> None:
    seen: list[object] = []

    def run(programs: object, inputs: object, **options: int) -> object:
        seen.append((programs, [[g.tolist() for g in grids] for grids in inputs]))  # type: ignore[attr-defined]
        return sandbox.run(programs, inputs, **options)  # type: ignore[arg-type]

    secret = make_grid([[6, 6, 6]])
    known = Task(
        HALF_TURN.id, HALF_TURN.train, tuple(Pair(p.input, secret) for p in HALF_TURN.test)
    )
    [hidden] = try_programs(run, [WRONG], [HALF_TURN])  # type: ignore[arg-type]
    [open_] = try_programs(run, [WRONG], [known])  # type: ignore[arg-type]
    assert hidden.problem == open_.problem
    assert seen[0] == seen[2]
    assert "6, 6" not in str(seen)


def test_sizes_are_told_before_cells() -> None:
    two, three = make_grid([[1, 2]]), make_grid([[1, 2, 3]])
    assert grids_feedback([two, two], [two, three]) == "An output is 1x2, it should be 1x3."
    assert grids_feedback([two], [two]) == ""
    one, other = make_grid([[1]]), make_grid([[2]])
    assert grids_feedback([one], [other]) == (
        "In an output 1 of 1 cells is wrong.\nrow 1, column 1: 1, should be 2"
    )


@given(st.text(max_size=300), st.integers(0, 50))
def test_errors_are_one_short_line_of_ascii_without_addresses(message: str, line: int) -> None:
    words = error_feedback("ValueError", message + " at 0x7f00deadbeef", line)
    assert words.isascii()
    assert "\n" not in words
    assert "7f00deadbeef" not in words
    assert len(words) <= MESSAGE + 40
    assert words.startswith("ValueError" + (f" in line {line}" if line else ""))


def test_what_solves_has_run_in_a_process_of_its_own(sandbox: Sandbox) -> None:
    calls: list[tuple[list[str], int | None]] = []

    def run(programs: list[str], inputs: object, per_process: int | None = None) -> object:
        calls.append((programs, per_process))
        results = sandbox.run(programs, inputs, per_process=per_process)  # type: ignore[arg-type]
        # Alone it turns out to be another one.
        return results if per_process != 1 else sandbox.run([WRONG], inputs)  # type: ignore[arg-type]

    tasks = [HALF_TURN] * 2
    [wrong, found] = try_programs(run, [WRONG, RIGHT], tasks)  # type: ignore[arg-type]
    assert calls[:2] == [([WRONG, RIGHT], None), ([RIGHT], 1)]
    assert not found.solves
    assert found.problem == wrong.problem
