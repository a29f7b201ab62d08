"""Every file format by its name alone, families, lazy sources, and the guard over all of them."""

import gzip
import json
import logging
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.contamination import find_contamination, guard
from arcflow.core.errors import ArcflowError, ConfigError, DataError
from arcflow.core.task import Pair, Task, family_of, task_from_json
from arcflow.sources.arc import load_split
from arcflow.sources.base import Source, TaskList
from arcflow.sources.formats_dump import PairDump
from arcflow.sources.formats_lines import JsonLines
from arcflow.sources.formats_source import load_source
from arcflow.sources.named import named
from arcflow.sources.select import TaskSelection, fold_of, load_tasks
from tests.test_contamination import view_task

TASKS = load_split("arc-agi-1/training")[:6]
EVALUATED = load_split("arc-agi-1/evaluation")[:6]


def write(path: Path, obj: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(obj), encoding="utf-8")
    return path


def pairs_of(task: Task) -> list[dict[str, Any]]:
    of = task.to_json()
    return [*of["train"], *of["test"]]


def row(task: Task) -> dict[str, Any]:
    """As BARC has it."""
    couples = [[pair["input"], pair["output"]] for pair in pairs_of(task)]
    return {"source": "def main(grid):\n    return grid\n", "examples": couples, "seeds": []}


def lines(objects: list[Any]) -> str:
    return "".join(json.dumps(obj) + "\n" for obj in objects)


# How each format is written: the folder, the tasks -> what to name.


def write_file(folder: Path, tasks: list[Task]) -> Path:
    for task in tasks[1:]:
        write(folder / f"{task.id}.json", task.to_json())
    return write(folder / f"{tasks[0].id}.json", tasks[0].to_json()) if len(tasks) == 1 else folder


def write_nested(folder: Path, tasks: list[Task]) -> Path:
    for i, task in enumerate(tasks):
        write(folder / f"part{i % 2}" / f"{task.id}.json", task.to_json())
    return folder


def write_concepts(folder: Path, tasks: list[Task]) -> Path:
    for i, task in enumerate(tasks):
        concept = ("Copy", "Count")[i % 2]
        write(folder / concept / f"{concept}{i}.json", task.to_json())
    (folder / ".DS_Store").write_text("x")
    return folder


def write_mini_arc(folder: Path, tasks: list[Task]) -> Path:
    """Cells in quotes, untouched ones null, spaces and commas in the names."""
    for i, task in enumerate(tasks):
        text = json.dumps(task.to_json())
        for color in range(1, 10):
            text = text.replace(f"{color},", f'"{color}",').replace(f"{color}]", f'"{color}"]')
        text = text.replace("[0, 0,", "[null, null,")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"Fill the box, then_{i}_l6a.json").write_text(text)
    return folder


def write_map(folder: Path, tasks: list[Task]) -> Path:
    return write(folder / "mine.json", {task.id: task.to_json() for task in tasks})


def write_kaggle(folder: Path, tasks: list[Task]) -> Path:
    hidden = {task.id: task.without_answers().to_json() for task in tasks}
    solved = {task.id: [pair["output"] for pair in task.to_json()["test"]] for task in tasks}
    write(folder / "x_solutions.json", solved)
    return write(folder / "x_challenges.json", hidden)


def write_variations(folder: Path, tasks: list[Task]) -> Path:
    return write(folder / "mine.json", {task.id: [task.to_json()] * 2 for task in tasks})


def write_variation_files(folder: Path, tasks: list[Task]) -> Path:
    for task in tasks:
        write(folder / f"{task.id}.json", [task.to_json()])
    return folder


def write_dump(folder: Path, tasks: list[Task]) -> Path:
    for task in tasks:
        write(folder / f"{task.id}.json", pairs_of(task))
    return folder


def write_dump_file(folder: Path, tasks: list[Task]) -> Path:
    return write(folder / "dump.json", {task.id: pairs_of(task) for task in tasks})


def write_lines(folder: Path, tasks: list[Task]) -> Path:
    path = folder / "mine.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(lines([{"id": task.id} | task.to_json() for task in tasks]))
    return path


def write_barc(folder: Path, tasks: list[Task]) -> Path:
    path = folder / "barc.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(lines([row(task) for task in tasks]))
    return path


