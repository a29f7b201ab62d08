"""What the primitives raise."""


class DslError(ValueError):
    """A primitive was given what it cannot work with; one sentence says what and what it expects.

    Example:
        >>> try:
        ...     new_grid(0, 3)
        ... except DslError as error:
        ...     print(error)
        new_grid: 0x3 cells, expected a height and a width of 1 or more
    """


def check_color(where: str, color: int) -> None:
    """Raise DslError unless ``color`` is 0..9; ``where`` names the primitive."""
    if not 0 <= color <= 9:
        raise DslError(f"{where}: colour {color}, expected 0 to 9")
