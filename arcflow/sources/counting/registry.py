"""The registry of families: one rule each, by name, under the prior that it teaches."""

from collections.abc import Callable
from dataclasses import dataclass

from arcflow.sources.counting.draw import Cells, Draw

Make = Callable[[], tuple[Cells, ...]]
"""A function that makes a pair: the input, the output, and the outputs of rivals.

A rival is another rule that might be meant ("the leftmost" for "the largest"). Rivals stand in the
same order in every pair; a task is made again if one of them is right in all its train pairs.
"""

Rule = Callable[[Draw], Make]
"""A function that chooses what holds for a whole task and returns what makes its pairs."""


@dataclass(frozen=True)
class Family:
    """The tasks of one rule.

    Attributes:
        name: The name in ids and options, e.g. ``"largest-object"``.
        prior: The prior that it teaches, e.g. ``"compare"``.
        rule: The rule, in one sentence.
        start: The function that begins a task.
    """

    name: str
    prior: str
    rule: str
    start: Rule


FAMILIES: dict[str, Family] = {}
"""The families by name, in the order of the files."""


def family(prior: str) -> Callable[[Rule], Rule]:
    """Return a decorator that registers a function as a family of ``prior``.

    The family's name is the function's with dashes, and its rule the first line of the docstring.
    """

    def register(start: Rule) -> Rule:
        name = start.__name__.replace("_", "-")
        rule = (start.__doc__ or "").strip().splitlines()[0]
        FAMILIES[name] = Family(name, prior, rule, start)
        return start

    return register