def packed(writer: Callable[[Path, list[Task]], Path]) -> Callable[[Path, list[Task]], Path]:
    def write_packed(folder: Path, tasks: list[Task]) -> Path:
        path = writer(folder, tasks)
        out = path.with_name(path.name + ".gz")
        out.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return out

    return write_packed


FORMATS: dict[str, Callable[[Path, list[Task]], Path]] = {
    "folder": write_nested,
    "ConceptARC": write_concepts,
    "Mini-ARC": write_mini_arc,
    "tasks": write_map,
    "Kaggle": write_kaggle,
    "variations": write_variations,
    "files of variations": write_variation_files,
    "dump": write_dump,
    "dump in a file": write_dump_file,
    "lines": write_lines,
    "BARC": write_barc,
    "packed tasks": packed(write_map),
    "packed lines": packed(write_barc),
}


def grids_of(tasks: list[Task]) -> set[tuple[bytes, bytes | None]]:
    return {
        (pair.input.tobytes(), None if pair.output is None else pair.output.tobytes())
        for task in tasks
        for pair in (*task.train, *task.test)
    }


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_by_its_content(tmp_path: Path, name: str) -> None:
    path = FORMATS[name](tmp_path / "in", list(TASKS))
    tasks = named(str(path))
    assert len({task.id for task in tasks}) == len(tasks) >= len(TASKS)
    found = grids_of(tasks)
    if "dump" in name:  # a pair left over makes no task
        assert found <= grids_of(list(TASKS))
    else:
        assert found == grids_of(list(TASKS))
    assert all(pair.output is not None for task in tasks for pair in task.test)


def test_ids_of_every_format(tmp_path: Path) -> None:
    first, second = TASKS[:2]
    ids = {
        name: [task.id for task in named(str(FORMATS[name](tmp_path / name, [first, second])))]
        for name in FORMATS
    }
    one, two = first.id, second.id
    plain = [one, two]
    assert {name: found for name, found in ids.items() if "BARC" not in name} == {
        "folder": plain,
        "ConceptARC": ["Copy/Copy0", "Count/Count1"],
        "Mini-ARC": [f"Fill the box, then_{i}_l6a" for i in (0, 1)],
        "tasks": plain,
        "Kaggle": plain,
        "variations": [f"{one}/0", f"{one}/1", f"{two}/0", f"{two}/1"],
        "files of variations": [f"{one}/0", f"{two}/0"],
        "dump": [f"{one}/0", f"{one}/1", f"{two}/0", f"{two}/1"],
        "dump in a file": [f"{one}/0", f"{one}/1", f"{two}/0", f"{two}/1"],
        "lines": plain,
        "packed tasks": plain,
        "packed lines": ids["BARC"],
    }
    assert [task_id.rpartition(":")[0] for task_id in ids["BARC"]] == ["barc:1", "barc:2"]


def test_two_files_of_one_stem_take_their_folders_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder / "0.json", TASKS[0].to_json())
    assert [task.id for task in named(str(tmp_path))] == ["a/0", "b/0"]
    (tmp_path / "a").rename(tmp_path / "training")
    (tmp_path / "b").rename(tmp_path / "evaluation")
    with pytest.raises(DataError, match=r"several splits: .*inside it: evaluation, training\."):
        named(str(tmp_path))


def test_rows_of_examples_learn_from_all_but_the_last(tmp_path: Path) -> None:
    (task,) = named(str(write_barc(tmp_path, [TASKS[0]])))
    assert (*task.train, *task.test) == (*TASKS[0].train, *TASKS[0].test)
    assert len(task.test) == 1
    assert task.code is not None
    assert task.code.startswith("def main")


def test_a_format_can_be_said(tmp_path: Path) -> None:
    odd = write(tmp_path / "odd.json", {"train": pairs_of(TASKS[0]), "test": pairs_of(TASKS[1])})
    assert [task.id for task in named(str(odd))] == ["odd"]
    ids = [task.id for task in named(str(odd), form="tasks", pairs=1)]
    assert ids == ["train/0", "train/1", "train/2", "test/0", "test/1", "test/2"]
    text = tmp_path / "text.json"
    text.write_text(lines([row(task) for task in TASKS]))
    assert len(named(str(text))) == len(named(str(text), form="lines")) == len(TASKS)
    with pytest.raises(DataError, match="not JSON, at line 2"):
        named(str(text), form="tasks")
    with pytest.raises(DataError, match="not a list of its variations: got 'dict'"):
        named(str(odd), form="variations")


