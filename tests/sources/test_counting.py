"""Counting: every family's tasks are well-formed, determined and what a second program says."""

import os
import pickle
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import grid_key, make_grid
from arcflow.core.seeds import rng
from arcflow.core.task import Task
from arcflow.sources.base import hash_tasks
from arcflow.sources.counting import FAMILIES, Counting
from arcflow.sources.counting.draw import Canvas, Draw, NoRoomError, stamp
from arcflow.sources.counting.source import _telling, _usable
from tests.helpers.counting_grids import Rows, Train, objects
from tests.helpers.counting_reference import REFERENCES

SOURCE = Counting()
PRIORS = ("count", "compare", "sort", "copy", "move", "mirror", "fill", "connect", "inside", "same")
PRINT = """
import sys
from arcflow.sources.base import hash_tasks
from arcflow.sources.counting import Counting
source = Counting()
for index in map(int, sys.argv[1:]):
    print(index, hash_tasks([source.task(5, index)]))
print("torch" in sys.modules)
"""


def family_of(task: Task) -> str:
    return task.id.split("/")[1]


def tasks_of(name: str, n: int, seed: int = 0) -> list[Task]:
    source = Counting([name])
    return [source.task(seed, index) for index in range(n)]


def test_there_are_at_least_48_families_with_rules_of_their_own() -> None:
    assert len(FAMILIES) >= 48
    counts = Counter(family.prior for family in FAMILIES.values())
    assert set(counts) == set(PRIORS)
    assert all(4 <= n <= 6 for n in counts.values())
    rules = [family.rule for family in FAMILIES.values()]
    assert all(rule.endswith(".") and len(rule) > 20 for rule in rules)
    assert len(set(rules)) == len(rules)
    assert not set(FAMILIES) & set(PRIORS)


@given(seed=st.integers(0, 2**32), index=st.integers(0, 10**7))
@settings(max_examples=150, deadline=None)
def test_every_task_is_well_formed(seed: int, index: int) -> None:
    state = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    task = SOURCE.task(seed, index)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index, union-attr]
    assert task == SOURCE.task(seed, index)
    check(task)
    assert task.id == f"counting/{family_of(task)}/{index}"
    assert task.source == "counting"
    assert len(task.train) in (3, 4)


