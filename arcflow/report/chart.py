"""A small line chart as SVG text, for a page that loads nothing."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

Lines = Mapping[str, Sequence[tuple[int, float]]]
"""Points (n, share in [0, 1]) by the name of the line; n rises and is at least 1."""

Points = Sequence[tuple[int, float]]
"""Steps, counted from 1 and rising, and losses in nats a token."""

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


def loss_svg(points: Points) -> Markup:
    """Return a small SVG of the losses of fine-tuning against its steps.

    Args:
        points: The steps and their losses; there is at least one.
    """
    width, height, left, right, top, bottom = 300, 84, 8, 70, 10, 20
    last, most = points[-1][0], max(loss for _, loss in points) or 1.0

    def x(step: int) -> float:
        return left + (step - 1) / max(1, last - 1) * (width - left - right)

    def y(loss: float) -> float:
        return height - bottom - max(0.0, loss) / most * (height - top - bottom)

    base = height - bottom
    path = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in points)
    (first_step, first), (_, end) = points[0], points[-1]
    words = f"loss of fine-tuning: {first:.3g} at step {first_step}, {end:.3g} at step {last}"
    # The first loss is written above its point unless that is at the top.
    place = max(top, y(first) - 4)
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" role="img" class="chart losses">'
        f"<title>{escape(words)}</title>"
        f'<line x1="{left}" x2="{width - right}" y1="{base}" y2="{base}" class="rule"/>'
        f'<polyline points="{path}" class="line line0"/>'
        f'<text x="{x(first_step) + 4:.1f}" y="{place:.1f}">{first:.3g}</text>'
        f'<text x="{x(last) + 4:.1f}" y="{y(end) + 4:.1f}">{end:.3g}</text>'
        f'<text x="{left}" y="{height - 5}">loss, nats a token, over {last} steps</text></svg>'
    )
