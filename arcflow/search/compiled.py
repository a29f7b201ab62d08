"""The decorator that compiles functions with numba, or leaves them as they are."""

import hashlib
import os
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


def _cache_folder() -> Path | None:
    """Return the folder for machine code, which no other version of the functions uses, or None.

    numba keeps code beside the file of each function and looks at this file's time alone; after a
    change of a function it would still use the code of its callers in other files.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_bytes()
        if b"@" + b"compiled" in text:
            digest.update(text)
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    folder = Path(base) if base else Path.home() / ".cache"
    folder = folder / "arcflow" / f"search-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


_FOLDER = _cache_folder() if COMPILED else None


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function compiled by numba, or the function itself if numba is not used.

    The machine code is kept on disk, so that only the first run of a version waits for it.

    Args:
        function: A function of numbers, arrays, and tuples and lists of them.
    """
    if _NUMBA is None:
        return function
    before = _NUMBA.config.CACHE_DIR
    try:
        if _FOLDER is not None:
            _NUMBA.config.CACHE_DIR = str(_FOLDER)
        return cast(Callable[_P, _R], _NUMBA.njit(cache=_FOLDER is not None)(function))
    finally:
        _NUMBA.config.CACHE_DIR = before
