"""ARC-GEN: generators of a clone, at arm's length. The clone is a small one of our own."""

import multiprocessing
import os
import pickle
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from arcflow.core.contamination import guard
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import grid_key
from arcflow.core.task import Task, task_from_json
from arcflow.sources.arc import find_task
from arcflow.sources.arc_gen.source import ARCGen
from arcflow.sources.pool.build import build_pool
from arcflow.sources.pool.source import PoolSource

COMMON = """
import random

palette = [0, 1, 2, 3]

def cells(width, height):
    return [[random.choice(palette) for _ in range(width)] for _ in range(height)]

def turned(rows):
    return [row[::-1] for row in rows]
"""

GOOD = """
import common

def generate(grid=None):
    if grid is None:
        grid = common.cells(common.random.randint(4, 6), 5)
    print("chatter")
    return {"input": grid, "output": common.turned(grid) + [[9] * len(grid[0])]}

def validate():
    pairs = [generate(grid=[[1, 2]]), generate(grid=[[3, 0], [0, 1]])]
    return {"train": pairs[:1], "test": pairs[1:]}
"""

TRAINING, EVALUATION, UNPUBLISHED = "007bbfb7", "00576224", "deadbeef"


def generator(body: str, head: str = "import common") -> str:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{head}\n\ndef generate():\n{lines}\n    return common_pair()\n\n" + (
        "def common_pair():\n"
        "    grid = common.cells(5, 5)\n"
        '    return {"input": grid, "output": [[1]]}\n'
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "ARC-GEN"
    (folder / "tasks").mkdir(parents=True)
    (folder / "common.py").write_text(COMMON)
    for task_id in (TRAINING, EVALUATION, UNPUBLISHED):
        (folder / "tasks" / f"task_{task_id}.py").write_text(GOOD)
    return folder


def add(clone: Path, task_id: str, text: str) -> None:
    (clone / "tasks" / f"task_{task_id}.py").write_text(text)


def keys(task: Task) -> list[object]:
    return [task.id, *(grid_key(one) for one in task.grids())]


def test_tasks_have_as_many_pairs_as_published(clone: Path) -> None:
    source = ARCGen(str(clone))
    assert len(source) == 3
    tasks = [source.task(0, index) for index in range(6)]
    assert sorted(task.id.split("/")[0] for task in tasks[:3]) == sorted(
        [TRAINING, EVALUATION, UNPUBLISHED]
    )
    wanted = {TRAINING: 5, EVALUATION: 2, UNPUBLISHED: 1}
    for index, task in enumerate(tasks):
        task_id, number = task.id.split("/")
        assert (int(number), len(task.train), len(task.test)) == (index, wanted[task_id], 1)
        assert task.source == "arc-gen"
        for pair in (*task.train, *task.test):
            assert pair.output is not None
            assert pair.output.shape == (6, pair.input.shape[1])
            assert not pair.input.flags.writeable
    assert len(ARCGen(str(clone), pairs=7).task(0, 0).train) == 7


def _served(path: str) -> list[list[object]]:
    source = ARCGen(path, pairs=3)
    return [keys(source.task(4, index)) for index in reversed(range(12))]


def test_a_task_is_a_function_of_seed_and_index(clone: Path) -> None:
    state = random.getstate(), pickle.dumps(np.random.get_state())
    source = ARCGen(str(clone), pairs=3)
    here = [keys(source.task(4, index)) for index in range(12)]
    assert _served(str(clone))[::-1] == here
    with multiprocessing.get_context("spawn").Pool(1) as processes:
        [there] = processes.map(_served, [str(clone)])
    assert there[::-1] == here
    copied = pickle.loads(pickle.dumps(source))
    assert [keys(copied.task(4, index)) for index in range(12)] == here
    assert keys(source.task(5, 0)) != here[0]
    assert (random.getstate(), pickle.dumps(np.random.get_state())) == state


def test_what_a_generator_does_to_the_clone_is_undone(clone: Path) -> None:
    spoil = "common.palette[0] = 7\nglobal seen\nseen += 1\ncommon.palette.append(seen)"
    add(clone, "11111111", generator(spoil, "import common\nseen = 0"))
    forth, back = (ARCGen(str(clone), ids=["11111111", TRAINING], pairs=2) for _ in range(2))
    assert [keys(forth.task(0, i)) for i in range(6)] == [
        keys(back.task(0, i)) for i in reversed(range(6))
    ][::-1]


