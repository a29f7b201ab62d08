"""The programs: complete texts that solve their tasks, and how many there are."""

from typing import Any

import numpy as np
import pytest

from arcflow.cli.main import main
from arcflow.core.errors import ConfigError
from arcflow.core.task import Pair
from arcflow.omniarc import dsl, registry
from arcflow.omniarc.check import check, difference, original_pairs, problem, rearc_pairs
from arcflow.omniarc.registry import Program, find_program, program, programs
from arcflow.omniarc.style import style_problems

SOLVED = 399
"""Training tasks that are solved: raise it with every program, never lower it."""


def made(function: Any, source: str = "def task(grid):\n    return grid\n") -> Program:
    return Program("00d62c1b", "made", source, "tests", function)


def test_every_program_solves_its_task() -> None:
    wrong = {
        task_id: what
        for task_id, one in programs().items()
        for what in [problem(one, pair) for pair in original_pairs(task_id)]
        if what
    }
    assert wrong == {}


def test_every_program_is_a_rule_and_complete() -> None:
    problems = {i: style_problems(one.source) for i, one in programs().items()}
    assert {i: found for i, found in problems.items() if found} == {}
    assert all(one.function.__doc__ for one in programs().values())


def test_texts_run_by_themselves() -> None:
    names = {name: getattr(dsl, name) for name in dsl.__all__}
    for task_id, one in programs().items():
        space: dict[str, Any] = {"np": np, **names}
        exec(one.source, space)
        pair = original_pairs(task_id)[0]
        assert difference(np.asarray(space["task"](pair.input)), pair.output) == "", task_id


@pytest.mark.slow
def test_coverage_does_not_fall(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["omniarc", "coverage"])
    assert stop.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith("NOT SOLVED")] == []
    solved, rest = lines[-1].split(" ", 1)
    assert rest == "of 400 training tasks"
    assert int(solved) == len(programs()) >= SOLVED


def test_rearc_pairs_are_those_of_their_seed() -> None:
    assert rearc_pairs("00d62c1b", 5) == rearc_pairs("00d62c1b", 5)
    assert rearc_pairs("00d62c1b", 5) != rearc_pairs("00d62c1b", 5, seed=1)
    assert len(rearc_pairs("00d62c1b", 5)) == 5


def test_what_is_wrong_is_told() -> None:
    pair = Pair(np.zeros((2, 2), np.int8), np.ones((2, 2), np.int8))

    def alters(grid: Any) -> Any:
        grid.setflags(write=True)
        grid[:] = 1
        return grid

    def fails(grid: Any) -> Any:
        raise KeyError("no such colour")

    assert problem(made(lambda grid: grid + 1), pair) == ""
    assert problem(made(lambda grid: grid), pair) == "4 of 4 cells differ"
    assert problem(made(lambda grid: grid[:1]), pair) == "shape (1, 2) instead of (2, 2)"
    assert "bad cell at row 0, column 0" in problem(made(lambda grid: grid - 1), pair)
    assert "not a grid" in problem(made(lambda grid: 3), pair)
    assert problem(made(fails), pair) == "KeyError: 'no such colour'"
    assert problem(made(alters), pair) == "the input was altered"


def test_a_program_that_fails_does_not_count() -> None:
    verdict = check(made(lambda grid: grid), samples=4)
    assert not verdict.counts
    assert verdict.rearc_share == 0
    assert all("cells differ" in wrong for wrong in verdict.original)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def task(grid):\n    return helper(grid)\n", "line 2: helper is neither"),
        ("def task(grid):\n    import os\n    return grid\n", "line 2: imports belong"),
        (f"def task(grid):\n    return np.array({[[1] * 6] * 6})\n", "36 numbers: a grid"),
        (f"def task(grid):\n    return list('{'0123' * 12}')\n", "a long constant"),
        (f"def task(grid):\n    return divmod({10**30}, 10)\n", "a long constant"),
    ],
)
def test_texts_that_are_no_rule_are_refused(source: str, message: str) -> None:
    assert any(message in found for found in style_problems(source))


def test_bad_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_programs", {})

    def first(grid: Any) -> Any:
        return grid

    def second(grid: Any) -> Any:
        return grid

    def two(grid: Any, color: Any) -> Any:
        return grid

    program("00000000")(first)
    program("00000000")(first)  # its module may be loaded again
    with pytest.raises(ConfigError, match=r"the task has a program.*00000000.*first"):
        program("00000000")(second)
    second.__qualname__, second.__module__ = first.__qualname__, "another"
    with pytest.raises(ConfigError, match=r"the task has a program.*00000000.*first"):
        program("00000000")(second)
    with pytest.raises(ConfigError, match=r"bad parameters: got \['grid', 'color'\]"):
        program("00000001")(two)
    with pytest.raises(ConfigError, match="bad task id: got 'x'"):
        program("x")(first)


def test_unknown_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="no program for this task: got 'ffffffff'"):
        find_program("ffffffff")
    for words in (["check", "ffffffff"], ["show", "ffffffff"], ["coverage", "--samples", "-1"]):
        with pytest.raises(SystemExit) as stop:
            main(["omniarc", *words])
        assert stop.value.code == 2
        assert "Traceback" not in capsys.readouterr().err
