"""A small line chart as SVG text, for a page that loads nothing."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

Lines = Mapping[str, Sequence[tuple[int, float]]]
"""Points (n, share in [0, 1]) by the name of the line; n rises and is at least 1."""

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 220, 44, 110, 12, 34
# Lines differ by dash and mark too, for readers who see no colours.
_DASHES = ("", "6 3", "2 3", "9 3 2 3")


def chart_svg(lines: Lines) -> Markup:
    """Return an SVG of shares against the number of predictions, on a logarithmic axis.

    Args:
        lines: The lines by name; a name with markup is escaped.
    """
    largest = max((n for points in lines.values() for n, _ in points), default=1)
    top = max((share for points in lines.values() for _, share in points), default=0.0)
    top = min(1.0, math.ceil(max(top, 0.05) * 10) / 10)

    def x(n: int) -> float:
        share = math.log(n) / math.log(largest) if largest > 1 else 0.0
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(share: float) -> float:
        return _HEIGHT - _BOTTOM - share / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for share in (0.0, top / 2, top):
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(share):.1f}" '
            f'y2="{y(share):.1f}" class="rule"/>'
        )
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        )
    for n in sorted({n for points in lines.values() for n, _ in points}):
        parts.append(f'<text x="{x(n):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{n}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{_HEIGHT - 2}" text-anchor="middle">'
        "predictions for each test input</text>"
    )
    ends: list[float] = []
    for i, (name, points) in enumerate(lines.items()):
        if not points:
            continue
        path = " ".join(f"{x(n):.1f},{y(share):.1f}" for n, share in points)
        parts.append(
            f'<polyline points="{path}" class="line line{i % 4}" '
            f'stroke-dasharray="{_DASHES[i % 4]}"/>'
        )
        end = y(points[-1][1]) + 4
        while any(abs(end - other) < 13 for other in ends):  # labels must not lie on each other
            end -= 13
        ends.append(end)
        parts.append(
            f'<text x="{x(points[-1][0]) + 8:.1f}" y="{end:.1f}" class="name{i % 4}">'
            f"{escape(name)} {points[-1][1]:.0%}</text>"
        )
    words = "; ".join(
        f"{name}: " + ", ".join(f"{share:.1%} at {n}" for n, share in points)
        for name, points in lines.items()
    )
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" class="chart">'
        f"<title>{escape(words)}</title>" + "".join(parts) + "</svg>"
    )
