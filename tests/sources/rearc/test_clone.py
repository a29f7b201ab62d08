"""RE-ARC from a clone: a small one with every way a generator can go wrong, and the real rules."""

import importlib.util
import random
import re
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.task import Task
from arcflow.sources.base import hash_tasks
from arcflow.sources.rearc import pairs as rearc_pairs
from arcflow.sources.rearc.source import ReARC

DSL = """
from typing import List

def interval(start, stop, step):
    return tuple(range(start, stop, step))

def remove(value, container):
    return type(container)(e for e in container if e != value)
"""

UTILS = """
import matplotlib.pyplot as plt
from matplotlib.colors import ListedColormap
from random import choice, randint, sample, shuffle, uniform
from dsl import *

rng = []

def unifint(diff_lb, diff_ub, bounds):
    d = uniform(diff_lb, diff_ub)
    rng.append(d)
    return round(bounds[0] + (bounds[1] - bounds[0]) * d)
"""

GENERATORS = """
from utils import *
import random

def scene(diff_lb, diff_ub):
    cols = interval(0, 10, 1)
    h = unifint(diff_lb, diff_ub, (3, 30))
    bgc = choice(cols)
    fgc = choice(remove(bgc, cols))
    gi = [[choice((bgc, fgc)) for _ in range(6)] for _ in range(h)]
    return {"input": gi, "output": [row[::-1] + [bgc] for row in gi]}

def generate_good(diff_lb, diff_ub):
    return scene(diff_lb, diff_ub)

def generate_twocolors(diff_lb, diff_ub):
    cols = interval(0, 10, 1)
    bgc, fgc = sample(cols, 2)
    gi = [[choice((bgc, fgc)) for _ in range(6)] for _ in range(5)]
    return {"input": gi, "output": gi[::-1] + [[bgc, fgc] * 3]}

def generate_draws(diff_lb, diff_ub):
    while True:
        random.random()

def generate_hangs(diff_lb, diff_ub):
    while True:
        pass

def generate_raises(diff_lb, diff_ub):
    return {"input": ((1,),), "output": ((choice(()),),)}

def generate_minus(diff_lb, diff_ub):
    return {"input": ((randint(0, 9),),), "output": ((-1,),)}

def generate_tall(diff_lb, diff_ub):
    return {"input": ((1,),) * 32, "output": ((randint(0, 9),),)}

def generate_ragged(diff_lb, diff_ub):
    return {"input": ((1, 2), (3,)), "output": ((randint(0, 9),),)}

def generate_nothing(diff_lb, diff_ub):
    return None

def generate_same(diff_lb, diff_ub):
    grid = ((randint(0, 9), 1),)
    return {"input": grid, "output": grid}

def generate_few(diff_lb, diff_ub):
    return {"input": ((randint(0, 1),),), "output": ((5, 5),)}

def generate_often(diff_lb, diff_ub):
    kind = randint(0, 5)
    if kind == 0:
        raise RuntimeError("now and then")
    if kind == 1:
        return {"input": ((10,),), "output": ((1,),)}
    while kind == 2:
        uniform(0, 1)
    return scene(diff_lb, diff_ub)
"""

VERIFIERS = """
from dsl import *

def verify_good(I):
    return tuple(tuple(row[::-1]) + (0,) for row in I)
"""


@pytest.fixture
def clone(tmp_path: Path) -> str:
    for name, text in (
        ("dsl", DSL),
        ("utils", UTILS),
        ("generators", GENERATORS),
        ("verifiers", VERIFIERS),
    ):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return str(tmp_path)


def source(clone: str, task_id: str, **options: object) -> ReARC:
    return ReARC(ids=[task_id], backend="clone", clone=clone, **options)  # type: ignore[arg-type]


def test_a_clone_draws_from_a_random_module_of_its_own(clone: str) -> None:
    random.seed(3)
    before, numpy_before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    path, modules = list(sys.path), set(sys.modules)
    tasks = [source(clone, "good").task(0, index) for index in range(5)]
    assert random.getstate() == before
    assert np.random.get_state()[1].tolist() == numpy_before  # type: ignore[index]
    assert sys.path == path
    assert not {"dsl", "utils", "generators", "verifiers"} & (set(sys.modules) - modules)
    random.seed(4)
    assert hash_tasks(tasks) == hash_tasks([source(clone, "good").task(0, i) for i in range(5)])
    assert hash_tasks(tasks) != hash_tasks([source(clone, "good").task(1, i) for i in range(5)])


def test_what_a_generator_does_wrong_now_and_then_is_tried_again(clone: str) -> None:
    of = source(clone, "often")
    tasks = [of.task(0, index) for index in range(10)]
    for task in tasks:
        assert len(task.train) == 3
        assert len(task.test) == 1
        assert all(grid.min() >= 0 and grid.max() <= 9 for grid in task.grids())
    backwards = [of.task(0, index) for index in reversed(range(10))][::-1]
    assert hash_tasks(backwards) == hash_tasks(tasks)


