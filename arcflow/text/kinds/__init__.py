"""Task kinds: what is asked of a task."""

from typing import Any

from arcflow.core.errors import ConfigError
from arcflow.text.kinds.base import GridKind, T, TaskKind, Value, check_test_index
from arcflow.text.kinds.code import (
    FAMILY,
    CodeFromExamples,
    CodeFromExamplesAndTest,
    CodeFromFeedback,
    CodeFromInputs,
    CodeKind,
    InputFromCode,
    OutputFromCode,
)
from arcflow.text.kinds.grids import InputFromInputs, OutputFromExamples, OutputFromOutputs

__all__ = [
    "KINDS",
    "OUTPUT_FROM_EXAMPLES",
    "CodeKind",
    "GridKind",
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
)

KINDS: dict[str, TaskKind[Any]] = {kind.name: kind for kind in _ALL}
"""Every kind by name."""


def get_kind(name: str) -> TaskKind[Any]:
    """The kind of that name.

    Raises:
        ConfigError: where there is none.
    """
    if name not in KINDS:
        raise ConfigError(
            "unknown task kind",
            value=name,
            expected=f"one of {sorted(KINDS)}",
            next_step="Correct the kind's name.",
        )
    return KINDS[name]


def needs_program(name: str) -> bool:
    """Whether a kind shows or asks for a task's program, so that its pairs have to stay as the
    program makes them.

    Raises:
        ConfigError: there is no such kind.
    """
    return get_kind(name).family == FAMILY
