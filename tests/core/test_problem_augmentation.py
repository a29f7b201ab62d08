"""Compositions: one side of a task changes and it fits, or the task stays as it is."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.augment import Dihedral
from arcflow.core.augment_sampling import AugmentConfig, sample_training_view
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import MAX_SIDE, freeze, make_grid
from arcflow.core.problem_augmentation import (
    ComposeWeights,
    Composition,
    Mirror,
    Pad,
    Upscale,
    compose_task,
    composition_from_json,
    sample_composition,
)
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task

GRID = make_grid([[1, 2, 3], [4, 5, 6]])


def square(side: int) -> np.ndarray:
    return freeze(np.arange(side * side, dtype=np.int64).reshape(side, side).astype(np.int8) % 10)


def task_of(input_side: int, output_side: int) -> Task:
    pair = Pair(square(input_side), square(output_side))
    return Task("made", (pair, Pair(GRID, GRID)), (pair, Pair(GRID, None)), "source", "a program")


sizes = st.tuples(st.integers(0, 14), st.integers(0, 14))
changes = st.one_of(
    st.builds(Dihedral, st.booleans(), st.integers(0, 3)),
    st.builds(Pad, sizes, st.integers(0, 9)),
    st.builds(Upscale, st.tuples(st.integers(1, 5), st.integers(1, 5))),
    st.builds(Mirror, st.integers(0, 1), st.integers(0, 1)),
)
compositions = st.builds(Composition, st.sampled_from(["inputs", "outputs"]), changes)


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (
            Pad((1, 2), 7),
            [
                [7, 7, 7, 7, 7, 7, 7],
                [7, 7, 1, 2, 3, 7, 7],
                [7, 7, 4, 5, 6, 7, 7],
                [7, 7, 7, 7, 7, 7, 7],
            ],
        ),
        (Upscale((1, 2)), [[1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 6, 6]]),
        (Upscale((2, 1)), [[1, 2, 3], [1, 2, 3], [4, 5, 6], [4, 5, 6]]),
        (Mirror(0, 0), [[4, 5, 6], [1, 2, 3], [1, 2, 3], [4, 5, 6]]),
        (Mirror(0, 1), [[1, 2, 3], [4, 5, 6], [4, 5, 6], [1, 2, 3]]),
        (Mirror(1, 0), [[3, 2, 1, 1, 2, 3], [6, 5, 4, 4, 5, 6]]),
        (Mirror(1, 1), [[1, 2, 3, 3, 2, 1], [4, 5, 6, 6, 5, 4]]),
    ],
)
def test_what_each_change_does(change, rows):
    changed = change.apply_grid(GRID)
    assert changed.tolist() == rows
    assert changed.shape == change.shape(*GRID.shape)
    assert changed.dtype == np.int8
    assert not changed.flags.writeable


@given(compositions, st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_one_side_of_every_pair_changes_or_none_does(composition, input_side, output_side):
    task = task_of(input_side, output_side)
    composed = composition.apply(task)
    side = input_side if composition.on == "inputs" else output_side
    changed = [composition.change.apply_grid(grid) for grid in (square(side), GRID)]
    fits = all(max(grid.shape) <= MAX_SIDE for grid in changed)
    assert (composed is not None) == fits
    if composed is None:
        return
    assert composed.id == f"made+{composition.name}"
    assert (composed.source, composed.code) == ("source", None)
    for before, after in zip(task.train + task.test, composed.train + composed.test, strict=True):
        make_grid(after.input)  # still a grid
        if composition.on == "inputs":
            assert np.array_equal(after.input, composition.change.apply_grid(before.input))
            assert (after.output is None) == (before.output is None)
            assert after.output is before.output
        else:
            assert after.input is before.input
            assert (after.output is None) == (before.output is None)
            if before.output is not None:
                make_grid(after.output)
                assert np.array_equal(after.output, composition.change.apply_grid(before.output))


@given(compositions)
@settings(max_examples=100, deadline=None)
def test_json_both_ways(composition):
    again = composition_from_json(json.loads(json.dumps(composition.to_json())))
    assert again == composition
    assert hash(again) == hash(composition)
    assert again.name == composition.name


@given(compositions, compositions)
@settings(max_examples=100, deadline=None)
def test_names_tell_compositions_apart(a, b):
    assert (a.name == b.name) == (a == b)


def test_names_are_stable():
    changes = Pad((1, 2), 4), Upscale((2, 3)), Mirror(0, 0), Mirror(1, 1), Dihedral(True, 1)
    names = [Composition("inputs", change).name for change in changes]
    assert names == [
        "inputs_pad_1x2_color4",
        "inputs_upscale_2x3",
        "inputs_mirror_above",
        "inputs_mirror_right",
        "inputs_flip_rot90",
    ]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"on": "inputs"}, "composition: not a composition: got {'on': 'inputs'}. Expected an"),
        ([], "composition: not a composition: got []."),
        (
            {"on": "inputs", "change": {"kind": "blur"}},
            "composition, change: unknown kind: got 'blur'. Expected an object with 'kind' one of "
            "dihedral, pad, upscale, mirror.",
        ),
        (
            {"on": "both", "change": {"kind": "mirror", "axis": 0, "position": 0}},
            "composition, composition: bad on: got 'both'. Expected 'inputs' or 'outputs'.",
        ),
        (
            {"on": "inputs", "change": {"kind": "mirror", "axis": 2, "position": 0}},
            "composition, change, mirror: bad axis: got 2. Expected an integer 0..1.",
        ),
        (
            {"on": "inputs", "change": {"kind": "pad", "size": [1, 15], "color": 0}},
            "composition, change, pad: bad size: got (1, 15). Expected two integers 0..14.",
        ),
        (
            {"on": "inputs", "change": {"kind": "pad", "size": 1, "color": 0}},
            "composition, change, pad: bad size: got 1. Expected two integers 0..14.",
        ),
        (
            {"on": "inputs", "change": {"kind": "pad", "size": [1, 1], "color": 10}},
            "composition, change, pad: bad color: got 10. Expected an integer 0..9.",
        ),
        (
            {"on": "inputs", "change": {"kind": "upscale", "scale": [0, 1]}},
            "composition, change, upscale: bad scale: got (0, 1). Expected two integers 1..30.",
        ),
        (
            {"on": "inputs", "change": {"kind": "upscale", "size": [1, 1]}},
            "composition, change: unknown field of upscale: got 'size'. Expected fields scale.",
        ),
    ],
)
def test_bad_json_is_refused(obj: object, message: str):
    with pytest.raises(DataError, match="^" + re.escape(message)):
        composition_from_json(obj)


def test_kinds_are_drawn_by_weight():
    weights = ComposeWeights(turn=0, pad=1, upscale=2, mirror=5)
    drawn = [sample_composition(weights, rng(0, "c", i)) for i in range(2000)]
    kinds = Counter(type(composition.change) for composition in drawn)
    assert set(kinds) == {Pad, Upscale, Mirror}
    for kind, share in ((Pad, 1 / 8), (Upscale, 2 / 8), (Mirror, 5 / 8)):
        assert abs(kinds[kind] - share * 2000) <= 5 * (2000 * share * (1 - share)) ** 0.5
    on = Counter(composition.on for composition in drawn)
    assert abs(on["inputs"] - 1000) <= 5 * 500**0.5


def test_every_draw_changes_something_and_all_are_drawn():
    drawn = {sample_composition(ComposeWeights(), rng(0, "c", i)).change for i in range(6000)}
    assert {c for c in drawn if isinstance(c, Dihedral)} == {
        Dihedral(flip, n) for flip in (False, True) for n in range(4) if flip or n
    }
    assert {c for c in drawn if isinstance(c, Mirror)} == {
        Mirror(axis, position) for axis in (0, 1) for position in (0, 1)
    }
    assert {c.scale for c in drawn if isinstance(c, Upscale)} == {
        (rows, columns) for rows in range(1, 5) for columns in range(1, 5)
    } - {(1, 1)}
    assert {c.size for c in drawn if isinstance(c, Pad)} == {
        (rows, columns) for rows in range(1, 6) for columns in range(1, 6)
    }
    assert {c.color for c in drawn if isinstance(c, Pad)} == set(range(10))


def test_sampling_tries_again_until_the_grids_fit():
    # Inputs of 30 cannot grow; outputs of 1 always can.
    composed = [
        compose_task(ComposeWeights(turn=0), task_of(30, 1), rng(0, "c", i)) for i in range(200)
    ]
    assert sum("made+outputs" in task.id for task in composed) >= 195


def test_a_task_that_no_composition_fits_stays_as_it_is():
    task = task_of(30, 30)
    assert compose_task(ComposeWeights(turn=0), task, rng(0, "c", 0)) is task


def test_compose_is_the_probability_of_a_new_task():
    config = AugmentConfig(compose=0.25, compose_weights=ComposeWeights(pad=0, upscale=0, mirror=0))
    ids = [sample_training_view(config, task_of(5, 5), rng(0, "c", i))[0].id for i in range(2000)]
    assert abs(sum(task_id != "made" for task_id in ids) - 500) <= 5 * 375**0.5


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"pad": -1}, "compose_weights.pad: not a weight: got -1. Expected a number >= 0."),
        ({"turn": float("inf")}, "compose_weights.turn: not a weight: got inf."),
        ({"turn": float("nan")}, "compose_weights.turn: not a weight: got nan."),
        ({"mirror": True}, "compose_weights.mirror: not a weight: got True."),
        ({"mirror": "1"}, "compose_weights.mirror: not a weight: got '1'."),
        (
            dict.fromkeys(("turn", "pad", "upscale", "mirror"), 0),
            "compose_weights: nothing to choose from: got {'turn': 0, 'pad': 0, 'upscale': 0, ",
        ),
    ],
)
def test_impossible_weights_are_refused(weights: dict[str, float], message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        ComposeWeights(**weights)
