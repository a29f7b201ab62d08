"""The registry of programs, one for each task that is solved in code."""

import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from arcflow.core.errors import ConfigError

TASKS = "arcflow.omniarc.tasks"

_ID = re.compile(r"[0-9a-f]{8}")
_programs: dict[str, "Program"] = {}


@dataclass(frozen=True)
class ProgramText:
    """The text of a program that solves one ARC-AGI-1 training task.

    Attributes:
        task_id: The id of the task, for example ``"00d62c1b"``.
        name: The name under which another program may call it.
        source: The program as a complete text: a function ``task(grid)`` that needs numpy as ``np``
            and the words of its language, nothing else.
    """

    task_id: str
    name: str
    source: str


@dataclass(frozen=True)
class Program(ProgramText):
    """A program of the registry, whose name tells the rule in a few words.

    Attributes:
        concept: The name of the module that holds the function.
        function: The function from an input grid of shape (H, W) to the output grid.
        rearc: The reason why fewer than 95 of 100 RE-ARC pairs fit, if RE-ARC's rule is another
            one; empty if they fit.
    """

    concept: str
    function: Callable[[Any], Any]
    rearc: str = ""


def program(task_id: str, rearc: str = "") -> Callable[[Callable[[Any], Any]], Callable[..., Any]]:
    """Register the function below as the program of a task.

    Args:
        task_id: The id of the task.
        rearc: The reason why RE-ARC's pairs do not fit; see :class:`Program`.

    Returns:
        A decorator that returns the function unchanged.

    Raises:
        ConfigError: If the id is malformed or has a program already, or if the function does not
            take ``grid`` alone.
    """

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        where = f"program {function.__name__} in {function.__module__}"
        if not _ID.fullmatch(task_id):
            raise ConfigError(
                f"{where}: bad task id",
                value=task_id,
                expected="8 digits and letters a to f",
                next_step="Correct the id.",
            )
        known = _programs.get(task_id)
        # A module that is loaded again registers its programs again.
        if known is not None and _location(known.function) != _location(function):
            raise ConfigError(
                f"{where}: the task has a program",
                value=task_id,
                expected=f"a task other than that of {known.name} in {known.concept}",
                next_step="Remove one of the two.",
            )
        names = list(inspect.signature(function).parameters)
        if names != ["grid"]:
            raise ConfigError(
                f"{where}: bad parameters",
                value=names,
                expected="one, grid",
                next_step="Write it as def name(grid).",
            )
        _programs[task_id] = Program(
            task_id,
            function.__name__,
            _source(function),
            function.__module__.rpartition(".")[2],
            function,
            rearc,
        )
        return function

    return register


@functools.cache
def programs() -> Mapping[str, Program]:
    """Return all programs by task id, sorted by id."""
    package = importlib.import_module(TASKS)
    for module in pkgutil.walk_packages(package.__path__, f"{TASKS}."):
        importlib.import_module(module.name)
    return MappingProxyType(dict(sorted(_programs.items())))


def find_program(task_id: str) -> Program:
    """Return the program of one task.

    Args:
        task_id: The id of the task.

    Returns:
        The program.

    Raises:
        ConfigError: If there is no program of this task.
    """
    known = programs()
    if task_id not in known:
        raise ConfigError(
            "Omni-ARC: no program for this task",
            value=task_id,
            expected=f"one of {len(known)} ids, such as {', '.join(list(known)[:3])}",
            next_step="`arcflow omniarc coverage --samples 0` lists them.",
        )
    return known[task_id]


def _location(function: Callable[[Any], Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def _source(function: Callable[[Any], Any]) -> str:
    """Return the function's text without its decorator, under the name ``task``."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("def "))
    # A program may call itself.
    return re.sub(rf"\b{function.__name__}\b", "task", "\n".join(lines[start:])) + "\n"
