"""Attempts: broken programs and what is wrong with them; programs run in this process."""

import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.grid import make_grid
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.omniarc import failed_programs as attempts
from arcflow.omniarc.failed_programs import FailedPrograms, broken
from arcflow.omniarc.feedback import result_feedback
from arcflow.omniarc.in_process import run_in_process
from arcflow.omniarc.registry import programs
from arcflow.omniarc.trial import try_programs
from arcflow.sandbox import Limits, Sandbox
from arcflow.sandbox.results import BadOutput, Grids, Raised, SyntaxProblem, TimedOut
from arcflow.sources.arc import load_split

GRID = make_grid([[1, 2], [0, 2]], "test")
IDS = list(programs())


def with_program(task_id: str) -> Task:
    task = next(task for task in load_split("arc-agi-1/training") if task.id == task_id)
    return replace(task, code=programs()[task_id].source)


def lines(*body: str) -> str:
    return "\n".join(["def task(grid):", *(f"    {line}" for line in body)]) + "\n"


@pytest.mark.parametrize(
    ("way", "text", "expected"),
    [
        (
            attempts._removed,
            lines("result = grid.copy()", "result[0] = 1", "return result"),
            {lines("result = grid.copy()", "return result")},
        ),
        (
            attempts._removed,
            lines("a = 1", "for b in a:", "    c(b)", "return a"),
            {lines("a = 1", "return a")},
        ),
        (attempts._removed, lines("a = 1", "return a"), {None}),
        (attempts._swapped, lines("return a(b, 1, *c)"), {lines("return a(1, b, *c)")}),
        (attempts._swapped, lines("return a(b)"), {None}),
        (
            attempts._misnamed,
            lines("return find_objects"),
            {lines(f"return {name}") for name in ("find_object", "find", "objects")},
        ),
        (attempts._misnamed, lines("return np"), {None}),
        (attempts._mistaken, lines("return is_square(grid)"), {lines("return is_rectangle(grid)")}),
        (attempts._mistaken, lines("return len(grid)"), {None}),
        (
            attempts._off_by_one,
            lines("return a < b", "0"),
            {lines("return a <= b", "0"), lines("return a < b", "1")},
        ),
        (attempts._off_by_one, lines("return True"), {None}),
    ],
)
def test_ways_to_break(way: attempts.Break, text: str, expected: set[str | None]) -> None:
    assert {way(text, rng(0, "test", n)) for n in range(40)} == expected


@given(st.sampled_from(IDS), st.integers(0, 2**31))
@settings(deadline=None, max_examples=100)
def test_broken_programs_are_others(task_id: str, seed: int) -> None:
    source = programs()[task_id].source
    found = broken(source, rng(seed, "test"))
    assert found == broken(source, rng(seed, "test"))
    assert found != source
    compile(found, "<program>", "exec")


@given(st.sampled_from(IDS), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_attempts_fail_as_they_say(task_id: str, seed: int) -> None:
    task = with_program(task_id)
    found = FailedPrograms().attempt(task, rng(seed, "test"))
    assert found is not None
    told = [
        result_feedback(run_in_process(found.code, pair.input), [pair.output])
        for pair in task.train
        if pair.output is not None
    ]
    assert found.feedback == next(filter(None, told))
    assert found.code != task.code
    # What was remembered and what was not give the same, also in another process.
    once = FailedPrograms()
    for attempt in (once, once, pickle.loads(pickle.dumps(once))):
        assert attempt.attempt(task, rng(seed, "test")) == found


def test_an_evaluation_says_the_same() -> None:
    known = FailedPrograms()
    tasks = [with_program(task_id) for task_id in IDS[:: len(IDS) // 24]]
    made = [known.attempt(task, rng(3, "test", n)) for n, task in enumerate(tasks)]
    both = [(task, one) for task, one in zip(tasks, made, strict=True) if one is not None]
    assert len(both) > 20
    with Sandbox(n_workers=1, limits=Limits(seconds=10)) as sandbox:
        texts = [one.code for _, one in both]
        trials = try_programs(sandbox.run, texts, [task.without_answers() for task, _ in both])
    # A program that takes too long is told by the time that it was given.
    told = [trial.problem.replace("10 s", "1 s") for trial in trials]
    assert told == [one.feedback for _, one in both]


def test_no_attempt_where_nothing_fails() -> None:
    task = Task("a", (), (Pair(GRID, GRID),), code=lines("return grid"))
    assert FailedPrograms().attempt(task, rng(0, "test")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (lines("return grid + 1"), Grids((make_grid([[2, 3], [1, 3]], "test"),))),
        (lines("return upscale(grid, 1)"), Grids((GRID,))),
        (lines("grid[0] = 5", "return grid"), Grids((make_grid([[5, 5], [0, 2]], "test"),))),
        (lines("a = 1", "return crop(grid, 0, 0, 9, 9)"), Raised("DslError", "", 3)),
        (lines("return nothing"), Raised("NameError", "name 'nothing' is not defined", 2)),
        (lines("return ="), SyntaxProblem("invalid syntax", 2)),
        (lines("return None"), BadOutput("type", "NoneType")),
        (lines("return grid == 1"), BadOutput("type", "ndarray of bool")),
        (lines("return grid[0]"), BadOutput("shape", "(2,)")),
        (lines("return grid + 9"), BadOutput("values", "9 to 11")),
        (lines("while True:", "    pass"), TimedOut(1.0)),
        (
            lines("while True:", "    try:", "        a", "    except Exception: pass"),
            TimedOut(1.0),
        ),
        ("nothing\n", Raised("NameError", "name 'nothing' is not defined", 1)),
    ],
)
def test_what_comes_of_a_program(text: str, expected: object) -> None:
    found = run_in_process(text, GRID)
    match found, expected:
        case Grids((one,)), Grids((other,)):
            assert np.array_equal(one, other)
            assert one.dtype == np.int8
            assert not one.flags.writeable
        case Raised("DslError", message, line), _:
            assert message.startswith("crop")
            assert line == 3
        case _:
            assert found == expected
    assert GRID.tolist() == [[1, 2], [0, 2]]


def test_a_limit_holds_in_every_thread() -> None:
    found = []
    thread = threading.Thread(
        target=lambda: found.append(run_in_process(lines("while 1:", "    pass"), GRID))
    )
    thread.start()
    thread.join()
    assert found == [TimedOut(1.0)]


def test_no_program_of_the_registry_is_stopped() -> None:
    for task_id in ("8731374e", "484b58aa", "1b60fb0c"):
        task = with_program(task_id)
        for pair in task.train:
            assert task.code is not None
            assert isinstance(run_in_process(task.code, pair.input), Grids)