def test_quotes_and_null_are_cells_only_where_all_is_written_so(tmp_path: Path) -> None:
    def read(cells: list[Any], number: int) -> list[list[int]]:
        pair = {"input": [cells], "output": [[0]]}
        path = write(tmp_path / f"{number}.json", {"train": [pair], "test": [{"input": [[0]]}]})
        rows: list[list[int]] = named(str(path))[0].train[0].input.tolist()
        return rows

    assert read(["1", None, 0, "0"], 0) == [[1, 0, 0, 0]]
    for i, wrong in enumerate(([1, None], ["1", 2], ["12", 0], ["1", "x"], ["1", 0.0], [None])):
        with pytest.raises(DataError, match=r"bad cell at row 0, column [01]: got "):
            read(wrong, i + 1)


# Bad input.

GRID = [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([{"input": GRID}] * 2, "task x, pair 0: not a pair"),
        ([{"input": GRID, "output": GRID}], "task x: too few pairs: got 1. Expected at least 2"),
        ({"examples": [[GRID, GRID]]}, "task x: too few pairs: got 1."),
        ({"examples": [[GRID, GRID], [GRID]]}, "task x, pair 1: not a pair"),
        ({"examples": [[GRID, GRID], [GRID, [[0] * 31]]]}, "task x, pair 1, output: bad row 0"),
        ([{"train": [], "test": []}], "task x/0: bad list of train pairs: got []"),
        ({"a": [{"input": GRID, "output": [[-1]]}] * 2}, "task a, pair 0, output: bad cell"),
        ({"train": {}, "test": []}, "task x: bad list of train pairs: got {}"),
        ([7], "no tasks: got 'list'"),
    ],
)
def test_bad_values(tmp_path: Path, obj: object, message: str) -> None:
    path = write(tmp_path / "x.json", obj)
    with pytest.raises(DataError) as error:
        named(str(path))
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_damaged_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json.gz"
    whole = gzip.compress(json.dumps(TASKS[0].to_json()).encode())
    for raw in (b"{}", whole[:-20], whole[:10] + b"\xff" * 20):
        path.write_bytes(raw)
        with pytest.raises(DataError, match=r"x\.json\.gz: cannot be unpacked"):
            named(str(path))
    with pytest.raises(DataError, match=r"Unpack it: gunzip --keep .*y\.jsonl\.gz"):
        JsonLines(str(tmp_path / "y.jsonl.gz"))


