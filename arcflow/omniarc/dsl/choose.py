"""Choosing among things: the odd one out, the commonest, each once."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from arcflow.omniarc.dsl.errors import DslError

Item = TypeVar("Item")


def same(a: ArrayLike, b: ArrayLike) -> bool:
    """Whether two grids have the same shape and the same cells.

    Args:
        a: a grid of any shape.
        b: a grid of any shape.

    Example:
        >>> same(new_grid(2, 2), new_grid(2, 3))
        False
    """
    first, second = np.asarray(a), np.asarray(b)
    return first.shape == second.shape and bool((first == second).all())


def odd_one_out(items: Iterable[Item], key: Callable[[Item], Any] | None = None) -> Item:
    """The only item whose key no other item shares.

    Args:
        items: grids (compared by content), objects (place and all), or plain data.
        key: what to compare of an item, e.g. ``count_holes``; without it the item itself.

    Raises:
        DslError: there is no such item, or more than one.

    Example:
        >>> odd_one_out(["red", "blue", "tan"], key=len)
        'blue'
    """
    groups = list(_grouped(items, key).values())
    single = [group[0] for group in groups if len(group) == 1]
    if len(single) != 1:
        raise DslError(f"odd_one_out: {len(single)} items are unlike all others, expected 1")
    return single[0]


def most_common(items: Iterable[Item], key: Callable[[Item], Any] | None = None) -> Item:
    """The first of the items whose key occurs most often; of equally common keys the earliest.

    Args:
        items: one or more grids (compared by content), objects (place and all), or plain data.
        key: what to compare of an item; without it the item itself.

    Raises:
        DslError: there is no item.

    Example:
        >>> most_common([3, 5, 4, 5])
        5
    """
    groups = _grouped(items, key).values()
    if not groups:
        raise DslError("most_common: 0 items, expected 1 or more")
    return max(groups, key=len)[0]


def unique(items: Iterable[Item]) -> list[Item]:
    """The items without repeats, in the order in which they first occur.

    Args:
        items: grids (compared by content), objects (place and all), or plain data.

    Example:
        >>> len(unique([new_grid(1, 2), new_grid(2, 1), new_grid(1, 2)]))
        2
    """
    return [group[0] for group in _grouped(items, None).values()]


def _grouped(
    items: Iterable[Item], key: Callable[[Item], Any] | None
) -> dict[Hashable, list[Item]]:
    """Key -> the items that have it; keys and items in the order in which they occur."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(_content(key(item) if key else item), []).append(item)
    return groups


def _content(value: Any) -> Hashable:
    """A hashable value, equal for what holds the same."""
    if isinstance(value, np.ndarray):
        return (value.shape, tuple(value.ravel().tolist()))
    if isinstance(value, list | tuple):
        return tuple(_content(part) for part in value)
    if isinstance(value, set | frozenset):
        return frozenset(_content(part) for part in value)
    if isinstance(value, dict):
        return frozenset((name, _content(part)) for name, part in value.items())
    if is_dataclass(value):
        return tuple(_content(getattr(value, field.name)) for field in fields(value))
    try:
        hash(value)
    except TypeError as error:
        raise DslError(
            f"cannot compare a {type(value).__name__}, expected grids or plain data"
        ) from error
    return value
