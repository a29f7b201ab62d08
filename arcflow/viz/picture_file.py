"""What every picture file has in common: its kinds, and what is said if it cannot be written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arcflow.core.errors import DataError

_KINDS = (".svg", ".png")


@contextmanager
def picture_file(path: str | Path, advice: str = "") -> Iterator[Path]:
    """Check the path of a picture, and write the picture within the context.

    Args:
        path: The path of the picture file.
        advice: What else to do than to change an ending of another kind, for the message.

    Yields:
        The path.

    Raises:
        DataError: The path ends neither in .svg nor in .png, or nothing can be written there.
    """
    path = Path(path)
    if path.suffix not in _KINDS:
        raise DataError(
            "draw: unknown kind of picture",
            value=str(path),
            expected="a path that ends in .svg or .png",
            next_step=f"Change the path's ending{advice}.",
        )
    try:
        yield path
    except OSError as error:
        raise DataError(
            f"draw: the picture cannot be written ({error.strerror})",
            value=str(path),
            expected="a path to a file in a folder that can be written to",
            next_step="Choose another path, or make the folder.",
        ) from error
