"""Results of programs: typed, in order, whatever the program does and whatever the text is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from arcflow.core.grid import Grid, make_grid
from arcflow.sandbox import (
    BadOutput,
    Grids,
    Limits,
    Nondeterministic,
    OutOfMemory,
    Raised,
    Refused,
    Result,
    Sandbox,
    SandboxError,
    SyntaxProblem,
    TimedOut,
    run_programs,
)
from arcflow.tools.sandbox import main

GRIDS = [make_grid([[1, 2], [3, 4]]), make_grid([[5]]), make_grid([[0, 0, 7]])]
TURN = "def task(grid):\n    return np.rot90(grid)\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, Limits(seconds=0.5, memory_mb=128)) as running:
        yield running


def run(sandbox: Sandbox, *programs: str) -> list[Result]:
    return sandbox.run(programs, [GRIDS] * len(programs))


def one(sandbox: Sandbox, program: str) -> Result:
    """The program's result; the next program in the same worker gives the right answer."""
    result, turned = run(sandbox, program, TURN)
    assert_turned(turned)
    return result


def assert_turned(result: Result) -> None:
    assert isinstance(result, Grids)
    for grid, output in zip(GRIDS, result.outputs, strict=True):
        np.testing.assert_array_equal(output, np.rot90(grid))


def test_outputs_are_grids(sandbox: Sandbox) -> None:
    (result,) = run(sandbox, TURN)
    assert_turned(result)
    assert isinstance(result, Grids)
    assert all(grid.dtype == np.int8 and not grid.flags.writeable for grid in result.outputs)


def test_each_program_has_its_own_inputs(sandbox: Sandbox) -> None:
    program = "def task(grid):\n    return grid.copy()\n"
    inputs: list[list[Grid]] = [GRIDS[:1], GRIDS[1:], []]
    results = sandbox.run([program] * 3, inputs)
    for grids, result in zip(inputs, results, strict=True):
        assert isinstance(result, Grids)
        assert [grid.tolist() for grid in result.outputs] == [grid.tolist() for grid in grids]


@pytest.mark.parametrize(
    "program",
    [
        "import numpy as np\ndef task(grid):\n    return np.rot90(grid)",
        "import numpy\ndef task(grid):\n    return numpy.rot90(grid)",
        "from numpy import rot90 as turn\ndef task(grid):\n    return turn(grid)",
        "from arcflow.omniarc.dsl import *\ndef task(grid):\n    return rotate(grid)",
        "from arcflow.omniarc.dsl import rotate\ndef task(I):\n    return rotate(I)",
        "import arcflow.omniarc.dsl as dsl\ndef task(grid):\n    return dsl.rotate(grid)",
        "def task(grid):\n    return rotate(grid)",
        "from typing import List\nfrom collections import Counter\nimport itertools, math\n"
        "def task(grid: np.ndarray) -> np.ndarray:\n    print(f'{grid.shape!r:>9}')\n"
        "    assert Counter(grid.flatten().tolist()).most_common(1)\n"
        "    return np.array([[int(c) for c in row] for row in np.rot90(grid)])",
        "from functools import lru_cache\n@lru_cache(None)\ndef f(n):\n"
        "    return 1 if n < 2 else n * f(n - 1)\n"
        "def task(grid):\n    assert f(5) == 120\n    return np.rot90(grid)\n"
        "if __name__ == '__main__':\n    print(task(np.zeros((1, 1))))",
    ],
)
def test_programs_may_use_numpy_the_dsl_and_some_functions(sandbox: Sandbox, program: str) -> None:
    rotated = "rotate(" in program
    (result,) = run(sandbox, program)
    assert isinstance(result, Grids), result
    if not rotated:
        assert_turned(result)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("def task(grid:\n", SyntaxProblem("'(' was never closed", 1)),
        ("x = 1\0", SyntaxProblem("a NUL character", 1)),
        ("#\n# \ud800", SyntaxProblem("a character that is no UTF-8", 2)),
        ("\n" * 100_000, Refused("a text of 100000 characters, at most 65536")),
        ("é" * 40_000, Refused("a text of 80000 bytes, at most 65536")),
        ("", Refused("no function task(grid)")),
        ("def tusk(grid): return grid", Refused("no function task(grid)")),
        ("task = lambda grid: grid", Refused("no function task(grid)")),
        ("def task(): pass", Refused("task() where task(grid) is expected", 1)),
        ("def task(a, b): pass", Refused("task(a, b) where task(grid) is expected", 1)),
        ("def task(*a): pass", Refused("task(*a) where task(grid) is expected", 1)),
        ("def task(*, grid): pass", Refused("task(*, grid) where task(grid) is expected", 1)),
        ("\nimport os\ndef task(grid): return grid", Refused("import os", 2)),
        ("def task(grid):\n  return open('x')", Refused("the name open", 2)),
        ("def task(grid):\n  return grid.__class__", Refused("the attribute __class__", 2)),
        ("def task(grid):\n  return np.load('x')", Refused("numpy.load", 2)),
        ("def task(grid):\n  grid.shape = 1, 4", Refused("setting the attribute shape", 2)),
        ("class A: pass", Refused("a class", 1)),
        ("def task(grid):\n\n  return grid[9, 9]",
         Raised("IndexError", "index 9 is out of bounds for axis 0 with size 2", 3)),
        ("def task(grid):\n  return new_grid(0, 0)",
         Raised("DslError",
                "new_grid: 0x0 cells, expected a height and a width of 1 or more", 2)),
        ("1 / 0\ndef task(grid): return grid", Raised("ZeroDivisionError", "division by zero", 1)),
        ("def task(grid): return grid\ntask = 3",
         Raised("TypeError", "'int' object is not callable", 0)),
        ("def task(grid):\n  while True: pass", TimedOut(0.5)),
        ("def task(grid):\n  while True:\n    try:\n      while True: pass\n    except: pass",
         TimedOut(0.5)),
        ("def task(grid):\n  return 9 ** 9 ** 9", TimedOut(0.5)),
        ("def task(grid): return [0] * 10**9", OutOfMemory(128)),
        ("def task(grid): return np.zeros((10**5, 10**5))", OutOfMemory(128)),
        ("def task(grid):\n  x = []\n  while True: x.append('a' * 10**6 + str(len(x)))",
         OutOfMemory(128)),
        ("def task(grid): return None", BadOutput("type", "NoneType", 0)),
        ("def task(grid): return grid.tolist()", BadOutput("type", "list", 0)),
        ("def task(grid): return grid * 0.5", BadOutput("type", "ndarray of float64", 0)),
        ("def task(grid): return grid == 1", BadOutput("type", "ndarray of bool", 0)),
        ("def task(grid): return grid[0]", BadOutput("shape", "(2,)", 0)),
        ("def task(grid): return np.zeros((31, 1), int)", BadOutput("shape", "(31, 1)", 0)),
        ("def task(grid): return grid[:0]", BadOutput("shape", "(0, 2)", 0)),
        ("def task(grid): return grid + 4", BadOutput("values", "4 to 11", 2)),
        ("def task(grid): return grid.astype(int) * -300", BadOutput("values", "-1200 to -300", 0)),
        ("n = [0]\ndef task(grid):\n  n[0] += 1\n  return grid * 0 + n[0]", Nondeterministic()),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_a_result(sandbox: Sandbox, program: str, expected: Result) -> None:
    assert one(sandbox, program) == expected