def test_one_unreadable_file_among_a_thousand(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.dumps({"train": [{"input": GRID, "output": GRID}], "test": [{"input": GRID}]})
    for i in range(1000):
        (tmp_path / f"t{i:03}.json").write_text(text)
    (tmp_path / "t500.json").write_text(text[:40])
    assert len(load_tasks(TaskSelection(tasks=str(tmp_path)))) == 999
    (said,) = caplog.messages
    assert said.startswith(
        f"Left out, because they cannot be read: 1 of 1000 files in {tmp_path}. The others are "
        f"used. {tmp_path}/t500.json: not JSON, at line 1, column "
    )
    with pytest.raises(DataError, match=r"t500\.json: not JSON"):
        load_tasks(TaskSelection(tasks=str(tmp_path), strict=True))


@pytest.mark.parametrize("lazy", [False, True])
def test_unreadable_lines(tmp_path: Path, lazy: bool, caplog: pytest.LogCaptureFixture) -> None:
    path = write_barc(tmp_path, list(TASKS))
    good = path.read_text().splitlines()
    good[2] = good[2][:50]
    good.insert(4, "  ")
    path.write_text("\r\n".join(good))
    if lazy:
        source: Source = load_source(TaskSelection(tasks=str(path)))
        assert len(source) == 6  # not known before it is read
        drawn = [source.task(3, i) for i in range(6)]
        assert len({task.id for task in drawn}) == 5
        assert len(source.originals()) == 5
    else:
        assert len(named(str(path))) == 5
    assert f"1 of 6 lines of {path}. The others are used. {path}, line 3: not JSON" in caplog.text

    def read(strict: bool) -> None:
        if lazy:
            JsonLines(str(path), strict=strict).originals()
        else:
            named(str(path), strict=strict)

    with pytest.raises(DataError, match=r"line 3: not JSON, at column 51: got"):
        read(strict=True)
    path.write_text('{"a": 1, "b": 2, "a": 3}\n' * 2)
    with pytest.raises(DataError, match=r"line 1: a key occurs twice in one object: got 'a'"):
        read(strict=True)
    path.write_text("[1]\n{}\n")
    with pytest.raises(DataError, match=r"line 1: .*neither a task nor examples"):
        read(strict=False)
    with pytest.raises(DataError, match=r"line [12]: .*neither a task nor examples"):
        JsonLines(str(path)).task(0, 0)
    path.write_text("\n \n")
    with pytest.raises(DataError, match="no lines"):
        read(strict=False)


@settings(deadline=None, max_examples=60)
@given(raw=st.binary(max_size=40) | st.sampled_from([b"[[[]]]\n{}", b"{}\n{}", b"\xef\xbb\xbf"]))
def test_no_bytes_are_an_unexpected_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("raw") / "x.jsonl"
    path.write_bytes(raw)
    for read in (named, lambda name: JsonLines(name).originals(), PairDump):
        with pytest.raises(ArcflowError):
            read(str(path))


# Lazy sources.


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
    assert [draws(again), again.identity()] == [known, source.identity()]
    assert draws(source, seed=6) != known
    assert draws(source)[7] == known[7]
    assert len({task_id.split("/")[0] for task_id, _ in known[:6]}) == len(source) == 6


def test_lines_are_those_of_the_list(tmp_path: Path) -> None:
    path = write_lines(tmp_path, list(TASKS))
    lazy = load_source(TaskSelection(tasks=str(path)))
    listed = TaskList(named(str(path)))
    assert draws(lazy) == draws(listed)
    assert list(lazy.originals()) == list(listed.originals())
    assert [t.id for t in lazy.without([TASKS[0].id]).originals()] == [t.id for t in TASKS[1:]]
    assert lazy.without([TASKS[0].id]).identity() != lazy.identity()
    assert lazy.without([]).identity() == lazy.identity()


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
    whole = {task.id: task for task in source.originals()}[TASKS[0].id]
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
    assert [task.id for task in source.originals()] == [
        task.id for task in TASKS if task != TASKS[2]
    ]
    with pytest.raises(DataError, match=f"task {TASKS[2].id}: too few pairs"):
        PairDump(str(tmp_path / "dump.json"), strict=True)


def test_ids_of_lines(tmp_path: Path) -> None:
    """Long ones, numbers, odd characters; what is no id is none."""
    path = tmp_path / "x.jsonl"
    given = ["a" * 5000, 17, "\x00", "ö/1", "", None, True, ["a"]]
    path.write_text(lines([{"id": i} | row(TASKS[0]) for i in given]))
    tasks = JsonLines(str(path)).originals()
    assert [task.id for task in tasks][:4] == ["a" * 5000, "17", "\x00", "ö/1"]
    assert [task.id.rpartition(":")[0] for task in tasks][4:] == ["x:5", "x:6", "x:7", "x:8"]
    assert [task.id for task in JsonLines(str(path)).originals()] == [task.id for task in tasks]


def test_a_survey_is_kept_and_made_again_when_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arcflow.sources import formats_survey

    path = write_lines(tmp_path, list(TASKS))
    kept = tmp_path / ".mine.jsonl.survey.npz"
    read: list[str] = []
    whole = formats_survey._read
    monkeypatch.setattr(
        formats_survey, "_read", lambda lines: (read.append(lines.digest), whole(lines))[1]
    )

    def ids() -> list[str]:
        return [task.id for task in JsonLines(str(path)).originals()]

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


# Selections and families.


def variations(folder: Path, n: int, each: int) -> Path:
    task = TASKS[0].to_json()
    return write(folder / "v.json", {f"f{i:02}": [task] * each for i in range(n)})


FILTERS: list[dict[str, Any]] = [
    {"start": 2, "stop": 9},
    {"fraction": 0.3},
    {"folds": 4, "fold": 1},
    {"folds": 4, "held_out": 1},
]


@pytest.mark.parametrize("options", FILTERS, ids=str)
def test_a_family_is_taken_whole_or_not_at_all(tmp_path: Path, options: dict[str, Any]) -> None:
    path = str(variations(tmp_path, n=20, each=3))
    kept = load_tasks(TaskSelection(tasks=path, **options))
    families = {task.family for task in kept}
    assert len(kept) == 3 * len(families)
    assert 0 < len(families) < 20
    if "stop" in options:
        assert sorted(families) == [f"f{i:02}" for i in range(2, 9)]
    if "fraction" in options:
        assert len(families) == 6


def test_folds_part_the_families_whatever_else_is_selected(tmp_path: Path) -> None:
    path = str(variations(tmp_path, n=60, each=2))
    parts = [load_tasks(TaskSelection(tasks=path, folds=3, fold=part)) for part in range(3)]
    ids = [{task.id for task in part} for part in parts]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 120
    assert all(20 <= len(part) <= 60 for part in ids)
    for part in range(3):
        rest = TaskSelection(tasks=path, folds=3, held_out=part, fraction=0.5, seed=part)
        assert not {task.family for task in load_tasks(rest)} & {t.family for t in parts[part]}
    # A golden value: who trains on the rest must find the same part in the next release.
    assert [fold_of(f"f{i}", 5) for i in range(8)] == [1, 4, 3, 4, 3, 2, 0, 1]


def test_families_by_id() -> None:
    ids = ["00d62c1b", "00d62c1b/3", "Copy/Copy1/x", "", "/a"]
    assert [family_of(i) for i in ids] == ["00d62c1b", "00d62c1b", "Copy", "", "/a"]


@pytest.mark.parametrize("writer", [write_lines, write_dump])
def test_selections_of_lazy_sources(
    tmp_path: Path, writer: Callable[[Path, list[Task]], Path]
) -> None:
    path = str(writer(tmp_path, list(TASKS)))

    def left(**options: Any) -> list[str]:
        source = load_source(TaskSelection(tasks=path, **options), length=lambda task: 7)
        assert isinstance(source, JsonLines | PairDump)
        return [task.id for task in source.originals()]

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


# The guard: no evaluated task by any format, turned, recoloured and reordered (law 7).


def disguised(task: Task, turn: tuple[bool, int], colors: list[int], order: np.ndarray) -> Task:
    """Under another name, its pairs in another order, a test pair among the train pairs."""
    copy = view_task(task, turn, colors, f"my{order[0]}x")
    pairs = [(*copy.train, *copy.test)[i] for i in order]
    return replace(copy, train=tuple(pairs[1:]), test=tuple(pairs[:1]))


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=4)
@given(
    number=st.integers(0, 399),
    turn=st.tuples(st.booleans(), st.integers(0, 3)),
    colors=st.permutations(range(10)),
    data=st.randoms(use_true_random=False),
)
def test_no_evaluated_task_enters_by_any_format(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    number: int,
    turn: tuple[bool, int],
    colors: list[int],
    data: Any,
) -> None:
    task = load_split("arc-agi-1/evaluation")[number]
    order = list(range(len(task.train) + len(task.test)))
    data.shuffle(order)
    copy = disguised(task, turn, colors, np.array(order))
    folder = tmp_path_factory.mktemp("guard")
    path = FORMATS[name](folder / "in", [*TASKS[:3], copy])
    for source in (
        load_source(TaskSelection(tasks=str(path))),
        TaskList(load_tasks(TaskSelection(tasks=str(path)))),
    ):
        clean = len(source.originals())
        guarded = guard(source.originals(), [task.without_answers()])
        left = source.without({dropped.id for dropped in guarded.dropped})
        assert 0 < len(left.originals()) < clean
        forbidden = grids_of([copy])
        for i in range(2 * len(left)):
            assert not grids_of([left.task(0, i)]) & forbidden


