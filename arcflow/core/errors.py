"""The errors a person meets: what, the value, what was expected, the next step."""

import re
from collections.abc import Iterator
from contextlib import contextmanager


class ArcflowError(ValueError):
    """A user's mistake, told in one message.

    Args:
        what: what is wrong and where, e.g. ``"task 00d62c1b, train pair 2, output: ragged rows"``.
        value: the offending value; shown with ``repr`` and cut to 200 characters.
        expected: what would have been right.
        next_step: what the person can do about it.

    The command line prints the message without a traceback and exits with code 2.
    """

    def __init__(self, what: str, *, value: object, expected: str, next_step: str) -> None:
        self.what, self.value, self.expected, self.next_step = what, value, expected, next_step
        shown = re.sub(r"\s*\n\s*", " ", repr(value))  # arrays have several lines
        if len(shown) > 200:
            shown = shown[:197] + "..."
        super().__init__(f"{what}: got {shown}. Expected {expected}. {next_step}")


class DataError(ArcflowError):
    """Tasks, grids or files that are not what they should be."""


class ConfigError(ArcflowError):
    """Options that cannot work, alone or together."""


class CheckpointError(ArcflowError):
    """A checkpoint or an adapter that belongs to something else."""


@contextmanager
def located(
    where: str, joint: str = ": ", of: type[DataError] | type[ConfigError] = DataError
) -> Iterator[None]:
    """Put ``where`` and ``joint`` in front of what is wrong inside, with data or with options."""
    try:
        yield
    except of as error:
        raise of(
            f"{where}{joint}{error.what}",
            value=error.value,
            expected=error.expected,
            next_step=error.next_step,
        ) from error