@pytest.mark.parametrize(
    "program",
    [
        "(" * 10_000,
        "-" * 60_000 + "1",
        "x = " + "[" * 90 + "]" * 90,
        "def task(grid):\n" + "\n".join(" " * i + "if 1:" for i in range(1, 99)),
        "a" + ".a" * 30_000,
        "x = " + "1+" * 20_000 + "1",
        "x = " + "9" * 60_000,
        "lambda: " * 5_000 + "1",
        "f'" + "{" * 500,
        "\ufeff\x0c\x1a\ndef \u202e",
    ],
)
def test_texts_that_strain_the_parser_are_results(sandbox: Sandbox, program: str) -> None:
    result = one(sandbox, program)
    assert isinstance(result, SyntaxProblem | Refused | Raised)
    assert not isinstance(result, Raised) or result.type == "Crash"


def test_no_text_at_all_is_a_result(sandbox: Sandbox) -> None:
    result = one(sandbox, b"bytes")  # type: ignore[arg-type]
    assert result == SyntaxProblem("a program is text, not bytes")


@pytest.mark.parametrize(
    "expression",
    [
        "grid.all(), grid.any(0), grid.mean(), grid.std(), grid.var(), grid.sum(axis=1)",
        "np.all(grid == 1, axis=0), np.any(grid), np.median(grid), np.quantile(grid, 0.5)",
        "np.unique(grid, axis=0, return_index=True), np.histogram2d([1], [2]), np.average(grid)",
        "np.linalg.solve([[2.0]], [4.0]), np.linalg.matrix_power([[2]], 3), np.corrcoef([1, 2])",
        "str(grid), repr(grid), f'{grid}', '%s' % grid",
        "np.argpartition(grid, 0), 1, np.select([grid > 1], [grid])",
        "np.array([1.5, 0]) / 0, np.log(0.0), ~True, np.int8(100) + np.int8(100)",
        "np.add.reduce(grid), np.maximum.accumulate(grid), np.add.at(grid.astype(int), (0, 0), 1)",
        "np.tensordot(grid, grid.T, 1), np.trim_zeros([0, 1]), np.block([[grid]]), np.dot(grid, 2)",
        "np.array(['a', 'b']), np.sort(['b', 'a']), np.array([1, 'x'], dtype='O')",
        "list(map(np.ravel, [grid])), np.apply_over_axes(np.sum, grid, [0])",
    ],
)
def test_what_numpy_does_at_first_use_works(sandbox: Sandbox, expression: str) -> None:
    (result,) = run(sandbox, f"def task(grid):\n    {expression}\n    return np.rot90(grid)")
    assert_turned(result)