@pytest.mark.parametrize(
    ("trained", "evaluated"),
    [
        ("00576224", "00576224"),
        ("00576224/3", "00576224"),
        ("00576224", "00576224/3"),
        ("00576224/3", "00576224/4"),
        ("00576224_v2", "00576224"),
        ("re-arc-00576224-17", "00576224"),
        ("augmented/00576224", "00576224"),
        ("mine_v2", "mine"),
        ("mine", "mine-3"),
        ("set/mine", "mine"),
        ("Copy/Copy1", "Copy/Copy2"),
        ("40853293", "070dd51e"),
        ("40853293/8", "070dd51e"),
        ("re-arc-caa06a1f-8", "50a16a69"),
        ("db695cfb", "55783887/1"),
    ],
)
def test_variations_of_evaluated_tasks_are_found_by_their_ids(trained: str, evaluated: str) -> None:
    one, other = replace(TASKS[0], id=trained), replace(EVALUATED[0], id=evaluated)
    found = find_contamination([one], [other])
    reason = "same id" if trained == evaluated else "same family"
    assert [(c.train_id, c.evaluation_id, c.reason) for c in found] == [
        (trained, evaluated, reason)
    ]


@pytest.mark.parametrize(
    ("trained", "evaluated"),
    [
        ("task_1", "task_2"),
        ("a/3", "b/3"),
        ("a/3", "3"),
        ("a/generated", "b/generated"),
        ("00d62c1b", "00576224"),
        ("barc:12:0a1b2c", "barc:12:0a1b2d"),
        ("x00576224", "00576224"),
    ],
)
def test_chance_likeness_of_ids_is_no_family(trained: str, evaluated: str) -> None:
    one, other = replace(TASKS[0], id=trained), replace(EVALUATED[0], id=evaluated)
    assert find_contamination([one], [other]) == ()


