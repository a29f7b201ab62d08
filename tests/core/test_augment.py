"""Augmentations: laws, golden turns, JSON, messages, and what is drawn how often."""

import itertools
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from arcflow.core.augment import (
    IDENTITY,
    Augmentation,
    Chain,
    Dihedral,
    Recolor,
    Reorder,
    SwapTrainTest,
    augmentation_from_json,
)
from arcflow.core.augment_sampling import AugmentConfig, sample_augmentation, sample_training_view
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import freeze, make_grid
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task

EIGHT = [Dihedral(flip, n) for flip in (False, True) for n in range(4)]
NOTHING = AugmentConfig(dihedral=False, recolor=False, reorder=False, swap_train_test=0.0)


def fixed(*rows: list[int]):
    return make_grid(list(rows))


def numbered_task(n_train: int, n_test: int, hidden: bool = False) -> Task:
    """Pair i has the input [[i, 0]] and the output [[i, 9]], train pairs first."""
    pairs = [Pair(fixed([i, 0]), fixed([i, 9])) for i in range(n_train + n_test)]
    task = Task("numbered", tuple(pairs[:n_train]), tuple(pairs[n_train:]), "made", "a program")
    return task.without_answers() if hidden else task


def numbers(pairs: tuple[Pair, ...]) -> list[int]:
    return [int(pair.input[0, 0]) for pair in pairs]


grids = arrays(
    np.int8,
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    elements=st.integers(0, 9),
    fill=st.integers(0, 9),
).map(freeze)
recolors = st.permutations(range(10)).map(lambda p: Recolor(tuple(p)))
simple = st.one_of(
    st.sampled_from(EIGHT),
    recolors,
    st.integers(1, 4).flatmap(lambda n: st.permutations(range(n))).map(lambda o: Reorder(tuple(o))),
    st.builds(SwapTrainTest, st.integers(0, 5), st.integers(0, 2)),
)
augmentations = st.recursive(
    simple, lambda parts: st.lists(parts, max_size=4).map(lambda p: Chain(tuple(p))), max_leaves=8
)


@given(augmentations, grids)
@settings(max_examples=150, deadline=None)
def test_inverting_the_augmented_grid_gives_the_grid(augmentation: Augmentation, grid):
    there = augmentation.apply_grid(grid)
    back = augmentation.invert(there)
    np.testing.assert_array_equal(back, grid)
    np.testing.assert_array_equal(augmentation.apply_grid(augmentation.invert(grid)), grid)
    assert there.dtype == back.dtype == np.int8
    assert not there.flags.writeable
    assert not back.flags.writeable


@given(augmentations)
@settings(max_examples=150, deadline=None)
def test_json_both_ways(augmentation: Augmentation):
    text = json.dumps(augmentation.to_json())
    again = augmentation_from_json(json.loads(text))
    assert again == augmentation
    assert hash(again) == hash(augmentation)
    assert again.name == augmentation.name


@given(simple, simple)
@settings(max_examples=150, deadline=None)
def test_names_tell_augmentations_apart(a: Augmentation, b: Augmentation):
    assert (a.name == b.name) == (a == b)


def test_names_are_stable():
    chain = Chain(
        (
            SwapTrainTest(2, 0),
            Reorder((2, 0, 1)),
            Dihedral(True, 3),
            Recolor((0, 6, 1, 7, 8, 3, 2, 5, 4, 9)),
        )
    )
    assert chain.name == "swap_2-0+order_2-0-1+flip_rot270+colors_0617832549"
    assert IDENTITY.name == "identity"
    assert Dihedral(False, 1).name == "rot90"


def test_the_eight_turns_and_flips_are_what_numpy_makes_of_them():
    grid = fixed([1, 2, 3], [4, 5, 6])
    seen = set()
    for turn in EIGHT:
        expected = np.rot90(np.fliplr(grid) if turn.hflip else grid, turn.n_rot90)
        got = turn.apply_grid(grid)
        np.testing.assert_array_equal(got, expected)
        seen.add((got.shape, got.tobytes()))
    assert len(seen) == 8
    np.testing.assert_array_equal(Dihedral(True, 1).apply_grid(grid), fixed([1, 4], [2, 5], [3, 6]))


