"""Checks of options, with messages of one form whatever has the options."""

from collections.abc import Iterable, Mapping
from typing import Any

from arcflow.core.errors import ConfigError


def check_options(where: str, options: Iterable[tuple[str, object, bool, str]]) -> None:
    """Refuse the first option that is wrong.

    Args:
        where: What has the options, e.g. ``"RE-ARC"``.
        options: For each option its name, its value, whether the value is right, and what is
            expected.

    Raises:
        ConfigError: An option is wrong; the message names it.
    """
    for name, value, right, expected in options:
        if not right:
            raise ConfigError(
                f"{where}: bad {name}",
                value=value,
                expected=expected,
                next_step=f"Correct {name}, or leave it out.",
            )


def check_weights(where: str, weights: Mapping[str, Any], otherwise: str = "") -> None:
    """Refuse weights of a choice that are not numbers of 0 or more, or that are all 0.

    Args:
        where: The option, e.g. ``"compose_weights"``.
        weights: The weights by name.
        otherwise: The advice if all weights are 0; if empty, it is to leave the option out.

    Raises:
        ConfigError: A weight is wrong, which the message names, or all are 0.
    """
    option = where.rpartition(": ")[2]
    for name, weight in weights.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 <= weight < float("inf"):
            raise ConfigError(
                f"{where}.{name}: not a weight",
                value=weight,
                expected="a number >= 0",
                next_step=f"Set {option}.{name} to 0 to leave this kind out.",
            )
    if not any(weights.values()):
        raise ConfigError(
            f"{where}: nothing to choose from",
            value=dict(weights),
            expected="at least one weight above 0",
            next_step=otherwise or f"Leave {option} out, or raise one of its weights.",
        )
