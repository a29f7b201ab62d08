"""RE-ARC: what must not change a task: threads beside it, and how its code was compiled."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from arcflow.sources.base import hash_tasks
from arcflow.sources.rearc import pairs as rearc_pairs
from arcflow.sources.rearc.source import ReARC

SHARED = ReARC()


@contextmanager
def hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("own", [True, False], ids=["a source each", "one source"])
def test_threads_draw_what_one_draws(own: bool) -> None:
    def draw(seed: int) -> str:
        source = ReARC() if own else SHARED
        return hash_tasks([source.task(seed, index) for index in range(40)])

    with hasty_threads(), ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(draw, [5, 6, 5, 6]))
    assert drawn == [draw(5), draw(6)] * 2


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_that_is_forked_while_a_thread_draws_can_draw() -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with rearc_pairs._drawing:
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    child = os.fork()
    if not child:
        threading.Timer(20, os._exit, (1,)).start()  # it waits for ever
        os._exit(0 if SHARED.task(5, 0).train else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    done.set()
    holder.join()


def test_identity_tells_the_version_that_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SHARED.fingerprint()
    monkeypatch.setattr("arcflow.sources.rearc.source.VERSION", 99)
    changed = {key: value for key, value in SHARED.fingerprint().items() if before[key] != value}
    assert changed == {"drawing": "version 99"}


def test_code_without_columns_is_refused_rather_than_read_otherwise(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            f"pycache_prefix={tmp_path}",
            "-c",
            "from arcflow.sources.rearc.source import ReARC; ReARC().task(0, 0)",
        ],
        env={**os.environ, "PYTHONNODEBUGRANGES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "generators are compiled without columns" in done.stderr
    assert "PYTHONNODEBUGRANGES" in done.stderr
