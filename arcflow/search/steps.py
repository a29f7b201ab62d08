"""The calls of all grid functions by number, so that compiled code can choose among them."""

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

Sizes = NDArray[np.int64]
"""Height and width of the pair's input, and of its output as it was predicted; shape (4,)."""


@compiled
def _geometry(f: int, a: int, g: Cells, y: int, x: int, s: Sizes) -> Image:
    if f == 0:
        return geo.turned(g, a), y, x
    if f == 1:
        return geo.cropped(g, y, x)
    if f == 2:
        return geo.half(g, y, x, a)
    if f == 3:
        return geo.without_empty_lines(g), y, x
    if f == 4:
        return geo.without_repeated_lines(g), y, x
    if f == 5:
        return geo.without_full_lines(g), y, x
    if f == 6:
        return g, 0, 0
    if f == 7:
        return geo.on_canvas(g, y, x, s[2 * a], s[2 * a + 1])
    if f == 8:
        return geo.in_middle(g, s[2], s[3])
    if f == 9:
        return geo.tiled(g, y, x, s[2], s[3], a)
    if f == 10:
        return geo.scaled_up(g, y, x, a, a)
    if f == 11:
        return geo.scaled_to(g, s[2], s[3])
    if f == 12:
        return geo.with_mirror(g, y, x, a)
    if f == 13:
        return geo.doubled(g, y, x, a)
    if f == 14:
        return geo.moved(g, y, x, a % 4, a // 4)
    if f == 15:
        return geo.fallen(g, a), y, x
    if f == 16:
        return geo.stripped(g, y, x)
    if f == 17:
        return geo.framed(g, y, x, main_color(g) if a == 0 else rare_color(g))
    if f == 18:
        return geo.read_into(g, s[2], s[3])
    color = a % 12
    if color >= 10:
        color = main_color(g) if color == 10 else rare_color(g)
    return geo.cut_to_color(g, y, x, color) if a < 12 else geo.inside_color(g, y, x, color)


@compiled
def _recolor(f: int, a: int, g: Cells, s: Sizes) -> Cells:
    if f == 20:
        return rc.only_color(g, a)
    if f == 21:
        return rc.without_color(g, a)
    if f == 22:
        return rc.painted(g, a)
    if f == 23:
        return rc.filled_up(g, a)
    if f == 24:
        return filled(s[2], s[3], a)
    if f == 25:
        return rc.inverted(g)
    if f == 26:
        return rc.only_main(g)
    if f == 27:
        return rc.only_rare(g)
    if f == 28:
        return rc.without_main(g)
    if f == 29:
        return rc.without_rare(g)
    if f == 30:
        return rc.all_main(g)
    if f == 31:
        return rc.all_rare(g)
    if f == 32:
        return rc.main_takes_rare(g)
    if f == 33:
        return rc.rare_takes_main(g)
    if f == 34:
        return rc.swapped(g)
    if f == 35:
        return rc.one_cell(g)
    if f == 36:
        return rc.solid(g)
    if f == 37:
        return rc.by_count(g)
    if f == 38:
        return rc.palette_column(g)
    return rc.color_bars(g)


@compiled
def _shape(f: int, a: int, g: Cells) -> Cells:
    if f == 40:
        return sh.holes(g)
    if f == 41:
        return sh.holes_filled(g)
    if f == 42:
        return sh.outside(g)
    if f == 43:
        return sh.inner(g, a)
    if f == 44:
        return sh.border(g, a)
    if f == 45:
        return sh.grown(g, a)
    if f == 46:
        return sh.halo(g, a)
    if f == 47:
        return sh.spread(g)
    if f == 48:
        return sh.without_dots(g, a)
    if f == 49:
        return sh.every_second(g, a)
    if f == 50:
        return sh.smooth(g)
    if f == 51:
        return sh.rings(g)
    if f == 52:
        return sh.bounded(g)
    if f == 53:
        return ra.rays(g, a)
    if f == 54:
        return ra.continued(g, a)
    if f == 55:
        return ra.connected(g, a)
    if f == 56:
        return ra.full_lines(g, a)
    if f == 57:
        return ra.tiling_completed(g, a)
    if f == 58:
        return ra.diagonal_tiling_completed(g)
    return ra.symmetry_completed(g)


@compiled
def image_step(f: int, a: int, g: Cells, y: int, x: int, s: Sizes) -> Image:
    """Return what an image-to-image function makes of an image; (0, 0) cells if nothing."""
    if f < 20:
        return _geometry(f, a, g, y, x, s)
    if f < 40:
        return _recolor(f, a, g, s), (0 if f == 24 else y), (0 if f == 24 else x)
    if f == 73:
        return geo.fractal(g, a), 0, 0
    return _shape(f, a, g), y, x


@compiled
def split_step(f: int, a: int, g: Cells, y: int, x: int, s: Sizes) -> list[Image]:
    """Return what an image-to-list function makes of an image."""
    if f == 60:
        return sp.objects(g, y, x, a % 2, a // 2)
    if f == 61:
        return sp.colors_apart(g, y, x, a)
    if f == 62:
        return sp.panels(g, y, x)
    if f == 63:
        return sp.even_parts(g, y, x, a // 10, a % 10)
    if f == 64:
        return sp.squares(g, y, x)
    if f == 65:
        return sp.tiles(g, y, x, s[2], s[3])
    if f == 66:
        return sp.windows(g, y, x, s[2], s[3])
    if f == 67:
        return sp.lines(g, y, x, a)
    if f == 68:
        return sp.empty_regions(g, y, x, a)
    if f == 69:
        return sp.rectangles(g, y, x, a)
    if f == 70:
        return sp.framed_parts(g, y, x, a)
    if f == 71:
        return sp.eight_turns(g, y, x)
    return sp.steps(g, y, x, a // 3 - 1, a % 3 - 1, s[2], s[3])


@compiled
def merge_step(f: int, a: int, images: list[Image], s: Sizes) -> Image:
    """Return what a list-to-image function makes of a list; (0, 0) cells if nothing."""
    if f == 80:
        return li.picked(images, a // 5, a % 5)
    if f == 81:
        return li.item(images, a)
    if f == 82:
        return li.stacked(images)
    if f == 83:
        return li.joined(images, a)
    if f == 84:
        return li.combined(images, a)
    if f == 85:
        return li.counted(images, a)
    if f == 86:
        return li.summary(images)
    return li.packed(images)


@compiled
def list_step(f: int, a: int, images: list[Image], s: Sizes, source: Cells) -> list[Image]:
    """Return what a list-to-list function makes of a list."""
    if f == 90:
        return li.kept(images, a // 5, a % 5)
    if f == 91:
        return li.sorted_by(images, a // 2, a % 2)
    if f == 92:
        return li.reversed_list(images)
    if f == 93:
        return li.without_copies(images)
    if f == 94:
        return li.slid(images, a, s[0], s[1])
    if f == 95:
        return li.cut_from(images, source, a)
    if f == 96:
        return li.ranked(images, a // 2, a % 2)
    return li.numbered(images, a)
