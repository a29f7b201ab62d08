"""Reading programs back: what a search writes, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcflow.search.programs import write_program
from arcflow.search.reading import parse_program
from arcflow.search.registry import STEPS
from arcflow.search.variations import colors_in, siblings, vary

NAMES = st.sampled_from([step.name for step in STEPS])
PATHS = st.lists(NAMES, max_size=3).map(tuple)
LAYERS = st.lists(st.tuples(PATHS, st.integers(0, 2)), min_size=1, max_size=10).map(tuple)
SIZES = st.sampled_from(
    [
        "grid.shape",
        "grid.T.shape",
        "(3, 9)",
        "(grid.shape[0] // 2, 3 * grid.shape[1])",
        "(2 * extent(grid, 'objects 3', 'pick most parts')[0] + 1, count(grid, 'squares'))",
        "(extent(grid, 'cropped')[0] + 4, count(grid, 'panels') * grid.shape[0])",
    ]
)
ROLES = st.none() | st.tuples(
    st.lists(st.integers(1, 9), unique=True, max_size=4).map(tuple), st.booleans()
)
PROGRAM = write_program(
    ((("objects 3", "painted 2"), 1), (("turned 3",), 0)), "grid.shape", ((4,), True)
)


@given(LAYERS, SIZES, ROLES)
def test_what_is_written_is_read_back(layers, size, roles):
    written = parse_program(write_program(layers, size, roles))
    assert written is not None
    assert (written.layers, written.size, written.roles) == (layers, size, roles)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("grid.shape", "__import__('os').getcwd()"),
        ("grid.shape", "(1, [0 for _ in iter(int, 1)])"),
        ("grid.shape", "(9 ** 9 ** 9, 3)"),
        ("grid.shape", "(piece(grid, 'turned 3'), 3)"),
        ("grid.shape", "(extent(grid, 'no step')[0], 3)"),
        ("grid.shape", "(" * 9000 + "1"),
        ("'turned 3'", "'turned 99'"),
        ("'turned 3'", "open('x')"),
        ("(4,)", "(4, 44)"),
        ("    return", "    open('x')\n    return"),
        ("def task(grid):", "def task(grid=open('x')):"),
        ("shown(a), b", "a, b"),
        ("shown(a), b", "shown(a), b, c"),
        ('"""Stack', '""" + open("x") + """Stack'),
    ],
)
def test_other_texts_are_refused(old, new):
    assert parse_program(PROGRAM) is not None
    assert old in PROGRAM
    assert parse_program(PROGRAM.replace(old, new, 1)) is None


@given(st.text())
def test_any_text_is_answered(text):
    assert parse_program(text) is None


@given(LAYERS, SIZES, ROLES, st.integers(0, 1000))
def test_a_variation_changes_one_step_to_a_sibling(layers, size, roles, seed):
    text = write_program(layers, size, roles)
    varied = vary(text, np.random.default_rng(seed))
    names = {name for path, _ in layers for name in path}
    if varied is None:
        assert not any(siblings()[name] for name in names)
        return
    assert '"""' not in varied
    assert f"    size = {size}\n" in varied
    before = [line for line in text.split("\n") if '"""' not in line]
    changed = [(a, b) for a, b in zip(before, varied.split("\n"), strict=True) if a != b]
    assert changed
    for a, b in changed:
        old, new = (set(line.split("'")[1::2]) for line in (a, b))
        assert len(old - new) <= 1
        assert all(one in siblings()[other] for one in new - old for other in old - new)


def test_the_colors_that_a_program_names():
    assert colors_in(PROGRAM) == {2, 4}
    assert colors_in(write_program(((("turned 3",), 0),), "(5, 12)", None)) == {5}
