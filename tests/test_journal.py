import fcntl
import json
import logging
import math
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from arcflow.core.errors import CheckpointError, ConfigError, DataError
from arcflow.core.grid import make_grid
from arcflow.core.journal import Journal, read_journal, write_journal
from arcflow.core.vote import (
    Candidate,
    candidate_from_json,
    candidate_to_dict,
    candidate_to_json,
    read_answers,
    read_candidates,
)

RUN = {"seed": 0, "model": "ab12", "views": 8}
ENTRIES: list[dict[str, Any]] = [
    {"task": "a", "loss": [0.1, 7], "text": 'quotes " and \\n, "crc32":"00000000"'},
    {"task": "ü\u2028", "loss": None, "nested": {"grid": [[0, 9], [1, 2]]}},
    {"task": "c", "steps": 3},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "validate.journal.jsonl"


def entries_of(path: Path) -> list[dict[str, Any]]:
    return read_journal(path)[1]


def line_of(entry: object) -> bytes:
    body = json.dumps(entry, separators=(",", ":")).encode()
    return b'{"crc32":"%08x","entry":%s}\n' % (zlib.crc32(body), body)


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
        "with --pass_n.restart true."
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


# ---- damage


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


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_flipped_bit_gives_a_wrong_entry(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.jsonl"
    good = line_of({"format": 1, "run": RUN}) + b"".join(map(line_of, ENTRIES))
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
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
            assert "start the evaluation anew with --pass_n.restart true." in told
        assert path.read_bytes() == bad
    elif bad[at] == ord("\n") and at < len(good) - 2:
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


# ---- killed

APPENDER = """
import sys
from arcflow.core.journal import Journal
path, seed = sys.argv[1], int(sys.argv[2])
with Journal.open(path, {"seed": 0}) as journal:
    print(len(journal.entries), flush=True)
    while True:
        i = len(journal.entries)
        new = range(i, i + 1 + i % 3)
        journal.append([{"i": k, "pad": "x" * (997 * k % 90_000)} for k in new])
        print(len(journal.entries), flush=True)
"""


def test_killed_at_any_moment_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "j"
    moments = random.Random(0)
    least = 0
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(path), "0"], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        # It goes on from where the killed one was.
        begun = int(child.stdout.readline())
        assert begun >= least
        time.sleep(moments.random() * 0.08)
        child.send_signal(signal.SIGKILL)
        said, _ = child.communicate()
        whole = said[: said.rfind("\n") + 1].split()
        least = int(whole[-1]) if whole else begun
        with Journal.open(path, {"seed": 0}) as journal:
            assert len(journal.entries) >= least
            for i, entry in enumerate(journal.entries):
                assert entry == {"i": i, "pad": "x" * (997 * i % 90_000)}
    assert least > 20


def test_killed_while_it_is_begun(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom arcflow.core.journal import Journal\nprint(flush=True)\n"
        "for i in range(10**6):\n"
        "    Journal.open(f'{sys.argv[1]}/{i}', {'seed': 0}).close(); print(flush=True)\n"
    )
    moments = random.Random(1)
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.001 + moments.random() * 0.02)
        child.kill()
        child.communicate()
        for path in folder.glob("*"):
            Journal.open(path, {"seed": 0}).close()
            assert read_journal(path) == ({"format": 1, "run": {"seed": 0}}, [])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interrupted_it_is_as_before(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    with Journal.open(path, RUN) as journal:
        journal.append(ENTRIES[:1])
        before = path.read_bytes()
        fsync, calls = os.fsync, [0]

        def interrupted(handle: int) -> None:
            calls[0] += 1
            if calls[0] == 1:
                raise error
            fsync(handle)

        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(error):
            journal.append(ENTRIES[1:])
        assert path.read_bytes() == before
        assert journal.entries == ENTRIES[:1]
        journal.append(ENTRIES[1:])
    assert entries_of(path) == ENTRIES


# ---- a full disk


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
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting is not allowed here; the next test fills a file instead")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


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


# ---- one writer


def test_a_second_writer_is_refused(path: Path) -> None:
    message = (
        r"another evaluation is writing this journal: got .*Expected one evaluation at a time in "
        r"a folder\. Wait until it has ended, or give this run another folder "
    )
    with Journal.open(path, RUN) as journal:
        for use in (lambda: Journal.open(path, RUN), lambda: write_journal(path, RUN, [])):
            with pytest.raises(ConfigError, match=message):
                use()
        program = (
            "import sys\nfrom arcflow.core.journal import Journal\n"
            "try: Journal.open(sys.argv[1], {})\nexcept ValueError as error: print(error)\n"
        )
        words = [sys.executable, "-c", program, str(path)]
        ended = subprocess.run(words, capture_output=True, text=True, check=True)
        assert re.search(message, ended.stdout)
        journal.append(ENTRIES)
        journal.close()
        journal.close()
    write_journal(path, RUN, ENTRIES[:1])
    again = Journal.open(path, RUN)
    assert again.entries == ENTRIES[:1]
    del again  # forgotten, not closed
    Journal.open(path, RUN).close()


def test_a_journal_that_was_replaced_meanwhile_is_not_written_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_journal(path, RUN, ENTRIES[:1])
    flock = fcntl.flock

    def replaced(handle: int, how: int) -> None:
        # As when the one that had the lock put a merged journal in its place and let go.
        monkeypatch.undo()
        write_journal(path.with_name("merged"), RUN, ENTRIES[:2])
        path.with_name("merged").rename(path)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", replaced)
    with Journal.open(path, RUN) as journal:
        assert journal.entries == ENTRIES[:2]
        journal.append(ENTRIES[2:])
    assert entries_of(path) == ENTRIES


def test_a_child_that_outlives_a_killed_writer_keeps_nobody_out(path: Path) -> None:
    program = (
        "import os, signal, sys\nfrom arcflow.core.journal import Journal\n"
        "journal = Journal.open(sys.argv[1], {'seed': 0})\n"
        "ready, tell = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.write(tell, b'.'); sys.stdin.read(); os._exit(0)\n"
        "os.read(ready, 1)\n"
        "journal.append([{'task': 'a'}])\n"  # the child closed its end alone
        "try: Journal.open(sys.argv[1], {'seed': 0})\n"
        "except ValueError as error: print('locked', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "locked\n"
        assert writer.wait() == -signal.SIGKILL
        with Journal.open(path, {"seed": 0}) as journal:  # the child still waits for its input
            assert journal.entries == [{"task": "a"}]


def test_where_there_are_no_locks_it_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(handle: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with caplog.at_level(logging.WARNING), Journal.open(path, RUN) as journal:
        journal.append(ENTRIES)
    assert "its file system has no locks; let only one run write it" in caplog.text
    assert entries_of(path) == ENTRIES


# ---- candidates in it


def answer(task: str, view: str, reason: str = "") -> Candidate:
    grid = None if reason else make_grid([[1, 2]])
    return Candidate(task, 0, grid, -math.inf if reason else -0.5, 3, view, "1 2", reason)


def test_a_candidate_says_why_it_has_no_answer() -> None:
    line = candidate_to_json(answer("a", "v", "the time was up"))
    assert json.loads(line)["reason"] == "the time was up"
    assert candidate_from_json(line).reason == "the time was up"
    assert "reason" not in json.loads(candidate_to_json(answer("a", "v")))
    with pytest.raises(DataError, match=r"candidate: bad reason: got 3\. Expected a string"):
        candidate_from_json(line.replace('"the time was up"', "3"))


def entry(task: str, variant: str, *candidates: Candidate) -> dict[str, Any]:
    found = [candidate_to_dict(c) for c in candidates]
    return {"task": task, "variant": variant, "candidates": found, "loss": None, "steps": 1}


def views(candidates: list[Candidate]) -> list[str]:
    return [c.view for c in candidates]


def test_candidates_are_read_from_journals_and_lines(path: Path, tmp_path: Path) -> None:
    with Journal.open(path, RUN) as journal:
        journal.append([entry("a", "frozen", answer("a", "fa")), entry("b", "frozen")])
        journal.append([entry("a", "tuned", answer("a", "ta"), answer("a", "ta2", "stopped"))])
        journal.append([entry("c", "frozen", answer("c", "fc"))])  # not tuned in time
    with path.open("ab") as file:
        file.write(b'{"crc32":"12')
    assert views(read_candidates(path)) == ["ta", "ta2", "fc"]
    assert views(read_candidates(path, "frozen")) == ["fa", "fc"]
    assert views(read_candidates(path, "tuned")) == ["ta", "ta2"]
    assert {k: views(v) for k, v in read_answers(path).items()} == {
        "a": ["ta", "ta2"],
        "b": [],
        "c": ["fc"],
    }
    assert read_candidates(path)[1].reason == "stopped"
    lines = tmp_path / "lines"
    lines.write_text("".join(candidate_to_json(c) + "\n" for c in read_candidates(path)))
    assert views(read_candidates(lines)) == ["ta", "ta2", "fc"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"task": "a", "variant": "tuned"}, "line 2: bad candidates: got None. Expected a list of"),
        ({"task": 1, "variant": "tuned", "candidates": []}, "line 2: bad task: got 1. Expected a"),
        (
            {"task": "a", "variant": "tuned", "candidates": [{}]},
            "line 2, candidate 0: missing key 'task_id'",
        ),
        (
            {
                "task": "a",
                "variant": "tuned",
                "candidates": [{**candidate_to_dict(answer("a", "")), "grid": [[77]]}],
            },
            "line 2, candidate 0, grid: bad cell at row 0, column 0: got 77",
        ),
    ],
)
def test_what_is_no_candidate_is_refused(path: Path, bad: dict[str, Any], message: str) -> None:
    write_journal(path, RUN, [bad])
    with pytest.raises(DataError, match=re.escape(message)):
        read_candidates(path)
