"""The registry: one program for each task that is solved in code."""

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
class Program:
    """What solves one ARC-AGI-1 training task.

    Attributes:
        task_id: of the task, e.g. ``"00d62c1b"``.
        name: the function's own name, the rule in a few words.
        concept: the module it stands in.
        function: takes an input grid of shape (H, W), gives the output grid.
        source: the program as text, complete: a function ``task(grid)`` that needs numpy as
            ``np`` and the DSL's names, nothing else.
        rearc: why fewer than 95 of 100 RE-ARC pairs fit, where RE-ARC's rule is another one;
            empty where they do.
    """

    task_id: str
    name: str
    concept: str
    function: Callable[[Any], Any]
    source: str
    rearc: str = ""


def program(task_id: str, rearc: str = "") -> Callable[[Callable[[Any], Any]], Callable[..., Any]]:
    """Register the function below as the program of a task.

    Args:
        task_id: of the task.
        rearc: see :class:`Program`.

    Raises:
        ConfigError: an id that is none, or that has a program already; a function that does not
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
        # A module that is loaded again brings its own once more.
        if known is not None and _place(known.function) != _place(function):
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
            function.__module__.rpartition(".")[2],
            function,
            _source(function),
            rearc,
        )
        return function

    return register


@functools.cache
def programs() -> Mapping[str, Program]:
    """Task id -> program, for all of them, by id."""
    package = importlib.import_module(TASKS)
    for module in pkgutil.walk_packages(package.__path__, f"{TASKS}."):
        importlib.import_module(module.name)
    return MappingProxyType(dict(sorted(_programs.items())))


def find_program(task_id: str) -> Program:
    """The program of one task.

    Raises:
        ConfigError: there is none.
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


def _place(function: Callable[[Any], Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def _source(function: Callable[[Any], Any]) -> str:
    """The function's text, less its decorator, by the name of ``task``."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("def "))
    # A program may call itself.
    return re.sub(rf"\b{function.__name__}\b", "task", "\n".join(lines[start:])) + "\n"
