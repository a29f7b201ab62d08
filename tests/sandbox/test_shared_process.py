"""Programs that share a process: each gives what it gives in a process of its own."""

import mmap
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.grid import make_grid
from arcflow.sandbox import Grids, Limits, OutOfMemory, Raised, Result, Sandbox, SandboxError
from arcflow.sandbox.namespace import ProgramNamespace
from arcflow.sandbox.protocol import MAX_ANSWER
from arcflow.sandbox.shared_results import SharedResults
from tests.helpers.attacks import CANARY, LIMITS, assert_right, mess, sandbox_of

GRIDS = [make_grid([[1, 2], [3, 4]]), make_grid([[5]]), make_grid([[0, 0, 7]])]
SHORT = Limits(seconds=0.2, memory_mb=96)
PROGRAMS = (
    CANARY,
    "def task(grid):\n    return np.rot90(grid, 2)\n",
    "def task(grid):\n    return grid[5]\n",
    "def task(grid):\n    return np.full((30, 30), 3)\n",
    "def task(grid):\n    return grid.tolist()\n",
    "def task(grid):\n    while True:\n        pass\n",
    "def task(grid):\n    return np.ones((10**4, 10**4)).astype(int)[:3, :3]\n",
    "calls = []\ndef task(grid):\n    calls.append(1)\n    return np.full((1, len(calls)), 1)\n",
    "def task(grid):\n    return task(grid)\n",
    "import os\n",
    "def task(grid:\n",
    "def sorted(x):\n    return 1\ndef task(grid):\n    return np.full((1, sorted(grid)), 1)\n",
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, SHORT) as running:
        yield running


def shown(results: list[Result]) -> list[str]:
    return [
        str([grid.tolist() for grid in result.outputs])
        if isinstance(result, Grids)
        else repr(result)
        for result in results
    ]


@pytest.fixture(scope="module")
def alone(sandbox: Sandbox) -> list[str]:
    return shown(sandbox.run(PROGRAMS, [GRIDS] * len(PROGRAMS), per_process=1))


@settings(max_examples=12, deadline=None)
@given(
    order=st.lists(st.integers(0, len(PROGRAMS) - 1), min_size=1, max_size=24),
    per_process=st.integers(2, 20),
)
def test_programs_give_what_they_give_alone(
    sandbox: Sandbox, alone: list[str], order: list[int], per_process: int
) -> None:
    results = sandbox.run(
        [PROGRAMS[i] for i in order], [GRIDS] * len(order), per_process=per_process
    )
    assert shown(results) == [alone[i] for i in order]


def test_twelve_programs_differ(alone: list[str]) -> None:
    assert len(set(alone)) == len(PROGRAMS)


def test_answers_that_fill_the_board_are_told(sandbox: Sandbox) -> None:
    many = [make_grid(np.full((30, 30), 4))] * 500
    results = sandbox.run([PROGRAMS[1]] * 8, [many] * 8, Limits(seconds=5))
    assert [isinstance(result, Grids) and len(result.outputs) for result in results] == [500] * 8


def test_memory_that_is_left_behind_is_not_the_next_programs(sandbox: Sandbox) -> None:
    cycle = """
def task(grid):
    held = [np.ones(7 * 10**6)]
    held.append(held)
    return grid
"""
    results = sandbox.run([cycle] * 4, [GRIDS[:1]] * 4, Limits(seconds=5, memory_mb=160))
    assert [type(result) for result in results] == [Grids] * 4
    (result,) = sandbox.run([cycle.replace("7 *", "70 *")], [GRIDS[:1]])
    assert isinstance(result, OutOfMemory)


@pytest.mark.parametrize(
    "statements",
    [
        "np.rot90 = np.flip",
        "import numpy\nnumpy.rot90 = numpy.flip",
        "import builtins\nbuiltins.sorted = builtins.list",
        "import sys\nsys.modules['arcflow.omniarc.dsl.grids'].new_grid = 1",
        "import sys\nsys.modules['arcflow.sandbox.runner'].pack_grids = lambda grids: b''",
        "rotate.__globals__['np'] = 1",
    ],
)
def test_without_the_policy_a_changed_process_runs_no_other_program(statements: str) -> None:
    with sandbox_of("no policy") as bare:
        before, _, after = bare.run(
            [CANARY, mess(statements), CANARY], [GRIDS] * 3, LIMITS, per_process=16
        )
        assert_right(before)
        assert_right(after)


def test_without_the_policy_a_crash_is_blamed_on_the_one_that_crashed() -> None:
    crash = "import os\ndef task(grid):\n    os.abort()\n"
    with sandbox_of("no policy") as bare:
        results = bare.run([CANARY, crash, CANARY, crash], [GRIDS] * 4, LIMITS, per_process=16)
    for result in results[::2]:
        assert_right(result)
    for result in results[1::2]:
        assert isinstance(result, Raised)
        assert result.type == "Crash"


def test_what_programs_share_cannot_be_changed_in_place() -> None:
    """Arrays are read-only, containers are tuples: no program finds what another one wrote."""
    offer = ProgramNamespace("arcflow.omniarc.dsl")
    shared = dict(offer.names) | offer.builtins
    for name, module in offer.modules.items():
        shared |= {f"{name}.{key}": v for key, v in vars(module).items() if key != "__all__"}
    for name, value in shared.items():
        assert not isinstance(value, list | dict | set | bytearray), name
        if isinstance(value, np.ndarray):
            assert not value.flags.writeable, name
        elif isinstance(value, tuple):
            assert isinstance(hash(value), int), name


@given(st.binary(min_size=12, max_size=12), st.binary(max_size=64), st.integers(1, 20))
def test_a_board_that_a_program_wrote_on_is_bounded(head: bytes, body: bytes, most: int) -> None:
    board = SharedResults()
    shared: mmap.mmap = board._shared
    shared[:12] = head
    shared[12 : 12 + len(body)] = body
    answers, since = board.take(most)
    assert len(answers) <= most
    assert all(0 < len(answer) <= MAX_ANSWER for answer in answers)
    assert isinstance(since, float)


def test_no_program_a_process_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="per_process is too small: got 0"):
        Sandbox(1, per_process=0)
    with pytest.raises(SandboxError, match="per_process is too small: got -1"):
        sandbox.run([CANARY], [GRIDS], per_process=-1)
