"""Recent: what was made lately, made once."""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A bounded memory by key; what was asked for longest ago is forgotten first.

    It travels to other processes empty.

    Args:
        size: how many values are kept, >= 1.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[K, V] = {}

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """The key's value; made where it is not there."""
        values = self._values
        if key in values:
            value = values.pop(key)  # put back at the end: dicts keep the order of insertion
        else:
            value = make(key)
            while len(values) >= self._size:
                del values[next(iter(values))]
        values[key] = value
        return value

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[type["Recent[K, V]"], tuple[int]]:
        return type(self), (self._size,)
