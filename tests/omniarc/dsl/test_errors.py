"""The DSL's error messages: one short sentence with the value and what is expected."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcflow.omniarc.dsl import (
    DslError,
    bounding_box,
    colors_of,
    complete_symmetry,
    crop,
    downscale,
    find_period,
    is_symmetric,
    join_panels,
    least_common_color,
    most_common,
    most_common_color,
    new_grid,
    odd_one_out,
    overlay,
    pad,
    recolor,
    shift,
    split_evenly,
    tile,
    to_grid,
    transpose,
    trim,
    unique,
    upscale,
)

ONE = new_grid(1, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: new_grid(0, 3), "new_grid: 0x3 cells, expected a height and a width of 1 or more"),
        (lambda: new_grid(1, 3, 10), "new_grid: colour 10, expected 0 to 9"),
        (lambda: to_grid([[1], [2, 3]]), "to_grid: rows of different lengths, expected one length"),
        (lambda: to_grid([[1, 12]]), "to_grid: cells 1 to 12, expected 0 to 9"),
        (
            lambda: to_grid([1, 2]),  # type: ignore[list-item]
            "to_grid: int64 of shape (2,), expected rows of whole numbers",
        ),
        (
            lambda: crop(ONE, 0, 0, 2, 1),
            "crop: box of 2x1 cells at (0, 0), expected one inside the grid of 1x1",
        ),
        (lambda: trim(ONE), "trim: all cells have colour 0, expected another one"),
        (lambda: pad(ONE, (0, -1, 0, 0)), "pad: margin (0, -1, 0, 0), expected 0 or more"),
        (lambda: pad(ONE, 1, -1), "pad: colour -1, expected 0 to 9"),
        (lambda: shift(ONE, 0, 0, 11), "shift: colour 11, expected 0 to 9"),
        (lambda: overlay([]), "overlay: 0 grids, expected 1 or more"),
        (
            lambda: overlay([ONE, new_grid(1, 2)]),
            "overlay: a grid of shape (1, 2), expected (1, 1)",
        ),
        (
            lambda: bounding_box(ONE),
            "bounding_box: no True cell in shape (1, 1), expected one or more",
        ),
        (lambda: most_common_color(ONE, 0), "most_common_color: no colour but 0, expected another"),
        (
            lambda: least_common_color(ONE, (0, 1)),
            "least_common_color: no colour but (0, 1), expected another one",
        ),
        (lambda: colors_of(ONE - 1), "colours of a grid with a cell -1, expected 0 to 9"),
        (lambda: recolor(ONE, {0: 10}), "recolor: colour 10, expected 0 to 9"),
        (
            lambda: is_symmetric(ONE, "x"),  # type: ignore[arg-type]
            "is_symmetric: axis 'x', expected one of left_right, up_down, diagonal, ",
        ),
        (
            lambda: complete_symmetry(ONE, 0, "x"),  # type: ignore[arg-type]
            "complete_symmetry: axis 'x', expected one of left_right, up_down, diagonal, ",
        ),
        (lambda: tile(ONE, 0, 2), "tile: 0x2 copies, expected 1 or more each way"),
        (lambda: upscale(ONE, 0), "upscale: factor 0, expected 1 or more"),
        (lambda: downscale(ONE, (0, 1)), "downscale: factor (0, 1), expected 1 or more"),
        (lambda: downscale(ONE, 2), "downscale: grid of 1x1, expected multiples of 2x2"),
        (lambda: find_period(ONE, 2), "find_period: axis 2, expected 0 or 1"),
        (lambda: split_evenly(ONE, 1, 2), "split_evenly: 1x2 panels, expected divisors of 1x1"),
        (lambda: join_panels([]), "join_panels: no panels, expected one or more in each row"),
        (lambda: join_panels([[ONE]], 10), "join_panels: colour 10, expected 0 to 9"),
        (lambda: join_panels([[ONE]], 1, -1), "join_panels: gap -1, expected 0 or more"),
        (
            lambda: join_panels([[ONE, new_grid(2, 1)]]),
            "join_panels: sides of [1, 2] cells, expected one height in a row",
        ),
        (
            lambda: join_panels([[ONE], [new_grid(1, 2)]]),
            "join_panels: sides of [1, 2] cells, expected one width for all rows",
        ),
        (
            lambda: join_panels(ONE),  # type: ignore[arg-type]
            "join_panels: an array of shape (), expected a grid",
        ),
        (
            lambda: odd_one_out([1, 1]),
            "odd_one_out: 0 items are unlike all others, expected 1",
        ),
        (lambda: odd_one_out([1, 2]), "odd_one_out: 2 items are unlike all others, expected 1"),
        (lambda: most_common([]), "most_common: 0 items, expected 1 or more"),
        (
            lambda: unique([bytearray()]),
            "cannot compare a bytearray, expected grids or plain data",
        ),
        (lambda: transpose(np.zeros(3)), "transpose: an array of shape (3,), expected a grid"),  # type: ignore[type-var]
    ],
)
def test_errors_name_value_and_expectation(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(DslError) as error:
        call()
    assert str(error.value).startswith(message)
    assert isinstance(error.value, ValueError)
