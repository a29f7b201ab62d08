"""The steps of a search: functions with their arguments, by number, and how to call each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcflow.search import geometry as geo
from arcflow.search import lists as li
from arcflow.search import rays as ra
from arcflow.search import recolor as rc
from arcflow.search import shapes as sh
from arcflow.search import split as sp
from arcflow.search.compiled import compiled
from arcflow.search.images import Cells, Image, filled, main_color, rare_color
from arcflow.search.measures import MEASURES

Sizes = NDArray[np.int64]
"""Height and width of the pair's input, and of its output as it was predicted; shape (4,)."""

TO_IMAGE, TO_LIST, LIST_TO_IMAGE, LIST_TO_LIST = 0, 1, 2, 3

_turned, _scaled_up = geo.turned, geo.scaled_up
_cropped, _half = geo.cropped, geo.half
_no_empty, _no_repeats, _no_full = (
    geo.without_empty_lines,
    geo.without_repeated_lines,
    geo.without_full_lines,
)
_on_canvas, _in_middle, _tiled, _scaled_to = geo.on_canvas, geo.in_middle, geo.tiled, geo.scaled_to
_with_mirror, _doubled, _moved, _fallen = geo.with_mirror, geo.doubled, geo.moved, geo.fallen
_stripped, _framed, _read_into = geo.stripped, geo.framed, geo.read_into