def check(task: Task) -> None:
    assert len(task.test) == 1
    pairs = (*task.train, *task.test)
    assert len({grid_key(pair.input) for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert pair.output is not None
        assert not np.array_equal(pair.input, pair.output)
        for grid in (pair.input, pair.output):
            assert np.array_equal(make_grid(grid.tolist()), grid)
            assert grid.dtype == np.int8
            assert not grid.flags.writeable
    assert len({grid_key(pair.output) for pair in task.train if pair.output is not None}) > 1


@pytest.mark.parametrize("name", FAMILIES)
@given(
    seed=st.integers(0, 2**32),
    sides=st.tuples(st.integers(3, 30), st.integers(3, 30)).map(sorted),
    difficulty=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
)
@settings(max_examples=6, deadline=None)
def test_every_family_works_with_all_options(
    name: str, seed: int, sides: list[int], difficulty: list[float]
) -> None:
    source = Counting([name], (), (2, 4), (sides[0], sides[1]), (difficulty[0], difficulty[1]))
    for index in range(2):
        check(source.task(seed, index))


def test_a_task_does_not_depend_on_process_hash_seed_or_order() -> None:
    indices = list(range(0, 400, 7))
    here = {str(i): hash_tasks([SOURCE.task(5, i)]) for i in indices}
    printed = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRINT, *map(str, indices[::-1])],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert dict(line.split() for line in printed[:-1]) == here
    assert printed[-1] == "False"
    assert pickle.loads(pickle.dumps(SOURCE)).task(5, 7) == SOURCE.task(5, 7)


def test_a_pass_gives_every_family_once_and_never_a_task_twice() -> None:
    n = len(SOURCE)
    tasks = [SOURCE.task(1, index) for index in range(3 * n)]
    for visit in range(3):
        assert {family_of(task) for task in tasks[visit * n : (visit + 1) * n]} == set(FAMILIES)
    assert len({hash_tasks([task])[:20] for task in tasks}) == len(tasks)
    pairs = [pair for task in tasks for pair in (*task.train, *task.test)]
    assert len(set(pairs)) == len(pairs)


def test_sizes_are_those_of_arc_and_the_background_is_black() -> None:
    inputs = [p.input for i in range(600) for p in SOURCE.task(0, i).train]
    areas = [grid.size for grid in inputs]
    assert 85 <= np.median(areas) <= 115
    black = [np.bincount(grid.ravel()).argmax() == 0 for grid in inputs]
    assert np.mean(black) > 0.75
    assert all(
        c > 0 for c in np.bincount(np.concatenate([g.ravel() for g in inputs]), minlength=10)
    )


def test_sides_and_difficulty_do_what_they_say() -> None:
    free = ["move-fall", "fill-lines", "move-around"]
    for low, high in ((6, 6), (20, 30)):
        for index in range(60):
            for pair in Counting(free, sides=(low, high)).task(0, index).train:
                assert all(low <= side <= high for side in pair.input.shape)

    def mean(difficulty: float) -> float:
        source = Counting(["count-objects"], difficulty=(difficulty, difficulty), sides=(12, 12))
        out = [p.output for i in range(40) for p in source.task(0, i).train]
        return float(np.mean([grid.size for grid in out if grid is not None]))

    assert mean(0) < mean(0.6) < mean(1)


def test_numbers_of_pairs() -> None:
    source = Counting(pairs=(2, 5))
    found = Counter(len(source.task(0, index).train) for index in range(400))
    assert set(found) == {2, 3, 4, 5}
    assert min(found.values()) > 50


# The rules.


@pytest.mark.parametrize("name", REFERENCES)
def test_outputs_are_those_of_a_second_program(name: str) -> None:
    rule, variants = REFERENCES[name]
    for task in tasks_of(name, 25):
        train: Train = [(p.input.tolist(), rows(p.output)) for p in task.train]
        test = task.test[0].input.tolist()
        fit = [variant for variant in variants if explains(rule, train, variant)]
        assert fit, task.id
        # The train pairs say which variant it is, or it makes no difference.
        answers = [rule(test, train, variant) for variant in fit]
        assert all(answer == rows(task.test[0].output) for answer in answers), (task.id, fit)


def rows(grid: np.ndarray | None) -> Rows:
    assert grid is not None
    return [[int(c) for c in row] for row in grid]


def test_most_families_have_a_second_program() -> None:
    assert set(REFERENCES) <= set(FAMILIES)
    assert len(REFERENCES) >= 30


def test_families_differ() -> None:
    """No family's rule explains what another draws, but where one is the other's special case."""
    found = set()
    for name, (rule, variants) in REFERENCES.items():
        for other in set(FAMILIES) - {name}:
            for task in tasks_of(other, 2):
                train: Train = [(p.input.tolist(), rows(p.output)) for p in task.train]
                if any(explains(rule, train, variant) for variant in variants):
                    found.add((name, other))
    assert found == {
        # Bars on a floor are rows, sorted by the same number.
        ("sort-bars", "sort-rows"),
        ("sort-rows", "sort-bars"),
        # A step along one axis, where nothing leaves the grid.
        ("move-around", "move-step"),
        # One reference for both: it tries turns and mirror images.
        ("mirror-grid", "mirror-turn"),
        ("mirror-turn", "mirror-grid"),
    }


def explains(rule, train: Train, variant: object) -> bool:  # type: ignore[no-untyped-def]
    try:
        return all(rule(cells, train, variant) == out for cells, out in train)
    except (ValueError, IndexError, KeyError, TypeError):
        return False  # it cannot even be applied


@pytest.mark.parametrize("name", FAMILIES)
def test_rivals_stand_in_the_same_order_and_are_rivals(name: str) -> None:
    """As many in every pair, none of which is the rule itself."""
    draws = Draw(rng(3, "rivals"), (6, 15), 1.0)
    for _ in range(5):
        make, made = FAMILIES[name].start(draws), []
        for _ in range(400):
            try:
                made.append(make())
            except NoRoomError:
                continue
            if len(made) == 20:
                break
        assert len({len(grids) for grids in made}) == 1
        if len(made) == 20:
            assert _telling(made)


def test_a_pair_that_does_not_tell_is_drawn_again() -> None:
    a, b, c = (np.full((2, 2), color, dtype=np.int8) for color in (1, 2, 3))
    assert not _usable(a, a, [])
    assert not _usable(a, b, [(a, c)])
    assert not _usable(a, np.zeros((31, 1), dtype=np.int8), [])
    assert _usable(a, b, [(b, c)])
    assert not _telling([(a, c), (b, c)])  # constant
    assert not _telling([(a, b, b), (b, c, c)])  # the rival is always right
    assert _telling([(a, b, b), (b, c, a)])


# Options.


def test_families_and_priors_are_chosen_and_left_out_by_name() -> None:
    sort = Counting(["sort"])
    assert len(sort) == len(sort.families) == 5
    assert all(FAMILIES[name].prior == "sort" for name in sort.families)
    some = Counting(["sort", "move-fall"], exclude=["sort-bars"])
    assert set(some.families) == {*sort.families, "move-fall"} - {"sort-bars"}
    assert {family_of(some.task(0, i)) for i in range(len(some))} == set(some.families)
    assert len(Counting(exclude=["copy", "fill"])) == len(FAMILIES) - 12


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"families": ["sort-bar"]}, ["families", "'sort-bar'", "sort-bars", "docs/counting.md"]),
        ({"exclude": ["Sort"]}, ["exclude", "'Sort'", "sort"]),
        ({"pairs": (1, 3)}, ["counting: bad pairs", "(1, 3)", "2 <= lower <= upper <= 20"]),
        ({"pairs": (4, 3)}, ["bad pairs", "(4, 3)"]),
        ({"sides": (3, 31)}, ["bad sides", "(3, 31)", "<= 30"]),
        ({"difficulty": (-0.1, 1)}, ["bad difficulty", "-0.1", "Correct difficulty"]),
    ],
)
def test_bad_options(options: dict, words: list[str]) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigError) as found:
        Counting(**options)
    assert all(word in str(found.value) for word in words)


