"""Reading of users' files, with errors that say in words why a file cannot be read."""

import json
from pathlib import Path

from arcflow.core.errors import DataError


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file.

    Raises:
        DataError: The file is missing or unreadable.
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


def decode_text(raw: bytes, where: str, expected: str, next_step: str) -> str:
    """Return the text that a file's bytes hold, without a byte order mark.

    Args:
        raw: The file's bytes.
        where: The file's name, for the error message.
        expected: What the file should be, for the error message.
        next_step: What can be done about it, for the error message.

    Raises:
        DataError: The bytes are not UTF-8.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: not UTF-8 text, at byte {error.start}",
            value=raw[error.start : error.start + 4],
            expected=expected,
            next_step=next_step,
        ) from None


def read_json(path: str | Path) -> object:
    """Return the value in a UTF-8 JSON file.

    Raises:
        DataError: The file is missing or unreadable, or :func:`parse_json` refuses its content.
    """
    return parse_json(read_bytes(path), str(path))


def parse_json(raw: bytes, where: str, is_line: bool = False) -> object:
    """Return the JSON value that ``raw`` holds.

    Args:
        raw: JSON text in UTF-8.
        where: What the text is, for error messages, e.g. ``"tasks.jsonl, line 7"``.
        is_line: Whether the text is one line of a file, so that a message names the column alone.

    Raises:
        DataError: The text is not UTF-8 or not JSON, or an object in it has a key twice, of which
            JSON would silently keep the last.
    """
    text = decode_text(
        raw,
        where,
        "a JSON file in UTF-8",
        "Save the file as UTF-8, or unpack it if it is an archive.",
    )
    try:
        value: object = json.loads(text, object_pairs_hook=_unique)
    except _TwiceError as error:
        raise DataError(
            f"{where}: a key occurs twice in one object",
            value=error.args[0],
            expected="every task id, and every other key, once",
            next_step="Rename or remove one of the two.",
        ) from None
    except json.JSONDecodeError as error:
        line = "" if is_line else f"line {error.lineno}, "
        raise DataError(
            f"{where}: not JSON, at {line}column {error.colno}",
            value=text[error.pos : error.pos + 40],
            expected=f"valid JSON ({error.msg})",
            next_step="Correct the file, or fetch it again if it was cut short.",
        ) from None
    except (RecursionError, ValueError) as error:  # too deep, or too long a number
        raise DataError(
            f"{where}: cannot be read as JSON",
            value=str(error),
            expected="JSON as ARC's files have it",
            next_step="Check that the file is the right one.",
        ) from None
    return value


class _TwiceError(Exception):
    """An error that names a key which an object has twice."""


def _unique(items: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(items)
    if len(found) < len(items):
        keys = [key for key, _ in items]
        raise _TwiceError(next(key for i, key in enumerate(keys) if key in keys[:i]))
    return found
