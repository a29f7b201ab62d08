"""Building a pool: the same bytes always, and what cannot be built is told."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.task import Pair, Task
from arcflow.sources.base import TaskList
from arcflow.sources.files.json_lines import JsonLines
from arcflow.sources.pool.build import build_pool, family_of
from arcflow.sources.pool.file import BLOCK, PoolFile
from arcflow.sources.pool.source import PoolSource
from tests.helpers.pools import FAMILIES, Noise, noise_pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noise_pool(tmp_path_factory.mktemp("pool"))


@pytest.mark.parametrize("processes", [2, 3])
def test_the_same_bytes_for_any_number_of_processes(
    pool: Path, tmp_path: Path, processes: int
) -> None:
    steps: list[int] = []
    build_pool(tmp_path / "b", Noise(), 300, processes=processes, progress=steps.append)
    assert (tmp_path / "b").read_bytes() == pool.read_bytes()
    assert sum(steps) == 300
    assert len(steps) > 5
    assert [file.name for file in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("processes", [1, 2])
def test_lines_that_cannot_be_read_are_told_once(
    tmp_path: Path, processes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the first process: others would die of it, with tracebacks."""
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "a", "train":\n{"x"\n' + "[" * 10**5 + "\n")
    with pytest.raises(DataError, match=r"3 of 3 lines cannot be read: got .*line 1: not JSON"):
        build_pool(tmp_path / "p", JsonLines(str(path)), 2000, processes=processes)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "p").exists()


def test_another_seed_is_another_pool(pool: Path, tmp_path: Path) -> None:
    build_pool(tmp_path / "b", Noise(), 300, seed=1)
    assert PoolSource(str(tmp_path / "b")).fingerprint() != PoolSource(str(pool)).fingerprint()
    assert PoolFile(pool).about["identity"] == Noise().fingerprint()
    assert PoolFile(pool).about["seed"] == 0


def test_many_blocks_and_big_grids(tmp_path: Path) -> None:
    source = Noise(side=30)
    build_pool(tmp_path / "big", source, 400)
    file = PoolFile(tmp_path / "big")
    assert file.records_bytes() > 2 * BLOCK
    checked: list[int] = []
    file.check(checked.append)
    assert sum(checked) == file.records_bytes()
    for number in range(400):
        task = source.task(0, number)
        assert file.pairs(number, range(5)) == [*task.train, *task.test]


def test_published_tasks_pool_too(tmp_path: Path) -> None:
    tasks = [replace(task, train=task.train * 2) for task in Noise().base_tasks()]
    hidden = replace(tasks[0], test=(Pair(tasks[0].test[0].input, None),))
    built = build_pool(tmp_path / "p", TaskList([hidden, *tasks[1:]], "mine"), 12)
    assert (built.tasks, built.pairs, built.left_out) == (11, 22, 1)
    assert "too few pairs: got 1" in built.reasons[0]
    assert {task.id for task in PoolSource(str(tmp_path / "p")).base_tasks()} == set(FAMILIES[1:])


@pytest.mark.parametrize(
    ("task_id", "base_tasks", "family"),
    [
        ("00d62c1b", {"00d62c1b"}, "00d62c1b"),
        ("00d62c1b/50846271", {"00d62c1b", "50846271"}, "00d62c1b"),
        ("re-arc-00d62c1b-50846271", {"00d62c1b", "50846271"}, "00d62c1b"),
        ("my/task", {"my/task"}, "my/task"),
        ("task-50846271", {"task-50846271"}, "task-50846271"),
        ("count-most/50846271", set(), "count-most"),
        ("counting-most-50846271", set(), "counting-most"),
        ("alone", set(), "alone"),
    ],
)
def test_a_family_is_told_by_the_id(task_id: str, base_tasks: set[str], family: str) -> None:
    assert family_of(task_id, 50846271, base_tasks) == family


@pytest.mark.parametrize("processes", [1, 2])
def test_a_task_of_unknown_origin_is_refused(tmp_path: Path, processes: int) -> None:
    with pytest.raises(DataError, match=r"noise: cannot tell which original.*'x000000a0/0'"):
        build_pool(tmp_path / "p", Noise(prefix="x"), 100, processes=processes)
    assert list(tmp_path.iterdir()) == []


