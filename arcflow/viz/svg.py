"""Grids as an SVG: plain text, small, and shown by notebooks and browsers."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from arcflow.core.grid import Grid
from arcflow.viz.terminal import RGB

Row = tuple[str, Sequence[Sequence[Grid]]]
"""A label, and the grids of each column."""

_SIDE = 120  # pixels of a grid's longer side, where its cells then have between 4 and 24
_GAP, _LABEL, _HEAD = 16, 64, 24
_LINE = "#3a3a3a"


def svg_table(rows: Sequence[Row], heads: Sequence[str]) -> str:
    """Return an SVG document: a row a label, a column a head, several grids in each field.

    Args:
        rows: label, and the grids of each column; fields of one column may differ in number.
        heads: the columns' names.
    """
    label = _LABEL if any(name for name, _ in rows) else _GAP
    head = _HEAD if any(heads) else _GAP
    widths = [
        max([60, *(sum(_size(g)[0] + _GAP for g in fields[j]) for _, fields in rows)])
        for j in range(len(heads))
    ]
    lefts = [label + sum(widths[:j]) for j in range(len(heads))]
    parts = [_text(x, head - 8, name) for x, name in zip(lefts, heads, strict=True) if name]
    top = head
    for name, fields in rows:
        tall = max([16, *(_size(grid)[1] for field in fields for grid in field)])
        if name:
            parts.append(_text(8, top + tall // 2 + 4, name))
        for left, field in zip(lefts, fields, strict=True):
            x = left
            for grid in field:
                parts.append(_grid(grid, x, top))
                x += _size(grid)[0] + _GAP
        top += tall + _GAP
    width = label + sum(widths)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" '
        f'viewBox="0 0 {width} {top}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{top}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _cell(grid: Grid) -> int:
    return max(4, min(24, _SIDE // max(grid.shape)))


def _size(grid: Grid) -> tuple[int, int]:
    """Width and height in pixels."""
    height, width = grid.shape
    return width * _cell(grid), height * _cell(grid)


def _grid(grid: Grid, left: int, top: int) -> str:
    cell = _cell(grid)
    cells = [
        f'<rect x="{x * cell}" y="{y * cell}" width="{cell}" height="{cell}" '
        f'fill="#{RGB[color][0]:02x}{RGB[color][1]:02x}{RGB[color][2]:02x}"/>'
        for y, row in enumerate(grid.tolist())
        for x, color in enumerate(row)
    ]
    group = f'<g transform="translate({left},{top})" stroke="{_LINE}" stroke-width="0.5">'
    return group + "".join(cells) + "</g>"


def _text(x: int, y: int, words: str) -> str:
    return f'<text x="{x}" y="{y}">{escape(words)}</text>'
