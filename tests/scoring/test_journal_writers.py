"""A journal has one writer at a time."""

import fcntl
import logging
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from arcflow.core.errors import ConfigError
from arcflow.scoring.journal import Journal, write_journal
from tests.helpers.journals import (
    ENTRIES,
    RUN,
    entries_of,
    journal_path,  # noqa: F401 (a fixture)
)


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
            "import sys\nfrom arcflow.scoring.journal import Journal\n"
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
        "import os, signal, sys\nfrom arcflow.scoring.journal import Journal\n"
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
