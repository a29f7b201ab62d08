"""Sources that read a file as they draw from it: long files of lines and dumps of pairs."""

import json
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.task import Pair, Task, task_from_json
from arcflow.sources.base import Source, TaskList
from arcflow.sources.files.by_name import named
from arcflow.sources.files.json_lines import JsonLines
from arcflow.sources.files.pair_dump import PairDump
from arcflow.sources.load_source import load_source
from arcflow.sources.select import TaskSelection, load_tasks
from tests.helpers.formats import (
    TASKS,
    grids_of,
    lines,
    pairs_of,
    row,
    write,
    write_barc,
    write_dump,
    write_dump_file,
    write_lines,
)


def draws(source: Source, n: int = 20, seed: int = 5) -> list[tuple[str, Any]]:
    return [(task.id, task.to_json()) for task in (source.task(seed, i) for i in range(n))]


@pytest.mark.parametrize("writer", [write_barc, write_lines, write_dump, write_dump_file])
def test_a_lazy_source_is_a_function_of_seed_and_index(
    tmp_path: Path, writer: Callable[[Path, list[Task]], Path]
) -> None:
    source = load_source(TaskSelection(tasks=str(writer(tmp_path, list(TASKS)))))
    assert isinstance(source, JsonLines | PairDump)
    known = draws(source)
    again = pickle.loads(pickle.dumps(source))
    assert [draws(again), again.fingerprint()] == [known, source.fingerprint()]
    assert draws(source, seed=6) != known
    assert draws(source)[7] == known[7]
    assert len({task_id.split("/")[0] for task_id, _ in known[:6]}) == len(source) == 6


def test_lines_are_those_of_the_list(tmp_path: Path) -> None:
    path = write_lines(tmp_path, list(TASKS))
    lazy = load_source(TaskSelection(tasks=str(path)))
    listed = TaskList(named(str(path)))
    assert draws(lazy) == draws(listed)
    assert list(lazy.base_tasks()) == list(listed.base_tasks())
    assert [t.id for t in lazy.exclude([TASKS[0].id]).base_tasks()] == [t.id for t in TASKS[1:]]
    assert lazy.exclude([TASKS[0].id]).fingerprint() != lazy.fingerprint()
    assert lazy.exclude([]).fingerprint() == lazy.fingerprint()


def test_pairs_of_a_line_are_chosen_anew(tmp_path: Path) -> None:
    path = str(write_barc(tmp_path, list(TASKS)))
    known = grids_of(list(TASKS))
    prompts = [JsonLines(path, pairs=2).task(0, i) for i in range(30)]
    assert {(len(task.train), len(task.test)) for task in prompts} == {(2, 1)}
    assert grids_of(prompts) <= known
    assert len({json.dumps(task.to_json()) for task in prompts}) > 15
    with pytest.raises(ConfigError, match="JSON lines: bad pairs: got 0"):
        JsonLines(path, pairs=0)


def test_a_dump_gives_a_new_prompt_each_time(tmp_path: Path) -> None:
    source = PairDump(str(write_dump(tmp_path, list(TASKS))), pairs=2)
    prompts = [source.task(0, i) for i in range(60)]
    assert [task.id for task in prompts] == [f"{task.family}/{i}" for i, task in enumerate(prompts)]
    known = {task.id: grids_of([task]) for task in TASKS}
    for task in prompts:
        assert (len(task.train), len(task.test)) == (2, 1)
        assert grids_of([task]) <= known[task.family]
        assert len(grids_of([task])) == 3  # no pair twice
        assert all(not grid.flags.writeable for grid in task.grids())
    assert len({json.dumps(task.to_json()) for task in prompts}) > 40
    with pytest.raises(ConfigError, match="pair dump: bad pairs: got 0"):
        PairDump(str(tmp_path), pairs=0)


def test_a_dump_with_bad_pairs_and_other_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """RE-ARC's folder has a file about the tasks beside them."""
    folder = write_dump(tmp_path / "re_arc", list(TASKS))
    pairs = pairs_of(TASKS[0])
    pairs[1]["output"] = [[0] * 31]
    write(folder / f"{TASKS[0].id}.json", pairs)
    write(folder / "metadata.json", {TASKS[0].id: {"rng_difficulties": [0.5]}})
    source = load_source(TaskSelection(tasks=str(folder)))
    assert isinstance(source, PairDump)
    assert len(source) == 6
    whole = {task.id: task for task in source.base_tasks()}[TASKS[0].id]
    assert len(whole.train) + len(whole.test) == len(pairs) - 1
    assert f"1 of 7 tasks in {folder}. The others are used. " in caplog.text
    assert f"metadata.json: task {TASKS[0].id}: no pairs: got ['rng_difficulties']" in caplog.text
    assert f"pairs in {folder}. The others are used. " in caplog.text
    assert f"task {TASKS[0].id}, pair 1, output: bad row 0" in caplog.text
    with pytest.raises(DataError, match="pair 1, output: bad row 0"):
        load_source(TaskSelection(tasks=str(folder), strict=True))


