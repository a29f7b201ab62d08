"""A journal's path, run and entries, and the line that an entry makes."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from arcflow.scoring.journal import read_journal

RUN = {"seed": 0, "model": "ab12", "views": 8}
ENTRIES: list[dict[str, Any]] = [
    {"task": "a", "loss": [0.1, 7], "text": 'quotes " and \\n, "crc32":"00000000"'},
    {"task": "ü\u2028", "loss": None, "nested": {"grid": [[0, 9], [1, 2]]}},
    {"task": "c", "steps": 3},
]


@pytest.fixture(name="path")
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "validate.journal.jsonl"


def entries_of(path: Path) -> list[dict[str, Any]]:
    return read_journal(path)[1]


def line_of(entry: object) -> bytes:
    body = json.dumps(entry, separators=(",", ":")).encode()
    return b'{"crc32":"%08x","entry":%s}\n' % (zlib.crc32(body), body)
