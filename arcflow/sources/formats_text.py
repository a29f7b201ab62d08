"""Text of JSON files that are not read whole as they are: packed ones, and single lines."""

import gzip
import json
import zlib
from pathlib import Path

from arcflow.core.errors import DataError
from arcflow.core.json_file import read_bytes, read_json

LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
ENDINGS = (".json", ".json.gz", *LINES)
"""Of the files that a folder's tasks are read from."""


def stem_of(path: Path) -> str:
    """A file's name without the endings that say its format: what its task is called."""
    name = path.name
    for ending in (".gz", ".json", ".jsonl", ".ndjson"):
        name = name.removesuffix(ending)
    return name


def read_text(path: Path) -> bytes:
    """What is in a file, unpacked if its name ends with ``.gz``.

    Raises:
        DataError: it is missing, unreadable or damaged.
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
    """The JSON value in a file, packed or not.

    Raises:
        DataError: as :func:`arcflow.core.json_file.read_json`.
    """
    return parse(read_text(path), str(path)) if path.suffix == ".gz" else read_json(path)


def parse(raw: bytes, where: str) -> object:
    """The JSON value that ``raw`` is.

    Args:
        raw: UTF-8 text.
        where: what it is, for the message, e.g. ``"tasks.jsonl, line 7"``.

    Raises:
        DataError: it is not JSON, or an object in it has a key twice.
    """
    try:
        value: object = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where}: not JSON",
            value=raw[:40],
            expected=f"valid JSON in UTF-8 ({error})",
            next_step="Correct it, or fetch the file again if it was cut short.",
        ) from None
    return value


def lines_of(raw: bytes) -> list[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1."""
    return [(n, line) for n, line in enumerate(raw.split(b"\n"), 1) if line.strip()]


def are_lines(raw: bytes) -> bool:
    """Whether text that is no JSON value is several of them, one a line."""
    lines = lines_of(raw)[:2]
    if len(lines) < 2:
        return False
    try:
        return all(isinstance(parse(line, "line"), dict) for _, line in lines)
    except DataError:
        return False


def _unique(items: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(items)
    if len(found) < len(items):  # JSON would silently keep the last
        raise ValueError("every key once in an object")
    return found