@pytest.mark.parametrize(("a", "b"), list(itertools.product(EIGHT, EIGHT)))
def test_two_turns_are_one_of_the_eight(a: Dihedral, b: Dihedral):
    grid = fixed([1, 2, 3], [4, 5, 6])
    both = Chain((a, b)).apply_grid(grid)
    assert sum(np.array_equal(both, turn.apply_grid(grid)) for turn in EIGHT) == 1


def test_recolor_sends_colour_c_to_mapping_c():
    recolor = Recolor((0, 6, 1, 7, 8, 3, 2, 5, 4, 9))
    np.testing.assert_array_equal(recolor.apply_grid(fixed([0, 1, 2], [3, 9, 8])), [
        [0, 6, 1],
        [7, 9, 4],
    ])  # fmt: skip


def test_a_chain_goes_left_to_right():
    swap_01, swap_12 = list(range(10)), list(range(10))
    swap_01[:2], swap_12[1:3] = [1, 0], [2, 1]
    first, second = Recolor(tuple(swap_01)), Recolor(tuple(swap_12))
    assert Chain((first, second)).apply_grid(fixed([0])).tolist() == [[2]]
    assert Chain((second, first)).apply_grid(fixed([0])).tolist() == [[1]]


@given(st.sampled_from(EIGHT), recolors)
@settings(max_examples=30, deadline=None)
def test_a_task_is_augmented_grid_by_grid(turn: Dihedral, recolor: Recolor):
    task = replace(numbered_task(3, 2), test=(Pair(fixed([1], [2]), None),))
    chain = Chain((turn, recolor))
    after = chain.apply(task)
    assert (after.id, after.source) == (task.id, task.source)
    assert after.test[0].output is None
    assert [g.tolist() for g in after.grids()] == [
        chain.apply_grid(g).tolist() for g in task.grids()
    ]
    assert not any(grid.flags.writeable for grid in after.grids())


def test_a_program_stays_only_with_the_grids_it_solves():
    task = numbered_task(2, 1)
    assert Reorder((1, 0)).apply(task).code == "a program"
    assert SwapTrainTest(0, 0).apply(task).code == "a program"
    assert Dihedral(True, 0).apply(task).code is None
    assert Recolor((1, 0, *range(2, 10))).apply(task).code is None


