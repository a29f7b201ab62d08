"""What programs find in the place of names that are safe to read but not safe to call.

The class of numpy's arrays is one: as a constructor it lays an array of any type over the bytes of
another object, so that numbers become addresses. Programs name it in annotations and in
``isinstance``, which its stand-in answers as the class itself would.
"""

import types
import typing
from typing import Any, NoReturn

import numpy as np


class _ArrayType(type):
    """The class of :class:`ArrayName`, which answers for numpy's array class."""

    def __call__(cls, *values: object, **options: object) -> NoReturn:
        raise TypeError("programs cannot call the array class: use np.array, np.zeros or np.full")

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, np.ndarray)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return subclass is cls or issubclass(subclass, np.ndarray)

    def __getitem__(cls, parameters: object) -> "_ArrayType":
        """Return the class itself, since annotations with and without parameters mean the same."""
        return cls

    def __repr__(cls) -> str:
        return "<class 'numpy.ndarray'>"


class ArrayName(metaclass=_ArrayType):
    """The name of the array class: arrays are its instances, and none can be made with it."""

    __slots__ = ()


def offered(value: Any) -> Any:
    """Return what a program finds under the name of a value.

    Args:
        value: What the name means outside of the sandbox.

    Returns:
        :class:`ArrayName` if the value is the array class or an alias of it, since a call of an
        alias such as ``NDArray[np.int8]`` calls the class. Any other value is returned as it is.
    """
    meant = typing.get_origin(value) if isinstance(value, types.GenericAlias) else value
    if isinstance(meant, type) and issubclass(meant, np.ndarray):
        return ArrayName
    return value
