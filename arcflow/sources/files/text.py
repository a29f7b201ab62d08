"""The text of JSON files that are compressed, or of which single lines are read."""

import gzip
import zlib
from pathlib import Path

from arcflow.core.errors import DataError
from arcflow.core.json_file import parse_json, read_bytes

LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
ENDINGS = (".json", ".json.gz", *LINES)
"""The endings of the files that a folder's tasks are read from."""


def stem_of(path: Path) -> str:
    """Return a file's name without the endings that say its format; it names the file's task."""
    name = path.name
    for ending in (".gz", ".json", ".jsonl", ".ndjson"):
        name = name.removesuffix(ending)
    return name


def read_text(path: Path) -> bytes:
    """Return the content of a file, decompressed if its name ends with ``.gz``.

    Raises:
        DataError: The file is missing, unreadable or damaged.
    """
    raw = read_bytes(path)
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: cannot be unpacked",
            value=str(error),
            expected="a whole file packed by gzip",
            next_step="Fetch the file again, or take .gz off its name if it is not packed.",
        ) from None


def read_value(path: Path) -> object:
    """Return the JSON value in a file, compressed or not.

    Raises:
        DataError: The file is missing, unreadable or damaged, or is not JSON.
    """
    return parse_json(read_text(path), str(path))


def lines_of(raw: bytes) -> list[tuple[int, bytes]]:
    """Return the lines that are not blank, with their numbers from 1."""
    return [(n, line) for n, line in enumerate(raw.split(b"\n"), 1) if line.strip()]


def first_line(path: Path) -> bytes:
    """Return the first line of an uncompressed file that is not blank, or nothing without one.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return next((line for line in file if line.strip()), b"")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read",
            value=error.strerror,
            expected="a readable file",
            next_step="Check the path and its permissions.",
        ) from None


def are_lines(raw: bytes) -> bool:
    """Return whether text that is no JSON value is several of them, one on each line."""
    lines = lines_of(raw)[:2]
    if len(lines) < 2:
        return False
    try:
        return all(isinstance(parse_json(line, "line"), dict) for _, line in lines)
    except DataError:
        return False
