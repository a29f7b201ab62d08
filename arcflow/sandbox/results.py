"""What comes of a program: its grids, or one of the ways to fail; and the bounds it runs in."""

from dataclasses import dataclass
from typing import TypeAlias

from arcflow.core.errors import ArcflowError
from arcflow.core.grid import Grid


class SandboxError(ArcflowError):
    """A sandbox that cannot be had here, or that was asked for something impossible."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one program, over all its inputs together.

    Attributes:
        seconds: wall-clock time to run on all inputs, and on the first one again.
        memory_mb: address space beyond what the worker has before it sees the program.
        text_bytes: length of the program in UTF-8.
        nodes: size of its syntax tree.
        depth: nesting of its syntax tree.
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
    """The program ran: one grid for each input."""

    outputs: tuple[Grid, ...]


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """The text is not a program.

    Attributes:
        message: what the parser says.
        line: of the text, from 1; 0 where the parser names none.
    """

    message: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """The program was not run: it uses what programs may not use, or is not a ``task(grid)``.

    Attributes:
        construct: what was found, e.g. ``"the name open"``.
        line: of the text, from 1; 0 where it is about the text as a whole.
    """

    construct: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Raised:
    """The program raised an exception that it did not catch.

    Attributes:
        type: the exception's class, or ``"Crash"`` where the process died.
        message: its text, cut to 500 characters.
        line: of the program's text, from 1; 0 where it has none.
    """

    type: str
    message: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The program was killed after its time.

    Attributes:
        seconds: the limit.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The program asked for more memory than its limit.

    Attributes:
        memory_mb: the limit.
    """

    memory_mb: int


@dataclass(frozen=True, slots=True)
class BadOutput:
    """The program returned something that is no grid.

    Attributes:
        what: ``"type"`` (no array of integers), ``"shape"`` (not 2-D with sides 1 to 30) or
            ``"values"`` (not 0 to 9).
        found: the type, shape or value, in words.
        index: of the input.
    """

    what: str
    found: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Nondeterministic:
    """On its first input the program gave something else when it was asked a second time."""


Result: TypeAlias = (
    Grids | SyntaxProblem | Refused | Raised | TimedOut | OutOfMemory | BadOutput | Nondeterministic
)