def test_one_bad_task_of_a_dump_in_one_file(tmp_path: Path) -> None:
    dump = {task.id: pairs_of(task) for task in TASKS}
    dump[TASKS[2].id] = dump[TASKS[2].id][:1]
    source = PairDump(str(write(tmp_path / "dump.json", dump)))
    assert [task.id for task in source.base_tasks()] == [
        task.id for task in TASKS if task != TASKS[2]
    ]
    with pytest.raises(DataError, match=f"task {TASKS[2].id}: too few pairs"):
        PairDump(str(tmp_path / "dump.json"), strict=True)


def test_ids_of_lines(tmp_path: Path) -> None:
    """Long ones, numbers, odd characters; what is no id is none."""
    path = tmp_path / "x.jsonl"
    given = ["a" * 5000, 17, "\x00", "ö/1", "", None, True, ["a"]]
    path.write_text(lines([{"id": i} | row(TASKS[0]) for i in given]))
    tasks = JsonLines(str(path)).base_tasks()
    assert [task.id for task in tasks][:4] == ["a" * 5000, "17", "\x00", "ö/1"]
    assert [task.id.rpartition(":")[0] for task in tasks][4:] == ["x:5", "x:6", "x:7", "x:8"]
    assert [task.id for task in JsonLines(str(path)).base_tasks()] == [task.id for task in tasks]


def test_a_survey_is_kept_and_made_again_when_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arcflow.sources.files import scan as formats_survey

    path = write_lines(tmp_path, list(TASKS))
    kept = tmp_path / ".mine.jsonl.survey.npz"
    read: list[str] = []
    whole = formats_survey._read
    monkeypatch.setattr(
        formats_survey, "_read", lambda lines: (read.append(lines.digest), whole(lines))[1]
    )

    def ids() -> list[str]:
        return [task.id for task in JsonLines(str(path)).base_tasks()]

    assert ids() == ids() == [task.id for task in TASKS]
    assert len(read) == 1
    kept.write_bytes(kept.read_bytes()[:-30])
    assert len(ids()) == 6
    assert len(read) == 2
    path.write_text(path.read_text().replace(TASKS[0].id, "another"))
    assert ids()[0] == "another"
    assert len(read) == 3
    monkeypatch.setattr(formats_survey, "write_whole", _cannot)
    kept.unlink()
    assert ids()[0] == "another"


def _cannot(path: Path, data: bytes) -> None:
    raise PermissionError(path)


def test_a_long_file_opens_quickly_and_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    text = lines([row(task) for task in TASKS])
    path.write_text(text * 2000)
    size = path.stat().st_size
    tracemalloc.start()
    source = JsonLines(str(path))
    for i in range(50):
        source.task(0, i)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(source) == 12_000
    assert peak < max(size / 2, 40_000_000)


@pytest.mark.parametrize("writer", [write_lines, write_dump])
def test_selections_of_lazy_sources(
    tmp_path: Path, writer: Callable[[Path, list[Task]], Path]
) -> None:
    path = str(writer(tmp_path, list(TASKS)))

    def left(**options: Any) -> list[str]:
        source = load_source(TaskSelection(tasks=path, **options), length=lambda task: 7)
        assert isinstance(source, JsonLines | PairDump)
        return [task.id for task in source.base_tasks()]

    ids = [task.id for task in TASKS]
    sides = [max(max(grid.shape) for grid in task.grids()) for task in TASKS]
    assert left() == ids
    assert left(ids=(ids[3], ids[1])) == [ids[1], ids[3]]
    assert left(exclude=(ids[0],), start=1, stop=3) == ids[2:4]
    middle = sorted(sides)[3]
    assert left(max_side=middle) == [
        i for i, side in zip(ids, sides, strict=True) if side <= middle
    ]
    half = left(fraction=0.5)
    assert half == [task.id for task in load_tasks(TaskSelection(tasks=path, fraction=0.5))] or (
        writer is write_dump
    )
    assert len(half) == 3
    with pytest.raises(DataError, match="1 unknown in ids"):
        left(ids=("nothing",))
    if writer is write_lines:
        assert left(max_tokens=7) == ids
        with pytest.raises(DataError, match=r"no task is left of 6: got 'max_tokens=6 removed 6'"):
            left(max_tokens=6)
    else:
        with pytest.raises(ConfigError, match="max_tokens where prompts are drawn from pairs"):
            left(max_tokens=7)


def test_several_names_are_a_list(tmp_path: Path) -> None:
    paths = [write_lines(tmp_path / "a", [TASKS[0]]), write_barc(tmp_path / "b", [TASKS[1]])]
    source = load_source(TaskSelection(tasks=[str(path) for path in paths]))
    assert isinstance(source, TaskList)
    assert len(source) == 2
    assert len(load_source(TaskSelection())) == 400


def test_pair_equality_is_exact_in_every_reader(tmp_path: Path) -> None:
    """A task with a hidden answer stays so in lines, and takes no part in chosen pairs."""
    hidden = TASKS[0].without_answers()
    path = write_lines(tmp_path, [hidden])
    (task,) = named(str(path))
    assert task == replace(task_from_json(hidden.id, hidden.to_json()), source=task.source)
    drawn = JsonLines(str(path), pairs=1).task(0, 0)
    assert all(isinstance(pair, Pair) and pair.output is not None for pair in drawn.test)