def test_a_forked_process_asks_a_worker_of_its_own(clone: Path) -> None:
    source = ARCGen(str(clone), pairs=2)
    here = [keys(source.task(0, index)) for index in range(4)]
    child = source._process._child
    assert child is not None
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        same = [keys(source.task(0, index)) for index in range(4)] == here
        os.write(write, b"%d %d" % (same, source._process._child.pid != child.pid))
        source._process.stop()
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 9) == b"1 1"
    os.close(read)
    os.close(write)
    assert keys(source.task(0, 1)) == here[1]
    assert source._process._child is child


def test_the_worker_ends_with_its_source(clone: Path) -> None:
    source = ARCGen(str(clone), pairs=1)
    source.task(0, 0)
    child = source._process._child
    assert child is not None
    assert child.poll() is None
    del source
    assert child.poll() is not None


# --- what goes wrong

HANGS: dict[str, tuple[str, str]] = {
    "busy": ("while True: pass", "it ran too long"),
    "draws": ("while True: common.random.random()", "it drew too many random numbers"),
    "stubborn": (
        "while True:\n    try:\n        while True: common.random.randint(0, 5)\n"
        "    except Exception: pass",
        "it drew too many random numbers",
    ),
    "asleep": ("import time\ntime.sleep(1000)", "it was silent for 0.8 s and was killed"),
    "deaf": (
        "import signal\nsignal.signal(signal.SIGPROF, signal.SIG_IGN)\nwhile True: pass",
        "it was silent for 0.8 s and was killed",
    ),
}


@pytest.mark.parametrize("how", HANGS)
def test_a_hang_ends_and_is_named(clone: Path, how: str) -> None:
    body, reason = HANGS[how]
    add(clone, "22222222", generator(body))
    # The draws are to end before the seconds do, on a busy machine too; a busy loop is to get its
    # processor time before it counts as silent.
    limit = 5 if "drew" in reason else 1 if "too long" in reason else 0.2
    source = ARCGen(str(clone), ids=["22222222"], pairs=1, attempts=2, time_limit=limit)
    begin = time.monotonic()
    with pytest.raises(DataError) as refused:
        source.task(0, 0)
    assert time.monotonic() - begin < 20
    assert "arc-gen: task 22222222: no good pair in 2 attempts" in str(refused.value)
    assert reason in str(refused.value)
    assert "exclude: ['22222222']" in str(refused.value)


def test_a_hang_now_and_then_is_drawn_again(clone: Path) -> None:
    body = "import time\nif common.random.random() < 0.3: time.sleep(1000)"
    add(clone, "22222222", generator(body))

    def served(indices: list[int]) -> tuple[list[list[object]], int]:
        source = ARCGen(str(clone), ids=["22222222"], pairs=1, time_limit=0.2)
        tasks = [keys(source.task(1, index)) for index in indices]
        return tasks, source._process.starts

    forth, starts = served([0, 1, 2])
    assert starts == 3
    assert served([2, 1])[0] == forth[:0:-1]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise IndexError('off the grid')", "it raised IndexError: off the grid"),
        ("import sys\nsys.exit(3)", "it raised SystemExit: 3"),
        ("import os\nos._exit(3)", "its process died with exit code 3"),
        ("import os, signal\nos.kill(os.getpid(), 9)", "its process died with exit code -9"),
        ("x = ['x' * 2**20 for _ in range(4000)]", "it raised MemoryError"),
        ("return {'input': [[-1]], 'output': [[1]]}", "row 0, column 0: -1"),
        ("return {'input': [[1]] * 32, 'output': [[1]]}", "too many rows: 32"),
        ("return {'input': [[1]], 'output': [[1, 2], [1]]}", "output: ragged rows"),
        ("return {'input': [[1]], 'output': [[1.5]]}", "output: bad cell"),
        ("return {'input': [[1]], 'output': []}", "output: not a grid"),
        ("return {'input': [[1]], 'output': None}", "output: not a grid"),
        ("return {'input': [[1]]}", "it gave no input and output"),
        ("return None", "it gave no input and output"),
        ("return {'input': {1}, 'output': [[1]]}", "it raised TypeError"),
        ("return {'input': [[1, 2]], 'output': [[1, 2]]}", "its output equals its input"),
        ("return {'input': [[1, 2]], 'output': [[1]]}", "it repeated an input"),
    ],
)
def test_what_a_generator_does_wrong_is_named(clone: Path, body: str, reason: str) -> None:
    add(clone, "33333333", generator(body))
    source = ARCGen(str(clone), ids=["33333333", TRAINING], pairs=1, attempts=3, memory_limit=256)
    told = set()
    for index in range(2):
        try:
            told.add(source.task(0, index).id.split("/")[0])
        except DataError as error:
            told.add(f"{error.what}: {error.value}")
    assert TRAINING in told
    [message] = told - {TRAINING}
    assert message.startswith("arc-gen: task 33333333: no good pair in 3 attempts: ")
    assert reason in message