def test_tasks_that_cannot_be_given_are_left_out_and_told(tmp_path: Path) -> None:
    built = build_pool(tmp_path / "p", Noise(bad=10), 100, processes=2)
    assert (built.tasks, built.left_out, len(built.reasons)) == (90, 10, 5)
    assert built.reasons[0] == "task stuck: got 9. Expected a task. Wait."
    with pytest.raises(DataError, match="task stuck: got 9"):
        build_pool(tmp_path / "q", Noise(bad=10), 100, strict=True)
    with pytest.raises(DataError, match="noise: no task for a pool"):
        build_pool(tmp_path / "q", Noise(bad=1), 100)
    assert [file.name for file in tmp_path.iterdir()] == ["p"]


class Broken(Noise):
    """Gives what is no grid, or dies.

    Args:
        how: "cells", "rows" or "death".
    """

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def task(self, seed: int, index: int) -> Task:
        if self.how == "death":
            import os

            os._exit(1)
        task = super().task(seed, index)
        shape, value = ((32, 2), 1) if self.how == "rows" else ((2, 2), -1)
        wrong = Pair(np.full(shape, value, np.int8), np.full((2, 2), 1, np.int8))
        return replace(task, train=(wrong, *task.train))


@pytest.mark.parametrize("how", ["cells", "rows"])
def test_what_is_no_grid_does_not_get_in(tmp_path: Path, how: str) -> None:
    with pytest.raises(DataError, match=r"noise, task 000000a0/0, pair 0, input: not a grid"):
        build_pool(tmp_path / "p", Broken(how), 10, strict=True)


def test_a_process_that_dies_ends_the_build_in_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a process that draws tasks died"):
        build_pool(tmp_path / "p", Broken("death"), 100, processes=2)
    assert list(tmp_path.iterdir()) == []


def test_files_are_not_written_over_by_mistake(pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(b"precious")
    with pytest.raises(DataError, match=r"p: there already.*--overwrite"):
        build_pool(path, Noise(), 10)
    with pytest.raises(DataError, match="task stuck"):
        build_pool(path, Noise(bad=2), 10, overwrite=True, strict=True)
    assert path.read_bytes() == b"precious"
    build_pool(path, Noise(), 300, overwrite=True)
    assert path.read_bytes() == pool.read_bytes()


class Slow(Noise):
    """Takes its time."""

    def task(self, seed: int, index: int) -> Task:
        time.sleep(0.01)
        return super().task(seed, index)


def _children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # ended, and nobody has asked how


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_build_leaves_no_pool_and_no_process(tmp_path: Path, number: int) -> None:
    words = [
        "build",
        str(tmp_path / "p"),
        "--source=tests.sources.pool.test_build.Slow",
        "--processes=2",
    ]
    # A shell lets its background jobs ignore SIGINT, and so would what they start.
    heed = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heed}\nimport sys\nfrom arcflow.tools.pool import main\nsys.exit(main({words}))"
    build = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while build.poll() is None and len(_children(build.pid)) < 3:
        time.sleep(0.05)
    time.sleep(0.3)
    children = _children(build.pid)
    with pytest.raises(DataError, match="p: being built by another process"):
        build_pool(tmp_path / "p", Noise(), 10)
    build.send_signal(number)
    error = build.communicate(timeout=30)[1]
    code, said = {
        signal.SIGKILL: (-9, ""),
        signal.SIGTERM: (143, "ended by SIGTERM. Nothing was written."),
        signal.SIGINT: (130, "interrupted. Nothing was written."),
    }[number]
    assert build.returncode == code
    assert said in error
    end = time.monotonic() + 20
    while any(map(_alive, children)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_alive, children))
    build_pool(tmp_path / "p", Noise(), 10)
    assert [file.name for file in tmp_path.iterdir()] == ["p"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": 0}, "bad number of tasks: got 0"),
        ({"tasks": 1, "processes": 0}, "bad number of processes: got 0"),
        ({"tasks": 1, "seed": -1}, "bad seed: got -1"),
    ],
)
def test_bad_numbers(tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_pool(tmp_path / "p", Noise(), **options)
