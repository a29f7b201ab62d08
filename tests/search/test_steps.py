"""Laws of all grid functions: any image of up to 30x30 gives images within bounds, or none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.search.arena import FULL
from arcflow.search.geometry import turned
from arcflow.search.images import MAX_AREA, MAX_SIDE, same
from arcflow.search.measures import MEASURES
from arcflow.search.recolor import swapped
from arcflow.search.registry import STEPS
from tests.search.steps_helper import Bench


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
    bench = Bench([(g, y, x)], (*g.shape, *size), g)
    for step in STEPS:
        if step.kind < 2:
            _check(bench.apply(step) or [])
    assert np.array_equal(g, before)
    assert bench.arena.used[FULL] == 0


@settings(max_examples=40, deadline=None)
@given(
    grids=st.lists(cells(12), min_size=1, max_size=6),
    place=st.lists(st.tuples(places, places), min_size=6, max_size=6),
    source=cells(),
)
def test_steps_of_lists_never_fail(grids: list, place: list, source: np.ndarray):
    images = [(g, y, x) for g, (y, x) in zip(grids, place, strict=False)]
    bench = Bench(images, (*source.shape, 5, 7), source, is_list=True)
    for step in STEPS:
        _check(bench.apply(step) or [])
    for (g, y, x), (h, i, j) in zip(images, bench.apply() or [], strict=True):
        assert np.array_equal(g, h)
        assert (y, x) == (i, j)


@given(g=cells(12))
def test_turns_undo_each_other(g: np.ndarray):
    for there, back in ((1, 3), (3, 1), (2, 2), (4, 4), (5, 5), (6, 6), (7, 7), (0, 0)):
        assert same(turned(turned(g, there), back), g)
    assert np.array_equal(turned(g, 1), np.rot90(g))
    assert np.array_equal(turned(g, 6), g.T)


@given(g=cells(9))
def test_parts_stacked_give_the_image_again(g: np.ndarray):
    bench = Bench([(g, 0, 0)])
    for parts in ("objects 2", "objects 1", "colors apart 1"):
        made = bench.apply(parts, "stacked")
        canvas = np.zeros_like(g)
        for out, y, x in made or []:
            canvas[y : y + out.shape[0], x : x + out.shape[1]] = out
        assert np.array_equal(canvas, g)


@given(g=cells(9), measure=st.sampled_from(MEASURES))
def test_choices_split_a_list(g: np.ndarray, measure: str):
    bench = Bench([(g, 0, 0)])
    images = bench.apply("objects 3") or []
    most = bench.apply("objects 3", f"keep most {measure}") or []
    others = bench.apply("objects 3", f"keep not most {measure}") or []
    assert len(most) + len(others) in (0, len(images))
    backwards = bench.apply("objects 3", "reversed") or []
    assert len(backwards) == len(images)


@pytest.mark.parametrize(("g", "wanted"), [([[1, 2]], [[2, 1]]), ([[3, 0, 1, 3]], [[1, 0, 3, 1]])])
def test_swapped_exchanges_two_colors(g: list, wanted: list):
    assert swapped(np.array(g, np.uint8)).tolist() == wanted
