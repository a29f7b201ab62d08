"""Running made programs: what does not end is counted out, the same on every machine."""

import signal
import threading

import numpy as np
import pytest

from arcflow.core.errors import DataError
from arcflow.core.grid import make_grid
from arcflow.omniarc import execute
from arcflow.omniarc.compositions import composition
from arcflow.omniarc.execute import MADE_WORK, compiled, limits, run
from arcflow.omniarc.inputs import named_colors, original_inputs
from arcflow.omniarc.primitives import PRIMITIVES, primitive
from arcflow.omniarc.registry import Program, programs

GRID = make_grid([[1, 2, 0], [0, 3, 0]])


def program(*lines: str) -> str:
    return "def task(grid):\n" + "".join(f"    {line}\n" for line in lines)


def test_grids_come_back_frozen_and_of_their_own() -> None:
    for body in ("return grid", "return grid.astype(int)", "return grid.T", "return grid[:, ::-1]"):
        found = run(program(body), GRID)
        assert found is not None
        assert found.dtype == np.int8
        assert not found.flags.writeable
        assert found.flags.c_contiguous
        assert not np.shares_memory(found, GRID)


@pytest.mark.parametrize(
    "body",
    [
        ("return grid + 7",),
        ("return grid - 1",),
        ("return grid * 300",),
        ("return grid > 0",),
        ("return grid * 1.0",),
        ("return grid[0]",),
        ("return grid[:0]",),
        ("return None",),
        ("return [[1, 2], [3]]",),
        ("return np.zeros((31, 2), int)",),
        ("grid[0, 0] = 5", "return grid"),
        ("raise KeyError(3)",),
        ("raise DslError('no such thing')",),
        ("return undefined(grid)",),
        ("return np.array([]).mean() + grid",),  # a warning
    ],
)
def test_what_gives_no_grid(body: tuple[str, ...]) -> None:
    with limits("a task"):
        assert run(program(*body), GRID) is None


@pytest.mark.parametrize(
    "body",
    [
        ("while True:", "    pass"),
        ("cells = [0]", "for cell in cells:", "    cells.append(cell)"),
        ("cells = [0]", "return [cells.append(cell) for cell in cells]"),
        ("def walk(n):", "    walk(n - 1)", "    walk(n - 1)", "walk(900)", "return grid"),
        ("while True:", "    try:", "        while True:", "            pass",
         "    except Exception:", "        pass"),
        ("return max(iter(lambda: 1, 2))",),
        ("while True:", "    grid = tile(grid, 2, 2)"),
        ("while True:", "    rotate(grid)"),
    ],
)  # fmt: skip
def test_what_does_not_end_is_counted_out(body: tuple[str, ...]) -> None:
    for work in (MADE_WORK, MADE_WORK // 10):
        assert run(program(*body), GRID, work) is None
    assert run(program("return grid"), GRID) is not None


def test_programs_have_enough_work() -> None:
    execute._state.left = 0
    for task_id, one in programs().items():
        for grid in original_inputs()[task_id]:
            assert run(one.source, grid, execute.MAX_WORK // 3 * 2) is not None, one.name


def test_threads_count_for_themselves() -> None:
    found: list[object] = []
    text = program("for _ in range(4000):", "    pass", "return grid")

    def work() -> None:
        with limits("a task"):
            found.extend(run(text, GRID, 4100) is not None for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80


def test_what_hangs_uncounted_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "MAX_SECONDS", 0.05)

    class Slow:
        def __array__(self) -> None:
            while True:
                pass

    def hang() -> None:
        with limits("a task"):
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)  # as a RE-ARC generator leaves it
            run(program("return grid"), Slow())  # type: ignore[arg-type]

    with pytest.raises(DataError, match=r"a task: its program hangs: got 'more than 0.05 s"):
        hang()
    with limits("a task"):
        assert run(program("return grid"), GRID) is not None


def test_texts_are_compiled_once() -> None:
    text = program("return grid")
    assert compiled(text) is compiled(text)


def test_colours_that_a_program_names() -> None:
    assert named_colors(program("return recolor(grid, {3: 0})[1:]")) == {0, 1, 3}
    assert named_colors(program("return np.where(grid == 12, True, 'x' < 'y')")) == set()


def test_a_composition_keeps_programs_that_call_themselves() -> None:
    source = program('"""This task halves the grid: é."""', "if len(grid) > 1:",
                     "    return task(grid[:1])", "return grid")  # fmt: skip
    again = Program("00000000", "halve", source, "tests", lambda grid: grid)
    text = composition(again, programs()["67a3c6ac"])
    assert "def halve(grid):" in text
    assert "return halve(grid[:1])" in text
    assert "This task halves the grid: é." in text
    assert run(text, GRID) is not None
    assert run(text, GRID).tolist() == [[0, 2, 1]]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitives_show_themselves(name: str) -> None:
    grids = [make_grid([[1, 2, 2], [1, 2, 0]]), make_grid([[1, 2], [4, 4]])]
    random = np.random.default_rng(0)
    texts = {primitive(name, grids, random) for _ in range(10)}
    for text in texts:
        assert f"{name}(" in text
        assert "{" not in text.replace("{1:", "").replace("{2:", "")
        compiled(text)
