"""The decorator that compiles functions with numba, or leaves them as they are."""

import functools
import hashlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

_P = ParamSpec("_P")
_R = TypeVar("_R")

SWITCH = "ARCFLOW_SEARCH_COMPILE"
"""The environment variable that turns compilation off, if its value is ``"0"``."""


def _numba() -> Any:
    """Return the module numba, or None if functions are not to be compiled."""
    # A sandbox's worker is small and starts quickly, and its programs are short.
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if os.environ.get(SWITCH, "1") == "0" or getattr(spec, "name", "") == "arcflow.sandbox.worker":
        return None
    try:
        import numba
    except ImportError:
        return None
    return numba


_NUMBA = _numba()

COMPILED: bool = _NUMBA is not None
"""Whether functions are compiled; the answers are the same in both cases, only slower."""


_IMPORT = re.compile(r"^from arcflow\.search(?:\.(\w+))? import \(?\s*(\w+)", re.MULTILINE)


@functools.cache
def _texts(name: str) -> dict[str, bytes]:
    """Return the texts of a module of this package and of all modules of it that it imports."""
    text = (Path(__file__).parent / f"{name}.py").read_bytes()
    texts = {name: text}
    for module, first in _IMPORT.findall(text.decode()):
        # This module does not count: it changes no compiled code.
        if (module or first) != "compiled":
            texts |= _texts(module or first)
    return texts


@functools.cache
def _cache_folder(name: str) -> Path | None:
    """Return the folder for the machine code of a module, or None if there can be none.

    numba keeps code beside the file of each function and looks at this file's time alone; after a
    change of a function it would still use the code of its callers in other files. Here each
    version of a module and of what it imports has a folder of its own.
    """
    digest = hashlib.sha256()
    for _, text in sorted(_texts(name).items()):
        digest.update(text)
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    folder = Path(base) if base else Path.home() / ".cache"
    folder = folder / "arcflow" / "search" / f"{name}-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function compiled by numba, or the function itself if numba is not used.

    The machine code is kept on disk, so that only the first run of a version waits for it.

    Args:
        function: A function of numbers, arrays, and tuples and lists of them.
    """
    if _NUMBA is None:
        return function
    folder = _cache_folder(function.__module__.rpartition(".")[2])
    before = _NUMBA.config.CACHE_DIR
    try:
        if folder is not None:
            _NUMBA.config.CACHE_DIR = str(folder)
        return cast(Callable[_P, _R], _NUMBA.njit(cache=folder is not None)(function))
    finally:
        _NUMBA.config.CACHE_DIR = before
