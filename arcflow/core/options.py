"""Checks of options that are told in one form, whatever has the options."""

from collections.abc import Iterable, Mapping
from typing import Any

from arcflow.core.errors import ConfigError


def check_options(where: str, options: Iterable[tuple[str, object, bool, str]]) -> None:
    """Refuse the first option that is not right.

    Args:
        where: what has the options, e.g. ``"RE-ARC"``.
        options: of each its name, its value, whether that is right, and what is expected.

    Raises:
        ConfigError: naming the option.
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
    """Refuse weights to choose by that are no numbers of 0 or more, or all 0.

    Args:
        where: the option, e.g. ``"compose_weights"``.
        weights: by name.
        otherwise: what to do where all are 0; "" advises to leave the option out.

    Raises:
        ConfigError: naming the weight.
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
