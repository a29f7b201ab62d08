"""A bounded cache of recently made values."""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A bounded cache that discards the value whose last use is the longest ago.

    It is pickled empty, so its values do not travel to other processes.

    Args:
        size: The largest number of values, at least 1.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[K, V] = {}

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """Return the value of a key, which is made if it is not in the cache.

        Args:
            key: The key.
            make: A function that makes the value of a key.

        Returns:
            The value.
        """
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
