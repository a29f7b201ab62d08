"""GridText: the golden texts, writing and reading as inverses, and hostile text."""

import contextlib
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError
from arcflow.core.grid import Grid, make_grid
from arcflow.text.grid_text import GridText, GridTextError
from tests.helpers.paths import ROOT

OTHER = "ñò÷ûąćďęĚĞ"
GOLDEN = json.loads((ROOT / "tests" / "data" / "grid_text.json").read_text("utf-8"))

FORMS = [
    GridText(symbols, repeat, separator, row_numbers, frame)
    for symbols in ("0123456789", OTHER)
    for repeat in (1, 3)
    for separator in ("", "|", " ", ", ")
    for row_numbers in (False, True)
    for frame in ("none", "code", "shape")
]


def form_of(encoder: str) -> GridText:
    """The form that a golden vector's encoder names."""
    repeat = re.search(r"RepeatNumberEncoder\((\d+)\)", encoder)
    separator = re.search(r"GridWithSeparationEncoder\('(.*?)'\)", encoder)
    frame = {"GridCodeBlock": "code", "GridShape": "shape"}
    return GridText(
        symbols=OTHER if "ReplaceNumberEncoder" in encoder else "0123456789",
        repeat=int(repeat[1]) if repeat else 1,
        separator=separator[1] if separator else "",
        row_numbers="RowNumberEncoder" in encoder,
        frame=frame.get(encoder.split("Encoder")[0], "none"),  # type: ignore[arg-type]
    )


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    h, w = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    seed = draw(st.integers(0, 2**32 - 1))
    return make_grid(np.random.default_rng(seed).integers(0, 10, (h, w)))


@pytest.mark.parametrize("vector", GOLDEN, ids=lambda v: v["encoder"])
def test_golden_texts(vector: dict) -> None:
    form = form_of(vector["encoder"])
    assert form.encode(make_grid(vector["grid"])) == vector["text"]
    assert form.decode(vector["text"]).tolist() == vector["grid"]


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(FORMS), grids())
def test_decode_inverts_encode(form: GridText, grid: Grid) -> None:
    read = form.decode(form.encode(grid))
    assert np.array_equal(read, grid)
    assert read.dtype == np.int8
    assert not read.flags.writeable


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FORMS), grids())
def test_units_spell_the_text_and_equal_keys_mean_equal_texts(form: GridText, grid: Grid) -> None:
    units = list(form.units(grid))
    assert form.head + "".join(text for _, text in units) + form.tail == form.encode(grid)
    assert len(dict(units)) == len(set(units))


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(FORMS),
    st.one_of(
        st.text(max_size=60),
        st.text("0123456789ñò|, x\n`grid shape:\r\t²٣", max_size=80),
        st.builds(
            lambda a, b, c: f"{a}```grid shape: {b}\n{c}\n```",
            st.text(max_size=5),
            st.text("0123456789x", max_size=8),
            st.text("0123456789ñò| ,\n", max_size=40),
        ),
    ),
)
def test_any_text_is_a_grid_or_a_grid_text_error(form: GridText, text: str) -> None:
    try:
        grid = form.decode(text)
    except GridTextError as error:
        message = str(error)
    else:
        message = ""
        assert form.encode(grid) in text, "what was read is what was written"
    assert not message or re.match(r"grid text, line \d+: ", message)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(FORMS), grids(), st.data())
def test_one_damaged_character_never_reads_as_another_shape_of_the_same_text(
    form: GridText, grid: Grid, data: st.DataObject
) -> None:
    text = form.encode(grid)
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.sampled_from("0ñ|x\n `")) + text[at + 1 :]
    with contextlib.suppress(GridTextError):
        assert form.encode(form.decode(damaged)) in damaged


@pytest.mark.parametrize("frame", ["code", "shape"])
def test_text_around_a_block_is_ignored(frame: str) -> None:
    form = GridText(frame=frame)  # type: ignore[arg-type]
    grid = make_grid([[1, 2], [3, 4]])
    first, second = form.encode(grid), form.encode(make_grid([[5]]))
    text = f"Here is my answer:\n\n{first}\n\nor perhaps\n{second} bye"
    assert form.decode(text).tolist() == [[1, 2], [3, 4]]


def test_white_space_around_a_bare_grid_is_ignored() -> None:
    assert GridText().decode("\n 12\n34\n\n").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        (GridText(), "", "line 1: bad row length: got '0 cells'. Expected 1 to 30 cells"),
        (GridText(), "12\n3x", "line 2: not a cell: got 'x'. Expected one of '0123456789'"),
        (GridText(), "12\n3", "line 2: ragged rows: got '1 cells'. Expected 2 cells"),
        (GridText(), "1\n" * 31, "line 31: too many rows: got '31 rows'"),
        (GridText(), "1" * 31, "line 1: bad row length: got '31 cells'"),
        (GridText(), "12\n\n34", "line 2: bad row length"),
        (GridText(repeat=2), "112", "line 1: not a cell: got '2'"),
        (GridText(repeat=2), "1121", "line 1: not a cell: got '21'"),
        (GridText(separator="|"), "1|2\n1||2", "line 2: not a cell: got ''"),
        (GridText(separator="|"), "12", "line 1: not a cell: got '12'"),
        (GridText(row_numbers=True), "1 11\n3 11", "line 2: no row number: got '3 11'"),
        (GridText(frame="code"), "12", "line 1: no grid: got '12'"),
        (GridText(frame="code"), "so:\n```grid\n12\n34", "line 4: block not closed"),
        (GridText(frame="code"), "so:\n```grid\n12\n3\n```", "line 4: ragged rows"),
        (GridText(frame="shape"), "```grid\n12\n```", "line 1: no grid"),
        (
            GridText(frame="shape"),
            "so:\n```grid shape: 1x3\n12\n```",
            "line 2: another size than stated: got '1x2'. Expected the size in the first line, 1x3",
        ),
    ],
)
def test_messages_name_the_line(form: GridText, text: str, message: str) -> None:
    with pytest.raises(GridTextError, match=re.escape("grid text, " + message)):
        form.decode(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symbols": "012345678"}, "option symbols: got '012345678'. Expected 10 distinct"),
        ({"symbols": "0123456788"}, "option symbols: got '0123456788'. Expected 10 distinct"),
        ({"symbols": "012345678 "}, "option symbols: got '012345678 '. Expected visible"),
        ({"symbols": "012345678`"}, "Expected visible characters other than the backtick"),
        ({"symbols": "012345678\ue000"}, "Expected visible characters"),
        ({"repeat": 0}, "option repeat: got 0. Expected an integer >= 1. Change repeat"),
        ({"separator": "0"}, "option separator: got '0'. Expected a text without digits"),
        ({"separator": "x", "symbols": "x123456789"}, "option separator: got 'x'"),
        ({"separator": "\n"}, "option separator: got '\\n'. Expected a text without line breaks"),
        ({"frame": "box"}, "option frame: got 'box'. Expected 'none', 'code' or 'shape'"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        GridText(**options)
