"""Files that people hand over: read whole, and refused in words where they cannot be."""

import json
from pathlib import Path

from arcflow.core.errors import DataError


def read_bytes(path: str | Path) -> bytes:
    """What is in a file.

    Raises:
        DataError: it is missing or unreadable.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file",
            value=str(path),
            expected="a file that exists",
            next_step="Check the path; relative paths start at the working directory.",
        ) from None
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read",
            value=error.strerror,
            expected="a readable file",
            next_step="Check the path and its permissions.",
        ) from error


def read_json(path: str | Path) -> object:
    """The value in a UTF-8 JSON file.

    Raises:
        DataError: the file is missing, unreadable, not UTF-8 or not JSON, or an object in it
            has a key twice (of which JSON would silently keep the last).
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text, at byte {error.start}",
            value=error.object[error.start : error.start + 4],
            expected="a JSON file in UTF-8",
            next_step="Save the file as UTF-8, or unpack it if it is an archive.",
        ) from None

    def unique(items: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(items)
        if len(found) < len(items):
            keys = [key for key, _ in items]
            raise DataError(
                f"{path}: a key occurs twice in one object",
                value=next(key for i, key in enumerate(keys) if key in keys[:i]),
                expected="every task id, and every other key, once",
                next_step="Rename or remove one of the two.",
            )
        return found

    try:
        value: object = json.loads(text, object_pairs_hook=unique)
    except DataError:
        raise
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not JSON, at line {error.lineno}, column {error.colno}",
            value=text[error.pos : error.pos + 40],
            expected=f"valid JSON ({error.msg})",
            next_step="Correct the file, or fetch it again if it was cut short.",
        ) from None
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of 5,000 digits
        raise DataError(
            f"{path}: cannot be read as JSON",
            value=str(error),
            expected="JSON as ARC's files have it",
            next_step="Check that the file is the right one.",
        ) from None
    return value
