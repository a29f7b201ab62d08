"""The steps of a search: functions with their arguments, their names and their costs."""

from collections.abc import Iterable
from dataclasses import dataclass

from arcflow.search.measures import MEASURES

TO_IMAGE, TO_LIST, LIST_TO_IMAGE, LIST_TO_LIST = 0, 1, 2, 3
"""What a function takes and gives; one that takes an image is applied to each image of a list."""


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


class _Steps:
    """The list of steps while it is written."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(
        self,
        kind: int,
        family: int,
        name: str,
        arguments: Iterable[int] = (0,),
        cost: int = 10,
        need: str = "",
    ) -> None:
        for a in arguments:
            color = (need, a) if need else None
            self.steps.append(Step(name.format(a), kind, family, a, cost, color))


def _geometry_and_colors(steps: _Steps) -> None:
    add = steps.add
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
    add(TO_IMAGE, 19, "cut to {}", (10, 11))
    add(TO_IMAGE, 19, "inside {}", (22, 23))
    for color in colors:
        steps.steps.append(Step(f"cut to color {color}", 0, 19, color, 11, ("input", color)))
        steps.steps.append(Step(f"inside color {color}", 0, 19, color + 12, 11, ("input", color)))
    add(TO_IMAGE, 73, "fractal {}", range(4))
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


def _shapes_and_lines(steps: _Steps) -> None:
    add = steps.add
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


def _lists(steps: _Steps) -> None:
    add = steps.add
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
    add(LIST_TO_IMAGE, 84, "combined {}", range(9))
    add(LIST_TO_IMAGE, 85, "counted {}", range(4))
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


def _all_steps() -> tuple[Step, ...]:
    steps = _Steps()
    _geometry_and_colors(steps)
    _shapes_and_lines(steps)
    _lists(steps)
    return tuple(steps.steps)


STEPS: tuple[Step, ...] = _all_steps()
"""All steps, in the order in which a search takes those of one cost."""