def test_what_goes_wrong_now_and_then_is_drawn_again(clone: Path) -> None:
    add(clone, "33333333", generator("if common.random.random() < 0.5: raise KeyError('now')"))
    source = ARCGen(str(clone), ids=["33333333"], pairs=8)
    assert len(source.task(0, 0).train) == 8


def test_a_module_that_does_not_load_is_named(clone: Path) -> None:
    add(clone, "33333333", "import no_such_module_here")
    source = ARCGen(str(clone), ids=["33333333"], pairs=1, attempts=1)
    with pytest.raises(DataError, match=r"33333333.*No module named 'no_such_module_here'"):
        source.task(0, 0)


# --- the guard, options


def test_evaluation_tasks_are_kept_out_by_the_guard(clone: Path) -> None:
    source = ARCGen(str(clone), pairs=1)
    evaluated = find_task(EVALUATION)
    assert evaluated is not None
    kept = guard(list(source.base_tasks()), [evaluated])
    assert [task.id for task in kept.dropped] == [EVALUATION]
    less = source.exclude([EVALUATION])
    assert {less.task(0, i).id.split("/")[0] for i in range(4)} == {TRAINING, UNPUBLISHED}
    assert (len(source), len(less)) == (3, 2)
    assert less.fingerprint() != source.fingerprint()


def test_originals_are_published_tasks_or_the_authors_pairs(clone: Path) -> None:
    source = ARCGen(str(clone))
    published = [find_task(task_id) for task_id in (EVALUATION, TRAINING)]
    by_id = {task.id: task for task in source.base_tasks()}
    assert [by_id[EVALUATION], by_id[TRAINING]] == published
    rows = [[1, 2]], [[2, 1], [9, 9]], [[3, 0], [0, 1]], [[0, 3], [1, 0], [9, 9]]
    train, test = ({"input": a, "output": b} for a, b in (rows[:2], rows[2:]))
    assert by_id[UNPUBLISHED] == task_from_json(
        UNPUBLISHED, {"train": [train], "test": [test]}, "arc-gen"
    )
    add(clone, "44444444", generator("pass"))
    with pytest.raises(DataError, match="task 44444444 is not published"):
        ARCGen(str(clone)).base_tasks()


def test_identity_is_the_code_and_the_options(clone: Path) -> None:
    before = ARCGen(str(clone)).fingerprint()
    assert ARCGen(str(clone), time_limit=1).fingerprint() == before
    assert ARCGen(str(clone), pairs=2).fingerprint() != before
    (clone / "common.py").write_text(COMMON + "\n# changed\n")
    assert ARCGen(str(clone)).fingerprint() != before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (lambda c: {"path": str(c / "tasks")}, "no clone of ARC-GEN"),
        (lambda c: {"path": str(c / "nowhere")}, "no clone of ARC-GEN"),
        (lambda c: {"path": str(c), "ids": ["0a0a0a0a"]}, "1 unknown in ids"),
        (lambda c: {"path": str(c), "exclude": ["0a0a0a0a"]}, "1 unknown in exclude"),
        (lambda c: {"path": str(c), "pairs": 0}, "bad pairs: got 0"),
        (lambda c: {"path": str(c), "attempts": 0}, "bad attempts: got 0"),
        (lambda c: {"path": str(c), "fraction": 2}, "bad fraction: got 2"),
        (lambda c: {"path": str(c), "time_limit": 0}, "bad time_limit: got 0"),
        (lambda c: {"path": str(c), "memory_limit": 1}, "bad memory_limit: got 1"),
    ],
)
def test_bad_options(
    clone: Path, options: Callable[[Path], dict[str, object]], message: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        ARCGen(**options(clone))  # type: ignore[arg-type]


def test_a_pool_of_them_knows_their_originals(clone: Path, tmp_path: Path) -> None:
    source = ARCGen(str(clone), pairs=4)
    for processes in (1, 2):
        build_pool(tmp_path / f"{processes}", source, 40, processes=processes)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    pool = PoolSource(str(tmp_path / "1"))
    assert {task.id: task for task in pool.base_tasks()} == {
        task.id: task for task in source.base_tasks()
    }
    assert {pool.task(0, i).id.split("/")[0] for i in range(40)} == set(source.ids)
