"""Journals whose writer is killed or interrupted: nothing acknowledged is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arcflow.scoring.journal import Journal, read_journal
from tests.helpers.journals import (
    ENTRIES,
    RUN,
    entries_of,
    journal_path,  # noqa: F401 (a fixture)
)

APPENDER = """
import sys
from arcflow.scoring.journal import Journal
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
        "import sys\nfrom arcflow.scoring.journal import Journal\nprint(flush=True)\n"
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