def test_no_family_left() -> None:
    empty = Counting(["sort"], exclude=["sort"])
    assert len(empty) == 0
    with pytest.raises(DataError, match=r"no family is left.*Loosen families or exclude"):
        empty.task(0, 0)


def test_nothing_published_is_behind_it() -> None:
    assert SOURCE.base_tasks() == ()
    assert SOURCE.exclude(["00d62c1b"]) is SOURCE


def test_identity_tells_what_differs() -> None:
    others = [
        Counting(["sort"]),
        Counting(["move"]),
        Counting(pairs=(2, 3)),
        Counting(sides=(5, 9)),
        Counting(difficulty=(0, 0.5)),
    ]
    found = [tuple(source.fingerprint().items()) for source in (SOURCE, *others)]
    assert len(set(found)) == len(found)
    assert Counting().fingerprint() == SOURCE.fingerprint()


def test_speed() -> None:
    """Far above the thousand pairs a second that training needs, measured on a busy machine."""
    start = time.process_time()
    pairs = sum(len(SOURCE.task(9, index).train) + 1 for index in range(400))
    assert pairs / (time.process_time() - start) > 1000


# Drawing.


def test_stamp_cuts_off_what_hangs_over() -> None:
    patch = np.array([[1, 0, 2], [3, 4, 5]], dtype=np.int8)
    for top in range(-3, 4):
        for left in range(-4, 5):
            cells = np.full((3, 4), 9, dtype=np.int8)
            stamp(cells, patch, top, left)
            for i in range(3):
                for j in range(4):
                    inside = 0 <= i - top < 2 and 0 <= j - left < 3
                    color = patch[i - top, j - left] if inside else 0
                    assert cells[i, j] == (color or 9)


@given(st.integers(0, 2**32), st.integers(1, 14))
@settings(max_examples=60, deadline=None)
def test_shapes_are_connected_and_figures_do_not_touch(seed: int, size: int) -> None:
    draw = Draw(rng(seed, "shape"), (12, 12), 1.0)
    mask = draw.shape(size)
    assert mask.sum() == size
    assert mask.any(axis=0).all()
    assert mask.any(axis=1).all()
    assert len(objects(mask.astype(int).tolist(), corners=False)) == 1
    canvas = Canvas(draw, 12, 12)
    n = 0
    try:
        for _ in range(20):
            canvas.put(draw.blob(3, 1, 4))
            n += 1
    except NoRoomError:
        pass
    assert len(objects(canvas.cells.tolist())) == n