@compiled
def _geometry(f: int, a: int, g: Cells, y: int, x: int, s: Sizes) -> Image:
    if f == 0:
        return _turned(g, a), y, x
    if f == 1:
        return _cropped(g, y, x)
    if f == 2:
        return _half(g, y, x, a)
    if f == 3:
        return _no_empty(g), y, x
    if f == 4:
        return _no_repeats(g), y, x
    if f == 5:
        return _no_full(g), y, x
    if f == 6:
        return g, 0, 0
    if f == 7:
        return _on_canvas(g, y, x, s[2 * a], s[2 * a + 1])
    if f == 8:
        return _in_middle(g, s[2], s[3])
    if f == 9:
        return _tiled(g, y, x, s[2], s[3], a)
    if f == 10:
        return _scaled_up(g, y, x, a, a)
    if f == 11:
        return _scaled_to(g, s[2], s[3])
    if f == 12:
        return _with_mirror(g, y, x, a)
    if f == 13:
        return _doubled(g, y, x, a)
    if f == 14:
        return _moved(g, y, x, a % 4, a // 4)
    if f == 15:
        return _fallen(g, a), y, x
    if f == 16:
        return _stripped(g, y, x)
    if f == 17:
        return _framed(g, y, x, main_color(g) if a == 0 else rare_color(g))
    return _read_into(g, s[2], s[3])


_only_color, _without_color, _painted, _filled_up = (
    rc.only_color,
    rc.without_color,
    rc.painted,
    rc.filled_up,
)
_inverted, _only_main, _only_rare, _without_main = (
    rc.inverted,
    rc.only_main,
    rc.only_rare,
    rc.without_main,
)
_without_rare, _all_main, _all_rare = rc.without_rare, rc.all_main, rc.all_rare
_main_takes_rare, _rare_takes_main = rc.main_takes_rare, rc.rare_takes_main
_swapped, _one_cell, _solid, _by_count = rc.swapped, rc.one_cell, rc.solid, rc.by_count
_palette_column, _color_bars = rc.palette_column, rc.color_bars


@compiled
def _recolor(f: int, a: int, g: Cells, s: Sizes) -> Cells:
    if f == 20:
        return _only_color(g, a)
    if f == 21:
        return _without_color(g, a)
    if f == 22:
        return _painted(g, a)
    if f == 23:
        return _filled_up(g, a)
    if f == 24:
        return filled(s[2], s[3], a)
    if f == 25:
        return _inverted(g)
    if f == 26:
        return _only_main(g)
    if f == 27:
        return _only_rare(g)
    if f == 28:
        return _without_main(g)
    if f == 29:
        return _without_rare(g)
    if f == 30:
        return _all_main(g)
    if f == 31:
        return _all_rare(g)
    if f == 32:
        return _main_takes_rare(g)
    if f == 33:
        return _rare_takes_main(g)
    if f == 34:
        return _swapped(g)
    if f == 35:
        return _one_cell(g)
    if f == 36:
        return _solid(g)
    if f == 37:
        return _by_count(g)
    if f == 38:
        return _palette_column(g)
    return _color_bars(g)


_holes, _holes_filled, _outside, _inner, _border = (
    sh.holes,
    sh.holes_filled,
    sh.outside,
    sh.inner,
    sh.border,
)
_grown, _halo, _spread, _without_dots = sh.grown, sh.halo, sh.spread, sh.without_dots
_every_second, _smooth, _rings, _bounded = sh.every_second, sh.smooth, sh.rings, sh.bounded
_rays, _continued, _connected, _full_lines = ra.rays, ra.continued, ra.connected, ra.full_lines
_tiling_completed = ra.tiling_completed
_diagonal_tiling_completed = ra.diagonal_tiling_completed
_symmetry_completed = ra.symmetry_completed


@compiled
def _shape(f: int, a: int, g: Cells) -> Cells:
    if f == 40:
        return _holes(g)
    if f == 41:
        return _holes_filled(g)
    if f == 42:
        return _outside(g)
    if f == 43:
        return _inner(g, a)
    if f == 44:
        return _border(g, a)
    if f == 45:
        return _grown(g, a)
    if f == 46:
        return _halo(g, a)
    if f == 47:
        return _spread(g)
    if f == 48:
        return _without_dots(g, a)
    if f == 49:
        return _every_second(g, a)
    if f == 50:
        return _smooth(g)
    if f == 51:
        return _rings(g)
    if f == 52:
        return _bounded(g)
    if f == 53:
        return _rays(g, a)
    if f == 54:
        return _continued(g, a)
    if f == 55:
        return _connected(g, a)
    if f == 56:
        return _full_lines(g, a)
    if f == 57:
        return _tiling_completed(g, a)
    if f == 58:
        return _diagonal_tiling_completed(g)
    return _symmetry_completed(g)


@compiled
def image_step(f: int, a: int, g: Cells, y: int, x: int, s: Sizes) -> Image:
    """Return what an image-to-image function makes of an image; (0, 0) cells if nothing."""
    if f < 20:
        return _geometry(f, a, g, y, x, s)
    if f < 40:
        return _recolor(f, a, g, s), (0 if f == 24 else y), (0 if f == 24 else x)
    return _shape(f, a, g), y, x


_objects, _colors_apart, _panels, _even_parts = (
    sp.objects,
    sp.colors_apart,
    sp.panels,
    sp.even_parts,
)
_squares, _tiles, _windows, _lines = sp.squares, sp.tiles, sp.windows, sp.lines
_empty_regions, _rectangles, _framed_parts = sp.empty_regions, sp.rectangles, sp.framed_parts
_eight_turns, _steps = sp.eight_turns, sp.steps


@compiled
def split_step(f: int, a: int, g: Cells, y: int, x: int, s: Sizes) -> list[Image]:
    """Return what an image-to-list function makes of an image."""
    if f == 60:
        return _objects(g, y, x, a % 2, a // 2)
    if f == 61:
        return _colors_apart(g, y, x, a)
    if f == 62:
        return _panels(g, y, x)
    if f == 63:
        return _even_parts(g, y, x, a // 10, a % 10)
    if f == 64:
        return _squares(g, y, x)
    if f == 65:
        return _tiles(g, y, x, s[2], s[3])
    if f == 66:
        return _windows(g, y, x, s[2], s[3])
    if f == 67:
        return _lines(g, y, x, a)
    if f == 68:
        return _empty_regions(g, y, x, a)
    if f == 69:
        return _rectangles(g, y, x, a)
    if f == 70:
        return _framed_parts(g, y, x, a)
    if f == 71:
        return _eight_turns(g, y, x)
    return _steps(g, y, x, a // 3 - 1, a % 3 - 1, s[2], s[3])


_picked, _item, _stacked, _joined, _combined = (
    li.picked,
    li.item,
    li.stacked,
    li.joined,
    li.combined,
)
_counted, _summary, _packed = li.counted, li.summary, li.packed
_kept, _sorted_by, _reversed, _without_copies = (
    li.kept,
    li.sorted_by,
    li.reversed_list,
    li.without_copies,
)
_slid, _cut_from, _ranked, _numbered = li.slid, li.cut_from, li.ranked, li.numbered


@compiled
def merge_step(f: int, a: int, images: list[Image], s: Sizes) -> Image:
    """Return what a list-to-image function makes of a list; (0, 0) cells if nothing."""
    if f == 80:
        return _picked(images, a // 5, a % 5)
    if f == 81:
        return _item(images, a)
    if f == 82:
        return _stacked(images)
    if f == 83:
        return _joined(images, a)
    if f == 84:
        return _combined(images, a)
    if f == 85:
        return _counted(images, a)
    if f == 86:
        return _summary(images)
    return _packed(images)


@compiled
def list_step(f: int, a: int, images: list[Image], s: Sizes, source: Cells) -> list[Image]:
    """Return what a list-to-list function makes of a list."""
    if f == 90:
        return _kept(images, a // 5, a % 5)
    if f == 91:
        return _sorted_by(images, a // 2, a % 2)
    if f == 92:
        return _reversed(images)
    if f == 93:
        return _without_copies(images)
    if f == 94:
        return _slid(images, a, s[0], s[1])
    if f == 95:
        return _cut_from(images, source, a)
    if f == 96:
        return _ranked(images, a // 2, a % 2)
    return _numbered(images, a)


@dataclass(frozen=True, slots=True)
class Step:
    """One function with its argument.

    Attributes:
        name: The name, e.g. ``"keep the color 3"``; unique.
        kind: What it takes and gives, e.g. :data:`TO_LIST`.
        family: The number of the function.
        argument: The argument.
        cost: How unlikely it is that a rule has it; 10 is usual.
        color: The colour it needs, if any, and whether the inputs or the outputs must have it.
    """

    name: str
    kind: int
    family: int
    argument: int = 0
    cost: int = 10
    color: tuple[str, int] | None = None


def _all_steps() -> tuple[Step, ...]:
    out: list[Step] = []

    def add(
        kind: int, family: int, name: str, arguments: object = (0,), cost: int = 10, need: str = ""
    ) -> None:
        for a in arguments:  # type: ignore[attr-defined]
            label = name.format(a)
            out.append(Step(label, kind, family, a, cost, (need, a) if need else None))

    colors = range(1, 10)
    add(TO_IMAGE, 0, "turned {}", range(1, 8))
    add(TO_IMAGE, 1, "cropped")
    add(TO_IMAGE, 2, "half {}", range(4))
    add(TO_IMAGE, 3, "without empty lines")
    add(TO_IMAGE, 4, "without repeated lines")
    add(TO_IMAGE, 5, "without full lines")
    add(TO_IMAGE, 6, "at origin")
    add(TO_IMAGE, 7, "on canvas {}", range(2))
    add(TO_IMAGE, 8, "in middle")
    add(TO_IMAGE, 9, "tiled {}", range(2))
    add(TO_IMAGE, 10, "scaled up {}", (2, 3))
    add(TO_IMAGE, 11, "scaled to output")
    add(TO_IMAGE, 12, "with mirror {}", range(6))
    add(TO_IMAGE, 13, "doubled {}", range(3))
    add(TO_IMAGE, 14, "moved {}", range(8), 11)
    add(TO_IMAGE, 15, "fallen {}", range(4))
    add(TO_IMAGE, 16, "stripped")
    add(TO_IMAGE, 17, "framed {}", range(2))
    add(TO_IMAGE, 18, "read into")
    add(TO_IMAGE, 20, "only color {}", colors, 11, "input")
    add(TO_IMAGE, 21, "without color {}", colors, 11, "input")
    add(TO_IMAGE, 22, "painted {}", colors, 11, "output")
    add(TO_IMAGE, 23, "filled up {}", colors, 11, "output")
    add(TO_IMAGE, 24, "canvas {}", colors, 11, "output")
    for k, name in enumerate(
        (
            "inverted",
            "only main",
            "only rare",
            "without main",
            "without rare",
            "all main",
            "all rare",
            "main takes rare",
            "rare takes main",
            "swapped",
            "one cell",
            "solid",
            "by count",
            "palette column",
            "color bars",
        )
    ):
        add(TO_IMAGE, 25 + k, name)
    add(TO_IMAGE, 40, "holes")
    add(TO_IMAGE, 41, "holes filled")
    add(TO_IMAGE, 42, "outside")
    add(TO_IMAGE, 43, "inner {}", range(2))
    add(TO_IMAGE, 44, "border {}", range(2))
    add(TO_IMAGE, 45, "grown {}", range(2))
    add(TO_IMAGE, 46, "halo {}", range(3))
    add(TO_IMAGE, 47, "spread")
    add(TO_IMAGE, 48, "without dots {}", range(2))
    add(TO_IMAGE, 49, "every second {}", range(3))
    add(TO_IMAGE, 50, "smooth")
    add(TO_IMAGE, 51, "rings")
    add(TO_IMAGE, 52, "bounded")
    add(TO_IMAGE, 53, "rays {}", range(15))
    add(TO_IMAGE, 54, "continued {}", (8, 9, 10, 11, 14))
    add(TO_IMAGE, 55, "connected {}", range(5))
    add(TO_IMAGE, 56, "full lines {}", range(4))
    add(TO_IMAGE, 57, "tiling completed {}", range(4))
    add(TO_IMAGE, 58, "diagonal tiling completed")
    add(TO_IMAGE, 59, "symmetry completed")
    add(TO_LIST, 60, "objects {}", range(4))
    add(TO_LIST, 61, "colors apart {}", range(2))
    add(TO_LIST, 62, "panels")
    add(TO_LIST, 63, "even parts {}", (12, 21, 13, 31, 22, 33))
    add(TO_LIST, 64, "squares")
    add(TO_LIST, 65, "tiles")
    add(TO_LIST, 66, "windows", cost=12)
    add(TO_LIST, 67, "lines {}", range(2))
    add(TO_LIST, 68, "empty regions {}", range(2))
    add(TO_LIST, 69, "rectangles {}", range(2))
    add(TO_LIST, 70, "framed parts {}", range(2))
    add(TO_LIST, 71, "eight turns")
    add(TO_LIST, 72, "steps {}", (0, 1, 2, 3, 5, 6, 7, 8), 12)
    for m, measure in enumerate(MEASURES):
        for h, how in enumerate(("most", "least", "not most", "not least", "odd")):
            if h in (0, 1, 4):
                add(LIST_TO_IMAGE, 80, f"pick {how} {measure}", (m * 5 + h,))
            if h != 4:
                add(LIST_TO_LIST, 90, f"keep {how} {measure}", (m * 5 + h,))
    add(LIST_TO_IMAGE, 81, "item {}", (0, 1, -1))
    add(LIST_TO_IMAGE, 82, "stacked")
    add(LIST_TO_IMAGE, 83, "joined {}", range(2))
    add(LIST_TO_IMAGE, 84, "combined {}", range(8))
    add(LIST_TO_IMAGE, 85, "counted {}", range(2))
    add(LIST_TO_IMAGE, 86, "summary")
    add(LIST_TO_IMAGE, 87, "packed")
    for m in (0, 1, 2, 5, 6, 9):
        add(LIST_TO_LIST, 91, "sorted by {}", (2 * m, 2 * m + 1))
    add(LIST_TO_LIST, 92, "reversed")
    add(LIST_TO_LIST, 93, "without copies")
    add(LIST_TO_LIST, 94, "slid {}", range(4))
    add(LIST_TO_LIST, 95, "cut from {}", range(2))
    for m in (0, 3, 4, 5, 6, 9, 10):
        add(LIST_TO_LIST, 96, "ranked {}", (2 * m, 2 * m + 1), 12)
    for m in (0, 3, 4, 9, 10):
        add(LIST_TO_LIST, 97, "numbered {}", (m,), 12)
    return tuple(out)


STEPS: tuple[Step, ...] = _all_steps()
"""All steps, in the order in which a search takes those of one cost."""
