"""The results of programs, namely grids or one of the ways to fail, and the limits of programs."""

from dataclasses import dataclass
from typing import TypeAlias

from arcflow.core.errors import ArcflowError
from arcflow.core.grid import Grid


class SandboxError(ArcflowError):
    """An error for a sandbox that this machine cannot have, or for an impossible request to it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one program, over all its inputs together.

    Attributes:
        seconds: The wall-clock time in seconds to run on all inputs, and on the first one again.
        memory_mb: The address space in MiB beyond what the worker has before it sees the program.
        text_bytes: The length of the program in bytes of UTF-8.
        nodes: The number of nodes of the program's syntax tree.
        depth: The number of nested levels of the syntax tree.

    Raises:
        SandboxError: If a limit is out of range.
    """

    seconds: float = 1.0
    memory_mb: int = 256
    text_bytes: int = 65_536
    nodes: int = 20_000
    depth: int = 100

    def __post_init__(self) -> None:
        for name, low, high in (
            ("seconds", 0.001, 3600.0),
            ("memory_mb", 16, 65_536),
            ("text_bytes", 1, 1_000_000),
            ("nodes", 1, 1_000_000),
            ("depth", 1, 150),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise SandboxError(
                    f"limits.{name} is out of range",
                    value=value,
                    expected=f"{low} to {high}",
                    next_step="Choose limits inside the range.",
                )


@dataclass(frozen=True, slots=True, eq=False)
class Grids:
    """The result of a program that ran.

    Attributes:
        outputs: One grid for each input, int8 of shape (H, W).
    """

    outputs: tuple[Grid, ...]


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """The result of a text that is not a program.

    Attributes:
        message: The message of the parser.
        line: The line of the text, from 1; 0 if the parser names none.
    """

    message: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """The result of a program that the policy forbids.

    It uses what programs may not use, or does not define ``task(grid)``, and was not run; or it ran
    and changed what programs share, so that its answer does not count.

    Attributes:
        construct: What was found, for example ``"the name open"``.
        line: The line of the text, from 1; 0 if the refusal is about the text as a whole.
    """

    construct: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Raised:
    """The result of a program that raised an exception and did not catch it.

    Attributes:
        type: The class of the exception, or ``"Crash"`` if the process died.
        message: The text of the exception, cut to 500 characters.
        line: The line of the program's text, from 1; 0 if there is none.
    """

    type: str
    message: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The result of a program that was killed when its time was over.

    Attributes:
        seconds: The time limit in seconds.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The result of a program that asked for more memory than its limit.

    Attributes:
        memory_mb: The memory limit in MiB.
    """

    memory_mb: int


@dataclass(frozen=True, slots=True)
class BadOutput:
    """The result of a program that returned something other than a grid.

    Attributes:
        what: ``"type"`` (not an array of integers), ``"shape"`` (not 2-D with sides 1 to 30) or
            ``"values"`` (not 0 to 9).
        found: The type, the shape or the values, in words.
        index: The index of the input, from 0.
    """

    what: str
    found: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Nondeterministic:
    """The result of a program that gave another output when its first input came again."""


Result: TypeAlias = (
    Grids | SyntaxProblem | Refused | Raised | TimedOut | OutOfMemory | BadOutput | Nondeterministic
)
