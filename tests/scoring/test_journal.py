"""What a journal writes, and whose it is."""

import json
import math
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import CheckpointError, DataError
from arcflow.scoring.journal import Journal, read_journal, write_journal
from tests.helpers.journals import (
    ENTRIES,
    RUN,
    entries_of,
    journal_path,  # noqa: F401 (a fixture)
    line_of,
)

# ---- what is written


def test_what_was_appended_is_read(path: Path) -> None:
    with Journal.open(path, RUN) as journal:
        assert journal.entries == []
        journal.append(ENTRIES[:1])
        journal.append([])
        assert entries_of(path) == ENTRIES[:1]  # while it is open
    with Journal.open(path, RUN) as journal:
        assert journal.entries == ENTRIES[:1]
        journal.append(ENTRIES[1:])
        assert journal.entries == ENTRIES
    assert read_journal(path) == ({"format": 1, "run": RUN}, ENTRIES)


def test_every_line_is_json_with_the_checksum_of_its_entry(path: Path) -> None:
    with Journal.open(path, RUN) as journal:
        journal.append(ENTRIES)
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines == [line_of({"format": 1, "run": RUN}), *map(line_of, ENTRIES)]
    for line in lines:
        obj = json.loads(line)
        assert list(obj) == ["crc32", "entry"]
        body = line[line.index(b'"entry":') + len(b'"entry":') : -2]
        assert zlib.crc32(body) == int(obj["crc32"], 16)


def test_an_entry_is_what_a_reader_would_get(path: Path) -> None:
    mine = {"task": "a", "grid": [[1]], "pair": (1, 2)}
    with Journal.open(path, RUN) as journal:
        journal.append([mine])
        mine["grid"].append([2])  # type: ignore[attr-defined]
        assert journal.entries == entries_of(path) == [{"task": "a", "grid": [[1]], "pair": [1, 2]}]


def test_what_json_has_no_word_for_is_not_written(path: Path) -> None:
    with Journal.open(path, RUN) as journal:
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.append([{"task": "a"}, {"loss": math.nan}])
        journal.append(ENTRIES)
    assert entries_of(path) == ENTRIES


# ---- whose it is


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({**RUN, "seed": 1}, "the journal of another run, seed differs: got 0. Expected 1 as in"),
        ({**RUN, "model": "cd"}, "model differs: got 'ab12'. Expected \"cd\" as in this run."),
        ({**RUN, "steps": 3}, "steps differs: got '(nothing)'. Expected 3 as in this run."),
        ({"seed": 0, "model": "ab12"}, "views differs: got 8. Expected (nothing) as in this run."),
        ({**RUN, "seed": False}, "seed differs: got 0. Expected false as in this run."),
        # of several, the first as this run names them
        ({"views": 2, "seed": 5, "model": "x"}, "another run, views differs: got 8. Expected 2"),
    ],
)
def test_another_run_is_refused_by_name(path: Path, run: dict[str, Any], message: str) -> None:
    with Journal.open(path, RUN) as journal:
        journal.append(ENTRIES)
    with path.open("ab") as file:
        file.write(b'{"crc32"')
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=re.escape(message)) as error:
        Journal.open(path, run)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith(
        "Give this run another folder (--trainer.default_root_dir), or start the evaluation anew "
        "with --pass_n.overwrite true."
    )
    assert path.read_bytes() == before
    # The refused one has let go of it.
    reordered = {"views": 8, "model": "ab12", "seed": 0}
    Journal.open(path, reordered).close()


@pytest.mark.parametrize("header", [{"format": 2, "run": RUN}, {"run": RUN}, {"format": 1}])
def test_another_format_is_refused(tmp_path: Path, header: dict[str, Any]) -> None:
    path = tmp_path / "j"
    path.write_bytes(line_of(header) + line_of({"task": "a"}))
    for use in (lambda: Journal.open(path, RUN), lambda: read_journal(path)):
        with pytest.raises(CheckpointError, match=r"a journal of another format.*format 1\."):
            use()


@pytest.mark.parametrize("data", [b"{}\n", b"my only copy", b"\n", b'{"a": 1}\n{"b": 2}\n', b"{c"])
def test_what_is_no_journal_is_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(data)
    for use in (lambda: Journal.open(path, RUN), lambda: read_journal(path)):
        with pytest.raises(DataError, match=r"notes\.txt: not a journal: got b.*Check the path\."):
            use()
    assert path.read_bytes() == data


def test_there_must_be_a_place_for_it(tmp_path: Path) -> None:
    for use in (lambda p: Journal.open(p, RUN), lambda p: write_journal(p, RUN, [])):
        with pytest.raises(DataError, match=r"the journal cannot be written \(Is a directory\)"):
            use(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_journal(tmp_path / "no")
