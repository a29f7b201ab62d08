"""The errors that a user meets: each says what is wrong, the value, what was expected, and what to
do.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from arcflow.core.printable import printable


class ArcflowError(ValueError):
    """A user's mistake, described in one message.

    The command line prints the message without a traceback and exits with code 2.

    Args:
        what: What is wrong and where, e.g. ``"task 00d62c1b, train pair 2, output: ragged rows"``.
        value: The offending value, shown with ``repr`` and cut to 200 characters.
        expected: What would have been right.
        next_step: What the user can do about it.
    """

    def __init__(self, what: str, *, value: object, expected: str, next_step: str) -> None:
        self.what, self.value, self.expected, self.next_step = what, value, expected, next_step
        try:
            shown = re.sub(r"\s*\n\s*", " ", repr(value))  # arrays print as several lines
        except RecursionError:
            shown = f"a {type(value).__name__} nested too deep to be shown"
        if len(shown) > 200:
            shown = shown[:197] + "..."
        # Ids of tasks are in all parts of a message.
        super().__init__(printable(f"{what}: got {shown}. Expected {expected}. {next_step}"))


class DataError(ArcflowError):
    """An error about tasks, grids or files that are not what they should be."""


class ConfigError(ArcflowError):
    """An error about options that cannot work, alone or together."""


class CheckpointError(ArcflowError):
    """An error about a checkpoint, adapter or journal that belongs to something else."""


@contextmanager
def located(
    where: str, joint: str = ": ", of: type[DataError] | type[ConfigError] = DataError
) -> Iterator[None]:
    """Prefix the message of an error that is raised inside the ``with`` block.

    Args:
        where: The place to name in front of the message.
        joint: The text between the place and the message.
        of: The class of errors to catch and raise again.

    Raises:
        DataError: The block raised a DataError and ``of`` is DataError.
        ConfigError: The block raised a ConfigError and ``of`` is ConfigError.
    """
    try:
        yield
    except of as error:
        raise of(
            f"{where}{joint}{error.what}",
            value=error.value,
            expected=error.expected,
            next_step=error.next_step,
        ) from error