def test_reorder_and_swap_move_pairs():
    task = numbered_task(3, 2)
    assert numbers(Reorder((2, 0, 1)).apply(task).train) == [2, 0, 1]
    swapped = SwapTrainTest(1, 1).apply(task)
    assert (numbers(swapped.train), numbers(swapped.test)) == ([0, 4, 2], [3, 1])
    assert SwapTrainTest(1, 1).apply(swapped) == task


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (
            Reorder((1, 0)),
            "task numbered: an order for another number of train pairs: got (1, 0). "
            "Expected a permutation of 0..2.",
        ),
        (
            SwapTrainTest(3, 0),
            "task numbered: no train pair to swap at this index: got 3. Expected an index below 3.",
        ),
        (
            SwapTrainTest(0, 1),
            "task numbered: no test pair to swap at this index: got 1. Expected an index below 1.",
        ),
        (
            SwapTrainTest(0, 0),
            "task numbered: test pair 0 cannot become a train pair: got None. "
            "Expected a test pair whose output is known.",
        ),
    ],
)
def test_augmentations_of_another_task_are_refused(augmentation: Augmentation, message: str):
    with pytest.raises(DataError, match=re.escape(message)):
        augmentation.apply(numbered_task(3, 1, hidden=True))


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([1], "view: wrong type: got [1]. Expected an object with 'kind' one of dihedral, recolor"),
        ({"kind": "shear"}, "view: unknown kind: got 'shear'. Expected an object with 'kind' one"),
        ({"hflip": True}, "view: unknown kind: got None."),
        ({"kind": ["dihedral"]}, "view: unknown kind: got ['dihedral']."),
        (
            {"kind": "dihedral", "rot90": 1},
            "view: unknown field of dihedral: got 'rot90'. Expected fields hflip, n_rot90.",
        ),
        (
            {"kind": "swap_train_test", "train_index": 0},
            "view: missing field 'test_index' of swap_train_test: got ['train_index'].",
        ),
        (
            {"kind": "dihedral", "hflip": 1, "n_rot90": 0},
            "view, dihedral: bad hflip: got 1. Expected true or false.",
        ),
        (
            {"kind": "dihedral", "hflip": True, "n_rot90": 4},
            "view, dihedral: bad n_rot90: got 4. Expected an integer 0..3.",
        ),
        (
            {"kind": "dihedral", "hflip": True, "n_rot90": True},
            "view, dihedral: bad n_rot90: got True. Expected an integer 0..3.",
        ),
        (
            {"kind": "recolor", "mapping": [0, 0, 2, 3, 4, 5, 6, 7, 8, 9]},
            "view, recolor: bad mapping: got (0, 0, 2, 3, 4, 5, 6, 7, 8, 9). "
            "Expected a permutation of 0..9.",
        ),
        ({"kind": "recolor", "mapping": [0, 1]}, "view, recolor: bad mapping: got (0, 1)."),
        ({"kind": "recolor", "mapping": "0123456789"}, "view, recolor: bad mapping: got '0123"),
        ({"kind": "reorder", "order": [0, 2]}, "view, reorder: bad order: got (0, 2). Expected a"),
        ({"kind": "reorder", "order": []}, "view, reorder: bad order: got (). Expected a"),
        ({"kind": "reorder", "order": [0.0]}, "view, reorder: bad order: got (0.0,). Expected a"),
        (
            {"kind": "swap_train_test", "train_index": -1, "test_index": 0},
            "view, swap_train_test: bad train_index: got -1. Expected an integer >= 0.",
        ),
        (
            {"kind": "chain", "parts": [{"kind": "chain", "parts": [{"kind": "x"}]}]},
            "view, part 0, part 0: unknown kind: got 'x'.",
        ),
        (
            {"kind": "chain", "parts": {"kind": "dihedral"}},
            "view, chain: bad parts: got {'kind': 'dihedral'}. Expected a list of augmentations.",
        ),
    ],
)
def test_bad_json_is_refused(obj: object, message: str):
    with pytest.raises(DataError, match="^" + re.escape(message)):
        augmentation_from_json(obj, "view")


def draws(config: AugmentConfig, task: Task, n: int = 2000) -> list[Chain]:
    return [sample_augmentation(config, task, rng(0, "test", i)) for i in range(n)]


def parts_of(chains: list[Chain], kind: type[Augmentation]) -> list[Augmentation]:
    return [part for chain in chains for part in chain.parts if isinstance(part, kind)]


def near(count: int, probability: float, n: int) -> bool:
    """Within five standard deviations of what the probability says."""
    return abs(count - probability * n) <= 5 * (n * probability * (1 - probability)) ** 0.5


def test_nothing_is_drawn_where_all_is_off():
    assert set(draws(NOTHING, numbered_task(3, 1), 50)) == {IDENTITY}


def test_turns_are_drawn_equally():
    chains = draws(replace(NOTHING, dihedral=True), numbered_task(3, 1))
    seen = Counter(chain.parts for chain in chains)
    assert set(seen) == {(), *((turn,) for turn in EIGHT if turn != Dihedral())}
    assert all(near(count, 1 / 8, 2000) for count in seen.values())


def test_the_order_of_examples_is_drawn_equally():
    chains = draws(replace(NOTHING, reorder=True), numbered_task(3, 1))
    seen = Counter(tuple(numbers(chain.apply(numbered_task(3, 1)).train)) for chain in chains)
    assert set(seen) == set(itertools.permutations(range(3)))
    assert all(near(count, 1 / 6, 2000) for count in seen.values())
    assert set(draws(replace(NOTHING, reorder=True), numbered_task(1, 1), 50)) == {IDENTITY}


