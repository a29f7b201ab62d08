"""The examples of the grid functions are right, and each function has one."""

import numpy as np
import pytest

from arcflow.search.examples import EXAMPLES, OUTPUT_SIZES, SOURCE
from arcflow.search.images import Cells, Image
from arcflow.search.registry import STEPS
from tests.search.steps_helper import BY_NAME, Bench

MOVES = {"moved 1", "cropped", "at origin", "on canvas 0"}
AT_ONE = {"at origin", "on canvas 0"}


def _read(text: str) -> Cells:
    rows = [[0 if c == "." else int(c) for c in row] for row in text.split("/")]
    return np.array(rows, np.uint8)


def _write(image: Image, place: bool) -> str:
    g, y, x = image
    cells = "/".join("".join("." if c == 0 else str(c) for c in row) for row in g.tolist())
    return f"{cells} at {y},{x}" if place else cells


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_right(name: str):
    step = BY_NAME[name]
    given, wanted = EXAMPLES[name]
    at = int(name in AT_ONE)
    images = [(_read(part), at, at + 2 * i) for i, part in enumerate(given.split(" | "))]
    sizes = (3, 3, *OUTPUT_SIZES.get(name, (3, 3)))
    bench = Bench(images, sizes, _read(SOURCE), is_list=step.kind >= 2)
    made = bench.apply(step) or []
    place = step.kind > 0 or name in MOVES
    assert " | ".join(_write(image, place) for image in made) == wanted


def test_each_function_has_an_example():
    shown = {(BY_NAME[name].kind, BY_NAME[name].family) for name in EXAMPLES}
    assert shown == {(step.kind, step.family) for step in STEPS}
