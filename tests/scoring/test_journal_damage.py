"""Damaged journals: what is kept of them, and what is refused."""

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from arcflow.core.errors import DataError
from arcflow.scoring.journal import Journal, read_journal, write_journal
from tests.helpers.journals import (
    ENTRIES,
    RUN,
    journal_path,  # noqa: F401 (a fixture)
    line_of,
)


def check_survives(path: Path, data: bytes, kept: list[dict[str, Any]]) -> None:
    """Opening ``data`` keeps these entries, and what is appended then is read."""
    path.write_bytes(data)
    with Journal.open(path, RUN) as journal:
        assert journal.entries == kept
        header = line_of({"format": 1, "run": RUN})
        assert path.read_bytes() == header + b"".join(map(line_of, kept))
        journal.append([{"task": "new"}])
    assert read_journal(path) == ({"format": 1, "run": RUN}, [*kept, {"task": "new"}])


def test_cut_at_any_byte_it_goes_on_with_the_whole_lines(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_journal(path, RUN, ENTRIES)
    data = path.read_bytes()
    for size in range(len(data) + 1):
        whole = data[:size].count(b"\n")
        torn = size - (data[:size].rfind(b"\n") + 1)
        caplog.clear()
        check_survives(path, data[:size], ENTRIES[: max(whole - 1, 0)])
        if torn:
            # An incomplete header was no journal yet: the file is begun anew, entries it had none.
            [message] = caplog.messages
            assert f"line {whole + 1}: torn ({torn} bytes); dropped." in message
            assert f"the {max(whole - 1, 0)} entries before it are good" in message
        else:
            assert caplog.messages == []


GOOD = line_of({"format": 1, "run": RUN}) + b"".join(map(line_of, ENTRIES))
_LAST = GOOD.rindex(b"\n", 0, -1) + 1  # where the last line begins


@settings(deadline=None, max_examples=150)
@given(at=st.integers(0, len(GOOD) - 1), flip=st.integers(1, 255))
@example(at=len(GOOD) - 1, flip=1)  # the last line's end
@example(at=len(GOOD) - 2, flip=ord("}") ^ ord("\n"))  # an empty line behind a damaged one
@example(at=_LAST - 1, flip=1)  # the end of the line before the last: the last two become one
@example(at=_LAST, flip=ord("{") ^ ord("\n"))
@example(at=0, flip=ord("{") ^ ord("\n"))
@example(at=GOOD.index(b"\n"), flip=1)
@example(at=GOOD.index(b"\n"), flip=ord("\n") ^ ord("\r"))
def test_no_flipped_bit_gives_a_wrong_entry(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
) -> None:
    """Damage in the last line is taken for a writer's that was stopped; any other is refused."""
    path = tmp_path_factory.getbasetemp() / "flipped.jsonl"
    good, bad = GOOD, bytearray(GOOD)
    bad[at] ^= flip
    line = good[:at].count(b"\n")
    path.write_bytes(bad)
    if line < len(ENTRIES) and not (line == len(ENTRIES) - 1 and good[at] == ord("\n")):
        with pytest.raises(DataError) as error:
            Journal.open(path, RUN)
        told = str(error.value)
        assert f"line {line + 1}: not what was written there" in told or "not a journal" in told
        if "not a journal" in told:
            assert at < 10
        else:
            assert "start the evaluation anew with --pass_n.overwrite true." in told
        assert path.read_bytes() == bad
    elif bad[at] == ord("\n"):  # what was the last line is two
        with pytest.raises(DataError, match=f"line {line + 1}: not what was written"):
            Journal.open(path, RUN)
    else:
        # The last line; a line end before it makes the last two one.
        check_survives(path, bytes(bad), ENTRIES[: line - 1])


values = st.none() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.dictionaries(st.text(), values), max_size=5), st.integers(0, 400))
def test_any_entries_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, Any]], cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    write_journal(path, RUN, entries)
    data = path.read_bytes()
    kept = data[: max(len(data) - cut, 0)]
    check_survives(path, kept, entries[: max(kept.count(b"\n") - 1, 0)])


@pytest.mark.parametrize("tail", [b"\0" * 5000, b'{"crc32":"0' + b"\0" * 100, b"\xff\xfe"])
def test_what_a_power_failure_leaves(path: Path, tail: bytes) -> None:
    write_journal(path, RUN, ENTRIES)
    check_survives(path, path.read_bytes() + tail, ENTRIES)
    check_survives(path, b"\0" * 4096, [])


def test_lines_of_another_shape_are_refused(path: Path) -> None:
    write_journal(path, RUN, ENTRIES)
    data = path.read_bytes()
    for bad in (data.replace(b"\n", b"\r\n"), data.replace(b'"entry":', b'"entry": ')):
        path.write_bytes(bad)
        with pytest.raises(DataError, match="line 1: not what was written there"):
            read_journal(path)
    path.write_bytes(data + line_of([1]) + line_of({}))
    with pytest.raises(DataError, match="line 5: not what was written there"):
        read_journal(path)