def test_move_background_is_the_probability_that_colour_0_takes_part():
    config = replace(NOTHING, recolor=True, keep_colors=0.0)
    still = parts_of(draws(replace(config, move_background=0.0), numbered_task(3, 1)), Recolor)
    assert all(recolor.mapping[0] == 0 for recolor in still)
    # Colour 1 goes to each of the other nine equally.
    assert near(sum(recolor.mapping[1] == 1 for recolor in still), 1 / 9, 2000)
    moved = parts_of(draws(replace(config, move_background=1.0), numbered_task(3, 1)), Recolor)
    assert near(sum(recolor.mapping[0] != 0 for recolor in moved), 0.9, 2000)
    half = parts_of(draws(replace(config, move_background=0.5), numbered_task(3, 1)), Recolor)
    assert near(sum(recolor.mapping[0] != 0 for recolor in half), 0.45, 2000)


def test_keep_colors_is_the_probability_that_no_colour_changes():
    config = replace(NOTHING, recolor=True)
    for keep in (0.0, 0.3, 1.0):
        chains = draws(replace(config, keep_colors=keep), numbered_task(3, 1))
        assert near(chains.count(IDENTITY), keep, 2000)


def test_hidden_answers_are_never_swapped():
    config = AugmentConfig(swap_train_test=1.0)
    assert parts_of(draws(config, numbered_task(3, 2, hidden=True), 50), SwapTrainTest) == []
    half = numbered_task(3, 2)
    half = replace(half, test=(Pair(half.test[0].input, None), half.test[1]))
    swaps = parts_of(draws(config, half, 300), SwapTrainTest)
    assert {(s.train_index, s.test_index) for s in swaps} == {(0, 1), (1, 1), (2, 1)}


def test_the_swapped_pair_is_the_one_to_learn():
    config = replace(NOTHING, swap_train_test=0.5, reorder=True)
    asked = Counter()
    for i in range(2000):
        view, test_index = sample_training_view(config, numbered_task(3, 2), rng(1, "test", i))
        assert sorted(numbers(view.train + view.test)) == [0, 1, 2, 3, 4]
        asked[numbers(view.test)[test_index]] += 1
    assert near(sum(asked[i] for i in range(3)), 0.5, 2000)
    assert all(near(asked[i], 1 / 6, 2000) for i in range(3))
    assert all(near(asked[i], 1 / 4, 2000) for i in (3, 4))


def test_only_known_answers_are_learned():
    task = numbered_task(2, 3)
    task = replace(task, test=(Pair(task.test[0].input, None), *task.test[1:]))
    views = [sample_training_view(AugmentConfig(), task, rng(0, "t", i)) for i in range(100)]
    assert {test_index for _, test_index in views} == {1, 2}
    assert all(view.test[test_index].output is not None for view, test_index in views)
    with pytest.raises(DataError, match="task numbered: nothing to learn: got 0"):
        sample_training_view(AugmentConfig(), task.without_answers(), rng(0, "t", 0))


def test_a_view_is_a_function_of_seed_and_index():
    config, task = AugmentConfig(compose=0.5), numbered_task(4, 2)
    once, again, other = (
        [sample_training_view(config, task, rng(seed, "train", i)) for i in range(40)]
        for seed in (0, 0, 1)
    )
    assert once == again
    assert once != other


def test_the_augmented_answer_is_undone_for_every_draw():
    task = numbered_task(3, 1)
    for chain in draws(AugmentConfig(swap_train_test=0.0), task, 200):
        answer = chain.apply(task).test[0].output
        assert answer is not None
        assert np.array_equal(chain.invert(answer), task.test[0].output)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dihedral": 1}, "augment.dihedral: bad value: got 1. Expected true or false."),
        ({"recolor": 0.5}, "augment.recolor: bad value: got 0.5. Expected true or false."),
        ({"move_background": 1.5}, "augment.move_background: bad value: got 1.5. Expected a prob"),
        ({"keep_colors": -0.1}, "augment.keep_colors: bad value: got -0.1. Expected a probability"),
        ({"swap_train_test": True}, "augment.swap_train_test: bad value: got True."),
        ({"compose": float("nan")}, "augment.compose: bad value: got nan."),
        ({"compose": "often"}, "augment.compose: bad value: got 'often'."),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        AugmentConfig(**options)
