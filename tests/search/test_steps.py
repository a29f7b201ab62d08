"""Laws of all grid functions: any image of up to 30x30 gives images within bounds, or none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.search.geometry import turned
from arcflow.search.images import MAX_AREA, MAX_SIDE, same
from arcflow.search.lists import chosen, kept, sorted_by, stacked
from arcflow.search.recolor import swapped
from arcflow.search.registry import STEPS
from arcflow.search.split import colors_apart, objects
from arcflow.search.steps import image_step, list_step, merge_step, split_step


@st.composite
def cells(draw: st.DrawFn, most: int = 30) -> np.ndarray:
    height, width = draw(st.integers(1, most)), draw(st.integers(1, most))
    n_colors = draw(st.integers(1, 10))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    density = draw(st.sampled_from([0.1, 0.5, 1.0]))
    grid = rng.integers(0, n_colors, (height, width)) * (rng.random((height, width)) < density)
    return grid.astype(np.uint8)


places = st.integers(-40, 40)


def _check(images: list) -> None:
    for g, y, x in images:
        assert g.dtype == np.uint8
        assert g.ndim == 2
        assert g.shape == (0, 0) or min(g.shape) >= 1
        assert max(g.shape) <= MAX_SIDE
        assert g.size <= MAX_AREA
        assert g.size == 0 or g.max() <= 9
        assert int(y) == y
        assert int(x) == x


def test_there_are_enough_steps_and_their_names_are_unique():
    assert len({step.name for step in STEPS}) == len(STEPS)
    unary = {(step.kind, step.family) for step in STEPS}
    assert len(unary) >= 70


@settings(max_examples=40, deadline=None)
@given(g=cells(), y=places, x=places, size=st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_steps_of_images_never_fail(g: np.ndarray, y: int, x: int, size: tuple[int, int]):
    before = g.copy()
    sizes = np.array([*g.shape, *size], np.int64)
    for step in STEPS:
        if step.kind == 0:
            _check([image_step(step.family, step.argument, g, y, x, sizes)])
        elif step.kind == 1:
            _check(split_step(step.family, step.argument, g, y, x, sizes))
    assert np.array_equal(g, before)


@settings(max_examples=40, deadline=None)
@given(
    grids=st.lists(cells(12), min_size=1, max_size=6),
    place=st.lists(st.tuples(places, places), min_size=6, max_size=6),
    source=cells(),
)
def test_steps_of_lists_never_fail(grids: list, place: list, source: np.ndarray):
    images = [(g, y, x) for g, (y, x) in zip(grids, place, strict=False)]
    sizes = np.array([*source.shape, 5, 7], np.int64)
    for step in STEPS:
        if step.kind == 2:
            _check([merge_step(step.family, step.argument, images, sizes)])
        elif step.kind == 3:
            _check(list_step(step.family, step.argument, images, sizes, source))


@given(g=cells(12))
def test_turns_undo_each_other(g: np.ndarray):
    for there, back in ((1, 3), (3, 1), (2, 2), (4, 4), (5, 5), (6, 6), (7, 7), (0, 0)):
        assert same(turned(turned(g, there), back), g)
    assert np.array_equal(turned(g, 1), np.rot90(g))
    assert np.array_equal(turned(g, 6), g.T)


@given(g=cells(9))
def test_parts_stacked_give_the_image_again(g: np.ndarray):
    if not g.any():
        return
    for images in (objects(g, 0, 0, 0, 1), objects(g, 0, 0, 1, 0), colors_apart(g, 0, 0, 1)):
        out, y, x = stacked(images)
        canvas = np.zeros_like(g)
        canvas[y : y + out.shape[0], x : x + out.shape[1]] = out
        assert np.array_equal(canvas, g)


@given(g=cells(9), which=st.integers(0, 16))
def test_choices_split_a_list(g: np.ndarray, which: int):
    images = objects(g, 0, 0, 1, 1)
    if len(images) < 2:
        return
    assert not (chosen(images, which, 0) & chosen(images, which, 2)).any()
    n = len(kept(images, which, 0)) + len(kept(images, which, 2))
    assert n in (0, len(images))
    assert len(sorted_by(images, which, 1)) == len(images)


@pytest.mark.parametrize(("g", "wanted"), [([[1, 2]], [[2, 1]]), ([[3, 0, 1, 3]], [[1, 0, 3, 1]])])
def test_swapped_exchanges_two_colors(g: list, wanted: list):
    assert swapped(np.array(g, np.uint8)).tolist() == wanted