@pytest.mark.parametrize(
    ("task_id", "why"),
    [
        ("draws", "more than 50000 draws"),
        ("raises", "IndexError"),
        ("minus", "cells -1 to -1"),
        ("tall", "a grid of 32 rows"),
        ("ragged", "a grid of 2 rows with 1, 2 cells"),
        ("nothing", "TypeError"),
        ("same", "an output that is its input"),
        ("few", "an input that the prompt has already"),
    ],
)
def test_a_generator_that_always_fails_is_named(
    clone: str, task_id: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rearc_pairs, "ATTEMPTS", 8)
    with pytest.raises(DataError) as error:
        source(clone, task_id).task(0, 0)
    assert f"RE-ARC task {task_id}" in str(error.value)
    assert why in str(error.value)
    assert f"exclude: ['{task_id}']" in str(error.value)


def test_a_generator_that_hangs_without_drawing_is_stopped(
    clone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rearc_pairs, "MAX_SECONDS", 0.05)
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(DataError, match=r"RE-ARC task hangs: its generator hangs: got 'more than"):
        source(clone, "hangs").task(0, 0)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert source(clone, "good").task(0, 0).train  # and the next one is not


def test_another_thread_does_without_the_time_limit(clone: str) -> None:
    found: list[Task] = []
    thread = threading.Thread(target=lambda: found.append(source(clone, "good").task(0, 0)))
    thread.start()
    thread.join()
    assert hash_tasks(found) == hash_tasks([source(clone, "good").task(0, 0)])


def test_roles_hold_through_a_task(clone: str) -> None:
    def palettes(**options: object) -> list[int]:
        of = source(clone, "twocolors", **options)
        return [
            len(set().union(*(pair.input.ravel().tolist() for pair in of.task(0, i).train)))
            for i in range(20)
        ]

    assert set(palettes()) == {2}
    assert max(palettes(roles=False)) > 2


def test_only_what_the_verifier_accepts_is_taken(clone: str) -> None:
    of = source(clone, "good", verify=True)
    for index in range(5):
        task = of.task(0, index)
        assert all(pair.output is not None for pair in (*task.train, *task.test))
        assert all((pair.output[:, -1] == 0).all() for pair in task.train)  # type: ignore[index]
    loose = source(clone, "good").task(0, 0)
    assert any((pair.output[:, -1] != 0).any() for pair in loose.train)  # type: ignore[index]


def test_difficulty_decides_sizes(clone: str) -> None:
    def heights(difficulty: tuple[float, float]) -> set[int]:
        of = source(clone, "good", difficulty=difficulty)
        return {pair.input.shape[0] for i in range(10) for pair in of.task(0, i).train}

    assert max(heights((0.0, 0.1))) <= 6
    assert min(heights((0.9, 1.0))) >= 27


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dsl.py").touch()
    with pytest.raises(ConfigError, match=r"no generators.py, utils.py, verifiers.py"):
        ReARC(backend="clone", clone=str(tmp_path))
    with pytest.raises(ConfigError, match="RE-ARC: bad clone"):
        ReARC(backend="clone")
    with pytest.raises(ConfigError, match="RE-ARC: bad clone"):
        ReARC(clone=str(tmp_path))


def test_a_clone_gives_the_tasks_that_the_package_gives(tmp_path: Path) -> None:
    """The package's rules, written as the repository has them: the random module's functions."""
    found = importlib.util.find_spec("reasoning_gym")
    assert found is not None
    assert found.submodule_search_locations is not None
    rules = Path(found.submodule_search_locations[0]) / "arc" / "rearc_utils"
    (tmp_path / "dsl.py").write_bytes((rules / "dsl.py").read_bytes())
    (tmp_path / "utils.py").write_text(UTILS.split("def unifint")[0], encoding="utf-8")
    verifiers = (rules / "verifiers.py").read_text(encoding="utf-8")
    (tmp_path / "verifiers.py").write_text(verifiers.replace("from .dsl", "from dsl"))
    unifint = (rules / "utils.py").read_text(encoding="utf-8")
    unifint = unifint[unifint.index("def unifint") : unifint.index("def is_grid")]
    unifint = unifint.replace("rng: random.Random, ", "").replace("rng.uniform", "uniform")
    unifint = re.sub(r"    if not hasattr.*\n.*\n.*\n", "", unifint)
    with (tmp_path / "utils.py").open("a", encoding="utf-8") as file:
        file.write(unifint)
    text = "from utils import *\n"
    for path in sorted((rules / "generators").glob("generators_*.py")):
        part = path.read_text(encoding="utf-8")
        text += re.sub(r"^(from \.\.|import random).*\n", "", part, flags=re.MULTILINE)
    text = text.replace("rng: random.Random, ", "").replace("(rng, ", "(").replace("rng.", "")
    (tmp_path / "generators.py").write_text(text, encoding="utf-8")
    package, clone = ReARC(), ReARC(backend="clone", clone=str(tmp_path))
    assert len(clone) == len(package) == 400
    numbers = range(0, 400, 5)
    assert hash_tasks([clone.task(0, i) for i in numbers]) == hash_tasks(
        [package.task(0, i) for i in numbers]
    )
    assert clone.fingerprint()["generators"].startswith("clone ")