def test_files_of_one_name_are_not_the_same_tasks(tmp_path: Path) -> None:
    train = named(str(write_barc(tmp_path / "train", list(TASKS))))
    val = named(str(write_barc(tmp_path / "val", list(EVALUATED))))
    assert find_contamination(train, val) == ()


def test_the_guard_reads_only_suspects_of_a_long_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arcflow.sources import formats_survey

    copies = [replace(EVALUATED[0], id="00576224_v2"), replace(EVALUATED[1], id="fresh")]
    path = write_lines(tmp_path, [*load_split("arc-agi-1/training")[:100], *copies])
    source = load_source(TaskSelection(tasks=str(path)))
    originals = source.originals()
    read: list[int] = []
    one = formats_survey.read_line
    monkeypatch.setattr(
        formats_survey,
        "read_line",
        lambda line, where, number: (read.append(number), one(line, where, number))[1],
    )
    with caplog.at_level(logging.WARNING):
        guarded = guard(originals, [replace(EVALUATED[0], id="00576224"), EVALUATED[1]])
    assert [task.id for task in guarded.dropped] == ["00576224_v2", "fresh"]
    assert len(read) < 20
    assert len(guarded.tasks) == 100
    assert "2 of 102 tasks" in caplog.text


def test_pair_equality_is_exact_in_every_reader(tmp_path: Path) -> None:
    """A task with a hidden answer stays so in lines, and takes no part in chosen pairs."""
    hidden = TASKS[0].without_answers()
    path = write_lines(tmp_path, [hidden])
    (task,) = named(str(path))
    assert task == replace(task_from_json(hidden.id, hidden.to_json()), source=task.source)
    drawn = JsonLines(str(path), pairs=1).task(0, 0)
    assert all(isinstance(pair, Pair) and pair.output is not None for pair in drawn.test)


def test_the_examples_of_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```json\n")[1:]]
    found = []
    for i, block in enumerate(blocks):
        ending = "jsonl" if block.startswith('{"source"') else "json"
        path = tmp_path / f"{i}.{ending}"
        path.write_text(block)
        found.append([task.id for task in named(str(path), pairs=1)])
    ids = ["007bbfb7", "00d62c1b"]
    assert found[:5] == [["0"], ["1"], ids, [f"{ids[0]}/0", f"{ids[0]}/1"], ["4/0", "4/1"]]
    assert [task_id.split(":")[0] for task_id in found[5]] == ["5", "5", "mine", "mine/1", "17"]
