"""Generated tasks that teach one prior each; importing this package registers all families."""

from arcflow.sources.counting import (
    compare,
    connect,
    copying,
    count,
    fill,
    inside,
    mirror,
    move,
    same,
    sort,
)
from arcflow.sources.counting.registry import FAMILIES, Family, family
from arcflow.sources.counting.source import Counting, named_task

__all__ = [
    "FAMILIES",
    "Counting",
    "Family",
    "compare",
    "connect",
    "copying",
    "count",
    "family",
    "fill",
    "inside",
    "mirror",
    "move",
    "named_task",
    "same",
    "sort",
]
