"""The decorator that compiles functions with numba, or leaves them as they are."""

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

_P = ParamSpec("_P")
_R = TypeVar("_R")

SWITCH = "ARCFLOW_SEARCH_COMPILE"
"""The environment variable that turns compilation off, if its value is ``"0"``."""


def _available() -> bool:
    if os.environ.get(SWITCH, "1") == "0":
        return False
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


COMPILED: bool = _available()
"""Whether functions are compiled; the answers are the same in both cases, only slower."""


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function compiled by numba, or the function itself where numba is not used.

    The machine code is kept on disk, so that only the first run on a machine waits for it.

    Args:
        function: A function of numbers, arrays, and tuples and lists of them.
    """
    if not COMPILED:
        return function
    import numba

    return cast(Callable[_P, _R], numba.njit(cache=True)(function))
