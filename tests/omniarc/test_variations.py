"""Variations of programs: what is changed, and that all else stays."""

import ast
import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.seeds import rng
from arcflow.omniarc.edits import Text, without_docstring
from arcflow.omniarc.meanings import find_constants
from arcflow.omniarc.registry import programs
from arcflow.omniarc.signatures import primitives
from arcflow.omniarc.variations import change, count_changes, variation

SOURCES = [program.source for program in programs().values()]


def lines(*body: str) -> str:
    return "\n".join(["def task(grid):", *(f"    {line}" for line in body)]) + "\n"


def all_variations(text: str, draws: int = 200) -> set[str]:
    """The last lines of many."""
    found = {variation(text, rng(0, "test", n)) for n in range(draws)}
    return {str(one).splitlines()[-1].strip() for one in found}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "return np.where(grid == 2, 4, grid)",
            # Cells become another colour, or cells of another colour do.
            {f"return np.where(grid == 2, {c}, grid)" for c in (1, 2, 3, 5, 6, 7, 8, 9)}
            | {f"return np.where(grid == {c}, 4, grid)" for c in (1, 3, 4, 5, 6, 7, 8, 9)},
        ),
        ("return fall(grid, LEFT)", {f"return fall(grid, {d})" for d in ("UP", "DOWN", "RIGHT")}),
        (
            "return np.where(enclosed(grid != 0), grid, grid)",
            {"return np.where(enclosed(grid != 0, diagonal=True), grid, grid)"},
        ),
        (
            "return np.where(enclosed(grid != 0, diagonal=True), grid, grid)",
            {"return np.where(enclosed(grid != 0, diagonal=False), grid, grid)"},
        ),
        ("return upscale(grid, 2)", {"return upscale(grid, 1)", "return upscale(grid, 3)"}),
        ("return upscale(grid, 1)", {"return upscale(grid, 2)"}),
        ("return flip_left_right(grid)", {"return flip_up_down(grid)"}),
        (
            "return grid if find_period(grid, axis=0) > len(grid) else grid",
            {"return grid if find_period(grid, axis=1) > len(grid) else grid"},
        ),
        (
            "return object_grid(grid, max(grid, key=lambda obj: obj.top))",
            {"return object_grid(grid, min(grid, key=lambda obj: obj.top))"},
        ),
        (
            "return recolor(grid, {8: 8})",
            {f"return recolor(grid, {{{c}: 8}})" for c in range(1, 8)}
            | {f"return recolor(grid, {{8: {c}}})" for c in range(1, 8)}
            | {"return recolor(grid, {9: 8})", "return recolor(grid, {8: 9})"},
        ),
        # Nothing of these can be known.
        ("return grid[2:-2] if max(grid[0] * 3, 2) else None", {"None"}),
        ("return np.rot90(grid, 2)[1]", {"None"}),
    ],
)
def test_changes_of_known_meaning(line: str, expected: set[str]) -> None:
    assert all_variations(lines(line)) == expected


def test_names_carry_meanings() -> None:
    text = lines("mark = 3", "a, b = positions(grid, mark)", "return draw_line(grid, a, b, mark)")
    places = [(p.value, p.meanings) for p in find_constants(ast.parse(text))]
    assert places == [(3, {"read", "written"})]
    text = lines(
        "result = grid.copy()",
        "for color, new in ((1, 5), (2, 6)):",
        "    result[grid == color] = new",
        "return result",
    )
    places = [(p.value, p.meanings) for p in find_constants(ast.parse(text))]
    assert places == [(1, {"read"}), (5, {"written"}), (2, {"read"}), (6, {"written"})]


def test_a_color_changes_everywhere() -> None:
    text = lines("result = draw(grid, grid, 4)", "return draw(result, grid, color=4)")
    found = variation(text, rng(0, "test", 1))
    assert found is not None
    assert "4" not in found
    assert len(set(found) - set(text)) == 1


def test_two_directions_change_places() -> None:
    text = lines("return fall(grid, UP) if grid[0, 0] else fall(grid, DOWN)")
    swapped = "return fall(grid, DOWN) if grid[0, 0] else fall(grid, UP)"
    assert swapped in all_variations(text)


def test_docstring_and_comments_go() -> None:
    text = lines('"""Red.', "", 'Really."""', "", "# Red indeed.", "return upscale(grid, 2)")
    assert without_docstring(text) == lines("return upscale(grid, 2)")
    assert without_docstring(lines("return grid")) == lines("return grid")
    changed = change(text, rng(0, "test"))
    assert changed is not None
    assert "Red" in changed


@given(st.integers(0, len(SOURCES) - 1), st.integers(0, 2**31))
@settings(deadline=None, max_examples=150)
def test_programs_vary(number: int, seed: int) -> None:
    source = SOURCES[number]
    found = variation(source, rng(seed, "test"))
    assert found == variation(source, rng(seed, "test"))
    if found is None:
        assert not count_changes(source)
        return
    assert ast.get_docstring(ast.parse(found).body[0]) is None  # type: ignore[arg-type]
    old, new = without_docstring(source).splitlines(), found.splitlines()
    assert old != new
    assert len(old) == len(new)
    # Nothing but digits and words differs, and little of these.
    for one, other in zip(old, new, strict=True):
        for op, a, b, c, d in difflib.SequenceMatcher(None, one, other).get_opcodes():
            assert op == "equal" or len(one[a:b]) + len(other[c:d]) < 40


def test_most_programs_have_variations() -> None:
    kinds = [count_changes(source) for source in SOURCES]
    assert sum(map(bool, kinds)) >= 0.8 * len(SOURCES)
    assert {"color", "direction", "switch", "count", "axis", "opposite"} <= set().union(*kinds)


def test_signatures_say_what_parameters_mean() -> None:
    meanings = {p.name: p.meaning for p in primitives()["connect"].parameters}
    assert meanings == {
        "grid": "cells",
        "color": "written",
        "with_color": "read",
        "diagonal": "switch",
        "background": "read",
    }
    assert primitives()["count_color"].parameters[1].meaning == "read"
    assert primitives()[".recolored"].parameters[0].meaning == "written"
    assert primitives()["is_symmetric"].parameters[1].choices[0] == "left_right"


def test_edits_keep_letters_outside_ascii() -> None:
    program = Text('def task(grid):\n    "é"; return grid\n')
    last = program.tree.body[0].body[-1]  # type: ignore[attr-defined]
    assert program.source(last) == "return grid"
    assert program.with_edits([program.replace(last, "pass")]).endswith('"é"; pass\n')
