"""Task kinds: what is asked of a task."""

from functools import cache
from typing import Any

from arcflow.core.class_path import did_you_mean, import_class
from arcflow.core.errors import ConfigError
from arcflow.text.kinds.base import GridKind, T, TaskKind, Value, check_test_index
from arcflow.text.kinds.code import (
    CodeFromExamples,
    CodeFromExamplesAndTest,
    CodeFromFeedback,
    CodeFromInputs,
    CodeKind,
    InputFromCode,
    OutputFromCode,
)
from arcflow.text.kinds.grids import InputFromInputs, OutputFromExamples, OutputFromOutputs
from arcflow.text.kinds.judge import JudgeKind, SelectOutput, VerifyOutput

__all__ = [
    "KINDS",
    "OUTPUT_FROM_EXAMPLES",
    "CodeKind",
    "GridKind",
    "JudgeKind",
    "T",
    "TaskKind",
    "Value",
    "check_test_index",
    "get_kind",
    "needs_program",
]

OUTPUT_FROM_EXAMPLES = OutputFromExamples()

_ALL: tuple[TaskKind[Any], ...] = (
    OUTPUT_FROM_EXAMPLES,
    InputFromInputs(),
    OutputFromOutputs(),
    CodeFromExamples(),
    CodeFromExamplesAndTest(),
    OutputFromCode(),
    InputFromCode(),
    CodeFromInputs(),
    CodeFromFeedback(),
    VerifyOutput(),
    SelectOutput(),
)

KINDS: dict[str, TaskKind[Any]] = {kind.name: kind for kind in _ALL}
"""Every kind by name."""


def get_kind(name: str) -> TaskKind[Any]:
    """Return the kind of that name.

    Args:
        name: a built-in kind's name, or the class path of a subclass of :class:`TaskKind`, which
            is made without arguments.

    Raises:
        ConfigError: there is no such kind.
    """
    if name in KINDS:
        return KINDS[name]
    if "." not in name:
        raise ConfigError(
            f"unknown task kind{did_you_mean(name, KINDS)}",
            value=name,
            expected=f"one of {sorted(KINDS)}, or the class path of a subclass of "
            "arcflow.text.kinds.TaskKind",
            next_step="Correct the kind's name.",
        )
    return _custom_kind(name)


@cache
def _custom_kind(path: str) -> TaskKind[Any]:
    cls: type[TaskKind[Any]] = import_class(path, TaskKind, "task kind")
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing or getattr(cls, "name", None) in (None, *KINDS):
        raise ConfigError(
            f"task kind {path}: the class is not complete",
            value={"name": getattr(cls, "name", None), "methods missing": missing},
            expected="a name that no built-in kind has, and every method of TaskKind",
            next_step="Complete the class; examples/custom_task_kind.py shows one.",
        )
    return cls()


def needs_program(name: str) -> bool:
    """Return whether a kind shows or asks for a task's program.

    If so, its pairs have to stay as the program makes them.

    Raises:
        ConfigError: there is no such kind.
    """
    return get_kind(name).shows_program