def test_many_programs_keep_their_order(sandbox: Sandbox) -> None:
    programs = [f"def task(grid):\n    return grid * 0 + {i % 12}" for i in range(60)]
    for i, result in enumerate(run(sandbox, *programs)):
        if i % 12 > 9:
            assert result == BadOutput("values", f"{i % 12} to {i % 12}", 0)
        else:
            assert isinstance(result, Grids)
            assert result.outputs[0].max() == i % 12


def test_a_killed_worker_is_replaced_and_nothing_is_lost() -> None:
    with Sandbox(1, Limits(seconds=2.0)) as sandbox:
        assert_turned(run(sandbox, TURN)[0])
        sandbox.workers[0].process.kill()
        for result in run(sandbox, *[TURN] * 5):
            assert_turned(result)


def test_a_killed_zygote_is_replaced_and_nothing_is_lost() -> None:
    with Sandbox(1, Limits(seconds=2.0)) as sandbox:
        parser = sandbox.workers[0].process.pid
        for zygote in Path(f"/proc/{parser}/task/{parser}/children").read_text().split():
            os.kill(int(zygote), signal.SIGKILL)
        for result in run(sandbox, *[TURN] * 5):
            assert_turned(result)
        assert sandbox.workers[0].process.pid != parser
        assert not sandbox.workers[0].alone


def test_workers_end_with_a_parent_that_is_killed() -> None:
    script = (
        "import os; from arcflow.sandbox import Sandbox; sandbox = Sandbox(1, api='')\n"
        "parser = sandbox.workers[0].process.pid\n"
        "children = open(f'/proc/{parser}/task/{parser}/children').read()\n"
        "print(parser, children, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    pids = done.stdout.split()
    assert len(pids) == 2
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() and _alive(pid) for pid in pids):
        assert time.monotonic() < end, "a worker outlives its parent"
        time.sleep(0.02)


def _alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_does_not_grow(sandbox: Sandbox) -> None:
    def size() -> int:
        parser = sandbox.workers[0].process.pid
        zygotes = Path(f"/proc/{parser}/task/{parser}/children").read_text().split()
        pages = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in (parser, *zygotes)]
        return sum(map(int, pages)) * 4096

    programs = [TURN, "def task(grid): return grid.x", "def task(grid:", "1 / 0\n" + TURN] * 25
    run(sandbox, *programs)
    before = size()
    for _ in range(3):
        run(sandbox, *programs)
    assert size() - before < 2 << 20


def test_run_programs_is_the_short_form() -> None:
    (result,) = run_programs([TURN], [GRIDS], Limits(), n_workers=1, api="")
    assert_turned(result)


def test_without_an_api_its_names_are_unknown() -> None:
    with Sandbox(1, api="") as sandbox:
        rotate, dsl = run(
            sandbox,
            "def task(grid): return rotate(grid)",
            "from arcflow.omniarc.dsl import rotate",
        )
    assert rotate == Raised("NameError", "name 'rotate' is not defined", 1)
    assert dsl == Refused("import of arcflow.omniarc.dsl", 1)


def test_wrong_calls_are_errors(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=r"1 programs, 0 lists of inputs.*one list of grids"):
        sandbox.run([TURN], [])
    with pytest.raises(SandboxError, match=r"programs is one text.*Pass \[program\]"):
        sandbox.run(TURN, [GRIDS])
    for cells in (np.zeros((2, 2)), np.zeros((31, 1), np.int8), np.full((1, 1), 10, np.int8)):
        with pytest.raises(SandboxError, match="program 0, input 0 is not a grid"):
            sandbox.run([TURN], [[cells]])  # type: ignore[list-item]
    with pytest.raises(SandboxError, match="program 0 has too many inputs: got 1001"):
        sandbox.run([TURN], [GRIDS[:1] * 1001])
    with pytest.raises(SandboxError, match=r"limits.seconds is out of range: got 0"):
        Limits(seconds=0)
    with pytest.raises(SandboxError, match="n_workers is too small"):
        Sandbox(0)
    with pytest.raises(SandboxError, match=r"did not start.*No module named 'no_such_module'"):
        Sandbox(1, api="no_such_module")
    closed = Sandbox(1)
    closed.close()
    with pytest.raises(SandboxError, match="the sandbox is closed"):
        closed.run([TURN], [GRIDS])


def test_other_systems_have_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SandboxError, match="no sandbox on this system: got 'darwin'"):
        Sandbox(1)


def test_the_tool_shows_the_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "holds  environment   empty" in lines
    assert lines[-1] == "a program gives Grids"


def test_a_fork_of_the_owner_is_told_and_leaves_the_workers_alone(sandbox: Sandbox) -> None:
    owner = sandbox._owner
    sandbox._owner = -1
    try:
        with pytest.raises(SandboxError, match="belongs to another process"):
            run(sandbox, TURN)
    finally:
        sandbox._owner = owner
    assert_turned(run(sandbox, TURN)[0])


def test_a_timeout_costs_little_more_than_its_limit(sandbox: Sandbox) -> None:
    costs = []
    for _ in range(5):
        start = time.perf_counter()
        run(sandbox, "def task(grid):\n    while True: pass")
        costs.append(time.perf_counter() - start - 0.5)
    assert 0 <= min(costs) < 0.05  # the machine of a test may be busy: the best of five
