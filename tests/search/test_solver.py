"""The solver: named tasks, unusual tasks, time, memory and equal answers in every mode."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from arcflow.core.errors import ConfigError
from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair, Task
from arcflow.search.compiled import SWITCH
from arcflow.search.solver import SearchSolver
from arcflow.sources.arc import load_split

pytestmark = pytest.mark.slow  # the first run compiles the functions

SOLVED = (
    "007bbfb7",
    "0dfd9992",
    "22168020",
    "28bf18c6",
    "2dc579da",
    "3618c87e",
    "496994bd",
    "5582e5ca",
    "d511f180",
    "f25ffba3",
)


def _solver() -> SearchSolver:
    return SearchSolver(most_depth=2)


def _grid(rng: np.random.Generator, height: int, width: int) -> Grid:
    return make_grid(rng.integers(0, 10, (height, width)).tolist())


@pytest.mark.parametrize("task_id", SOLVED)
def test_named_training_tasks_are_solved(task_id: str):
    task = next(task for task in load_split("arc-agi-1/training") if task.id == task_id)
    answers = _solver().solve(task.without_answers(), 600)
    for pair, found in zip(task.test, answers, strict=True):
        assert any(np.array_equal(answer.grid, pair.output) for answer in found[:2])
        assert [a.confidence for a in found] == sorted((a.confidence for a in found), reverse=True)
        assert len({answer.grid.tobytes() + bytes(answer.grid.shape) for answer in found}) == len(
            found
        )


def _task(*sizes: tuple[int, int, int, int], n_test: int = 1) -> Task:
    rng = np.random.default_rng(5)
    train = tuple(Pair(_grid(rng, a, b), _grid(rng, c, d)) for a, b, c, d in sizes)
    return Task("made", train, tuple(Pair(_grid(rng, 4, 5), None) for _ in range(n_test)))


@pytest.mark.parametrize(
    "task",
    [
        _task((3, 3, 3, 3)),
        _task((1, 1, 30, 30)),
        _task((30, 30, 30, 30), (30, 30, 30, 30)),
        _task((5, 2, 1, 9), (7, 7, 3, 2), (30, 1, 1, 30)),
        _task((2, 2, 2, 2), n_test=3),
    ],
    ids=["one pair", "one cell to 30x30", "30x30 in ten colours", "different sizes", "three tests"],
)
def test_unusual_tasks_get_valid_answers(task: Task):
    answers = _solver().solve(task, 20)
    assert len(answers) == len(task.test)
    for answer in (a for found in answers for a in found):
        make_grid(answer.grid.tolist())
        assert 0 <= answer.confidence <= 1
        assert 0 <= answer.pairs_fitted <= len(task.train)


def test_no_time_and_no_test_inputs_give_empty_lists():
    task = _task((3, 3, 3, 3))
    assert _solver().solve(task, 0) == [[]]
    assert _solver().solve(replace(task, test=()), 5) == []


def test_bad_options_are_refused():
    with pytest.raises(ConfigError, match="n_nodes"):
        SearchSolver(n_nodes=3)


def test_answers_do_not_depend_on_test_outputs():
    task = next(task for task in load_split("arc-agi-1/training") if task.id == "f25ffba3")
    with_outputs = _solver().solve(task, 600)
    without = _solver().solve(task.without_answers(), 600)
    assert [a.program for a in with_outputs[0]] == [a.program for a in without[0]]


_SMALL = """
import numpy as np
from arcflow.search.compiled import COMPILED
from arcflow.search.views import View, search
grids = [np.array(g, np.uint8) for g in ([[0, 2], [1, 0]], [[3, 0], [0, 4]], [[5, 5], [0, 6]])]
outs = [np.ascontiguousarray(np.rot90(g)) for g in grids[:2]]
for view in (View(None, False, 1), View(((), False), True, 1)):
    for found in search(view, grids, outs, 3000, float("inf"))[0]:
        print(found.cells.tolist(), found.fitted, found.cost, found.layers, found.size)
import sys
print(COMPILED, file=sys.stderr)
"""


def test_compiled_and_plain_functions_find_the_same():
    def run(switch: str) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", _SMALL],
            env={**os.environ, SWITCH: switch},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, done.stderr.strip().splitlines()[-1]

    plain, compiled = run("0"), run("1")
    assert plain[1] == "False"
    assert plain[0] == compiled[0]
    assert plain[0].count("1.0") > 1


# `ru_maxrss` would not do: a child that was started by vfork begins with its parent's peak.
_LARGE = """
import re
import numpy as np
from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.search.solver import SearchSolver
rng = np.random.default_rng(0)
grids = [make_grid(rng.integers(0, 10, (30, 30)).tolist()) for _ in range(9)]
train = tuple(Pair(grids[2 * i], grids[2 * i + 1]) for i in range(4))
SearchSolver(depth=2, most_depth=3).solve(Task("made", train, (Pair(grids[8], None),)), 25)
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def test_memory_is_bounded():
    # Compiling takes memory of its own, once on a machine, and is no part of a job.
    prepare = "from arcflow.search.solver import SearchSolver\nSearchSolver.prepare()"
    subprocess.run([sys.executable, "-c", prepare], check=True)
    done = subprocess.run(
        [sys.executable, "-c", _LARGE], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 1_000_000, f"{done.stdout} KiB"
