"""Families: one rule each, registered by name under the prior that it teaches."""

from collections.abc import Callable
from dataclasses import dataclass

from arcflow.sources.counting.draw import Cells, Draw

Make = Callable[[], tuple[Cells, ...]]
"""Draws a pair: input, output, and the outputs of rivals.

A rival is another rule that might be meant ("the leftmost" for "the largest"). Rivals stand in the
same order in every pair; a task in whose train pairs one of them always agrees is drawn again.
"""

Rule = Callable[[Draw], Make]
"""Draws what holds for a whole task (colours, a direction) and gives what draws its pairs."""


@dataclass(frozen=True)
class Family:
    """Tasks of one rule.

    Attributes:
        name: in ids and options, e.g. ``"largest-object"``.
        prior: the group it belongs to, e.g. ``"compare"``.
        rule: in one sentence.
        start: draws a task.
    """

    name: str
    prior: str
    rule: str
    start: Rule


FAMILIES: dict[str, Family] = {}
"""By name, in the order of the files."""


def family(prior: str) -> Callable[[Rule], Rule]:
    """Register a function as a family: its name with dashes, its docstring's first line."""

    def register(start: Rule) -> Rule:
        name = start.__name__.replace("_", "-")
        rule = (start.__doc__ or "").strip().splitlines()[0]
        FAMILIES[name] = Family(name, prior, rule, start)
        return start

    return register
