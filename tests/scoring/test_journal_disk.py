"""Journals on a full or a failing disk."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import DataError
from arcflow.scoring.journal import Journal, write_journal
from tests.helpers.disks import mounted
from tests.helpers.journals import (
    ENTRIES,
    RUN,
    entries_of,
    journal_path,  # noqa: F401 (a fixture)
)


def check_full(path: Path, free: Any) -> None:
    """Appends until nothing fits, then makes room and goes on; asserts on the way."""
    entry = {"pad": "x" * 3000}
    with Journal.open(path, RUN) as journal:

        def fill() -> None:
            while len(journal.entries) < 1000:
                journal.append([entry, entry])

        with pytest.raises(DataError) as error:
            fill()
        n = len(journal.entries)
        assert n > 0
        told = str(error.value)
        assert told.startswith(f"{path}: the journal cannot be written (")
        assert (
            " bytes written'. Expected free space on its disk. The journal is intact up to" in told
        )
        assert f"up to entry {n}. Make room and run the same command again: it goes on" in told
        assert entries_of(path) == [entry] * n
        with pytest.raises(DataError, match=f"intact up to entry {n}"):
            journal.append([entry, entry])
        data = path.read_bytes()
        with pytest.raises(DataError, match="the journal cannot be written"):
            write_journal(path.with_name("other"), RUN, [entry] * (n + 2))
        assert [p.name for p in path.parent.iterdir() if p.suffix == ".tmp"] == []
        assert path.read_bytes() == data
        free()
        journal.append([{"task": "after"}])
    with Journal.open(path, RUN) as journal:
        assert journal.entries == [*[entry] * n, {"task": "after"}]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "64k") as folder:
        yield folder


def test_a_full_disk_leaves_the_journal_intact(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 8192)
    check_full(small_disk / "j", ballast.unlink)


def test_a_file_that_cannot_grow_leaves_the_journal_intact(tmp_path: Path) -> None:
    # Python ignores SIGXFSZ, so that the write that crosses the limit is short, the next fails.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    limit(50_000)
    try:
        check_full(tmp_path / "j", lambda: limit(soft))
    finally:
        limit(soft)


def test_a_failing_disk_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(path, RUN) as journal:
        journal.append(ENTRIES[:1])

        def broken(handle: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(DataError, match=r"cannot be written \(Input/output error\).*entry 1\."):
            journal.append(ENTRIES[1:])
        monkeypatch.undo()
    assert entries_of(path) == ENTRIES[:1]


def test_what_a_failing_disk_left_is_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        monkeypatch.setattr(os, "ftruncate", broken)
        raise OSError(5, "Input/output error")

    with Journal.open(path, RUN) as journal:
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(DataError):
            journal.append(ENTRIES)
        monkeypatch.undo()
        assert entries_of(path) == ENTRIES  # not acknowledged, yet there
        journal.append(ENTRIES[:1])
        assert entries_of(path) == journal.entries == ENTRIES[:1]
