"""Tasks of a pool: what goes in comes out, in place, by families that the guard takes out."""

import multiprocessing
import pickle
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcflow.core.contamination import guard
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import freeze, grid_key
from arcflow.core.task import Pair, Task
from arcflow.sources.pool.source import PoolSource
from arcflow.sources.select import subsample
from tests.helpers.pools import FAMILIES, Noise, noise_pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noise_pool(tmp_path_factory.mktemp("pool"))


def keys(task: Task) -> list[object]:
    return [
        (grid_key(pair.input), grid_key(pair.output))
        for pair in (*task.train, *task.test)
        if pair.output is not None
    ]


def test_every_task_comes_once_a_pass_with_all_its_pairs(pool: Path) -> None:
    source, drawn = PoolSource(str(pool)), Noise()
    stored = sorted(sorted(keys(drawn.task(0, i))) for i in range(300))  # type: ignore[type-var]
    assert len(source) == 300
    for visit in range(2):
        served = [source.task(7, visit * 300 + i) for i in range(300)]
        assert sorted(sorted(keys(task)) for task in served) == stored  # type: ignore[type-var]
    assert [keys(source.task(7, i)) for i in range(300)] != [keys(task) for task in served]


def test_a_task_keeps_to_its_family_and_source(pool: Path) -> None:
    source, drawn = PoolSource(str(pool)), Noise()
    of = {frozenset(keys(drawn.task(0, i))): FAMILIES[i % 12] for i in range(300)}
    for index in range(300):
        task = source.task(3, index)
        assert task.id == f"{of[frozenset(keys(task))]}/{index}"
        assert task.source == "noise"


@given(seed=st.integers(0, 99), index=st.integers(0, 5000), pairs=st.integers(1, 9))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_pairs_are_chosen_without_repeats(pool: Path, seed: int, index: int, pairs: int) -> None:
    task = PoolSource(str(pool), pairs=pairs).task(seed, index)
    assert len(task.train) == min(pairs, 4)
    assert len(task.test) == 1
    assert len(set(keys(task))) == len(keys(task))


def test_grids_are_read_only_views_of_the_file(pool: Path) -> None:
    for one in PoolSource(str(pool)).task(0, 0).grids():
        assert one.dtype == np.int8
        assert not one.flags.writeable
        assert not one.flags.owndata


def _served(path: Path) -> list[list[object]]:
    source = PoolSource(str(path))
    return [keys(source.task(5, index)) for index in reversed(range(40))]


def test_a_task_is_a_function_of_seed_and_index(pool: Path) -> None:
    state = random.getstate(), pickle.dumps(np.random.get_state())
    source = PoolSource(str(pool))
    here = [keys(source.task(5, index)) for index in range(40)]
    with multiprocessing.get_context("spawn").Pool(1) as processes:
        [there] = processes.map(_served, [pool])
    assert there[::-1] == here
    copied = pickle.loads(pickle.dumps(source))
    assert [keys(copied.task(5, index)) for index in range(40)] == here
    assert (random.getstate(), pickle.dumps(np.random.get_state())) == state
    assert keys(source.task(6, 0)) != here[0]


def test_originals_and_without_need_no_generator(pool: Path) -> None:
    source = PoolSource(str(pool))
    assert list(source.base_tasks()) == list(Noise().base_tasks())
    less = source.exclude(FAMILIES[:3])
    assert [task.id for task in less.base_tasks()] == list(FAMILIES[3:])
    assert len(less) == 225
    assert {less.task(0, i).id.split("/")[0] for i in range(225)} == set(FAMILIES[3:])
    assert len(source) == 300
    assert less.fingerprint() != source.fingerprint()
    assert pickle.loads(pickle.dumps(less)).fingerprint() == less.fingerprint()
    assert len(less.exclude(FAMILIES)) == 0


def test_the_guard_finds_turned_and_recoloured_copies(pool: Path) -> None:
    source = PoolSource(str(pool))
    original = next(task for task in source.base_tasks() if min(g.size for g in task.grids()) >= 12)

    def change(cells: np.ndarray) -> np.ndarray:
        return freeze(np.ascontiguousarray((np.rot90(cells) + 3) % 10).astype(np.int8))

    [pair] = original.train
    assert pair.output is not None
    changed = Pair(change(pair.input), change(pair.output))
    evaluated = replace(original, id="feedc0de", train=(changed,), test=(changed,))
    left = guard(list(source.base_tasks()), [evaluated])
    assert [task.id for task in left.dropped] == [original.id]
    less = source.exclude([task.id for task in left.dropped])
    assert original.id not in {less.task(0, i).id.split("/")[0] for i in range(len(less))}


def test_families_by_id_and_share(pool: Path) -> None:
    two = PoolSource(str(pool), ids=FAMILIES[:4], exclude=FAMILIES[:2])
    assert {two.task(0, i).id.split("/")[0] for i in range(len(two))} == set(FAMILIES[2:4])
    half, quarter = (PoolSource(str(pool), fraction=share) for share in (0.5, 0.25))
    small, large = ({task.id for task in s.base_tasks()} for s in (quarter, half))
    assert (len(small), len(large)) == (3, 6)
    assert small < large
    assert large == {task.id for task in subsample(list(Noise().base_tasks()), 0.5, 0)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": ["0a0a0a0a"]}, r"1 unknown in ids: got \['0a0a0a0a'\].*12 families"),
        ({"exclude": ["0a0a0a0a"]}, "1 unknown in exclude"),
        ({"fraction": 0}, "bad fraction: got 0"),
        ({"fraction": 1.5}, "bad fraction: got 1.5"),
        ({"fraction_seed": -1}, "bad fraction_seed: got -1"),
        ({"pairs": 0}, "bad pairs: got 0"),
    ],
)
def test_bad_options(pool: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        PoolSource(str(pool), **options)  # type: ignore[arg-type]


def test_nothing_left_is_refused(pool: Path) -> None:
    with pytest.raises(DataError, match="training stream: got 0"):
        PoolSource(str(pool)).exclude(FAMILIES).task(0, 0)
