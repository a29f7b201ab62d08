"""Tables of tasks and of pairs, as JSON lines or in one array: whose ids they keep."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import DataError
from arcflow.sources.base import TaskList
from arcflow.sources.files.by_name import named
from arcflow.sources.files.json_lines import JsonLines
from arcflow.sources.files.pair_dump import PairDump
from arcflow.sources.load_source import load_source
from arcflow.sources.select import TaskSelection, load_tasks
from tests.helpers.formats import TASKS, lines, pairs_of, row, write

Writer = Callable[[Path, list[Any]], Path]


def as_array(folder: Path, rows: list[Any]) -> Path:
    return write(folder / "table.json", rows)


def as_lines(folder: Path, rows: list[Any]) -> Path:
    path = folder / "table.jsonl"
    path.write_text(lines(rows))
    return path


def pair_rows(**more: Any) -> list[dict[str, Any]]:
    """The pairs of all tasks, those of one task far from each other, as a shuffled table has."""
    rows = [{"task_id": task.id} | more | pair for task in TASKS for pair in pairs_of(task)]
    return sorted(rows, key=lambda row: json.dumps(row["output"]))


@pytest.mark.parametrize("key", ["id", "task_id", "uid", "name"])
def test_an_array_of_rows_keeps_ids_as_lines_do(tmp_path: Path, key: str) -> None:
    rows = [{key: task.id} | task.to_json() for task in TASKS]
    array, text = as_array(tmp_path, rows), as_lines(tmp_path, rows)
    ids = [task.id for task in TASKS]
    assert [task.id for task in named(str(array))] == ids
    assert [task.id for task in named(str(text))] == ids
    # So do whatever counts families: each row is one.
    for filters in ({"stop": 2}, {"fraction": 0.5, "seed": 3}, {"folds": 2, "fold": 0}):
        chosen = [
            [task.id for task in load_tasks(TaskSelection(tasks=str(path), **filters))]
            for path in (array, text)
        ]
        assert chosen[0] == chosen[1] != ids
    source = load_source(TaskSelection(tasks=str(array)))
    assert isinstance(source, TaskList)
    assert [task.id for task in source.base_tasks()] == ids


def test_rows_of_examples_and_rows_without_an_id(tmp_path: Path) -> None:
    rows = [{"id": 17} | row(TASKS[0]), row(TASKS[1]), {"id": "", "name": "x"} | row(TASKS[2])]
    assert [task.id for task in named(str(as_array(tmp_path, rows)))] == ["17", "table/1", "x"]
    # Without any id they are variations of one task, and so they are if the format says it.
    bare = [task.to_json() for task in TASKS[:2]]
    assert [task.id for task in named(str(as_array(tmp_path, bare)))] == ["table/0", "table/1"]
    path = str(as_array(tmp_path, rows))
    assert [task.id for task in named(path, form="variations")] == [f"table/{i}" for i in range(3)]


def test_other_tables_keep_ids_too(tmp_path: Path) -> None:
    rows = [{"id": task.id} | task.to_json() for task in TASKS]
    ids = [task.id for task in TASKS]
    for value in (
        {"data": rows},
        {"tasks": rows},
        {str(i): of for i, of in enumerate(rows)},  # a table by the rows' numbers
    ):
        for form in ("auto", "tasks"):
            path = str(write(tmp_path / "table.json", value))
            assert [task.id for task in named(path, form=form)] == ids  # type: ignore[arg-type]
    # Keys that are ids stay, and so does the family of variations that have names.
    named_rows = {"0": TASKS[0].to_json(), "x": {"name": "a title"} | TASKS[1].to_json()}
    assert [task.id for task in named(str(write(tmp_path / "t.json", named_rows)))] == ["0", "x"]
    by_id = {TASKS[0].id: [{"id": "first"} | TASKS[0].to_json()]}
    assert [t.id for t in named(str(write(tmp_path / "t.json", by_id)))] == [f"{TASKS[0].id}/0"]


def test_an_empty_list_has_no_pairs(tmp_path: Path) -> None:
    path = str(write(tmp_path / "none.json", []))
    with pytest.raises(DataError, match="no pairs: got \\[\\]"):
        named(path, form="pairs")
    with pytest.raises(DataError, match="no tasks"):
        named(path)


def test_an_id_twice_in_an_array_is_refused(tmp_path: Path) -> None:
    path = str(as_array(tmp_path, [{"id": "a"} | TASKS[0].to_json()] * 2))
    with pytest.raises(DataError, match=r"duplicate task ids: 1 in .*: got \['a'\]"):
        load_tasks(TaskSelection(tasks=path))


@pytest.mark.parametrize("writer", [as_array, as_lines])
@pytest.mark.parametrize("more", [{}, {"id": 0}, {"uid": "x"}])
def test_rows_of_pairs_are_grouped_by_their_task(
    tmp_path: Path, writer: Writer, more: dict[str, Any]
) -> None:
    """As ARC-GEN-100K has them; a number of the row beside the task's id is not the id."""
    path = str(writer(tmp_path, pair_rows(**more)))
    known = {task.id: {json.dumps(pair) for pair in pairs_of(task)} for task in TASKS}
    source = load_source(TaskSelection(tasks=path, pairs=2))
    assert isinstance(source, PairDump)
    assert {task.id for task in source.base_tasks()} == set(known)
    prompts = [source.task(0, i) for i in range(20)]
    said = named(path, form="pairs", pairs=2)
    for task in [*prompts, *source.base_tasks(), *named(path, pairs=2), *said]:
        assert {json.dumps(pair) for pair in pairs_of(task)} <= known[task.family]


def test_pairs_without_ids_are_of_one_task(tmp_path: Path) -> None:
    for writer in (as_array, as_lines):
        path = writer(tmp_path, pairs_of(TASKS[0]))
        assert {task.family for task in named(str(path))} == {"table"}
        assert [task.id for task in PairDump(str(path)).base_tasks()] == ["table"]


def test_a_pair_without_the_id_that_others_have_is_refused(tmp_path: Path) -> None:
    rows = pair_rows()
    del rows[3]["task_id"]
    for writer in (as_array, as_lines):
        path = writer(tmp_path, rows)
        for read in (named, PairDump):
            with pytest.raises(
                DataError, match=f"{path.name}: pair 3 has no id of a task, although"
            ):
                read(str(path))


def test_a_line_of_pairs_that_is_not_json(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = as_lines(tmp_path, pair_rows())
    path.write_text(path.read_text() + "{\n")
    assert len(PairDump(str(path)).base_tasks()) == len(TASKS)
    assert "table.jsonl. The others are used. " in caplog.text
    for read in (lambda: PairDump(str(path), strict=True), lambda: named(str(path), strict=True)):
        with pytest.raises(DataError, match=r"table\.jsonl, line \d+: not JSON"):
            read()


# ---- the same id twice


def test_an_id_on_two_lines_is_refused_by_both_lines(tmp_path: Path) -> None:
    rows = [{"id": task.id} | task.to_json() for task in TASKS]
    rows[4]["id"] = rows[1]["id"]
    path = as_lines(tmp_path, rows)
    message = rf"table\.jsonl, line 5: an id that line 2 has too: got '{TASKS[1].id}'"
    with pytest.raises(DataError, match=message):
        JsonLines(str(path)).base_tasks()
    with pytest.raises(DataError, match=message):
        load_source(TaskSelection(tasks=str(path), stop=3))
    with pytest.raises(DataError, match="duplicate task ids: 1 in"):
        load_tasks(TaskSelection(tasks=str(path)))


def test_the_first_of_two_lines_can_be_taken(tmp_path: Path) -> None:
    rows = [{"id": task.id} | task.to_json() for task in TASKS]
    rows[4]["id"] = rows[1]["id"]
    path = str(as_lines(tmp_path, rows))
    ids = [task.id for i, task in enumerate(TASKS) if i != 4]
    for filters in ({}, {"max_side": 30}):
        selection = TaskSelection(tasks=path, duplicates="first", **filters)
        source = load_source(selection)
        assert isinstance(source, JsonLines)
        assert [task.id for task in source.base_tasks()] == ids
        assert list(source.base_tasks())[1].train == TASKS[1].train
        assert [task.id for task in load_tasks(selection)] == ids
        assert {source.task(0, i).train for i in range(10)} == {
            task.train for i, task in enumerate(TASKS) if i != 4
        }


def test_a_task_file_is_no_dump_of_pairs(tmp_path: Path) -> None:
    path = str(write(tmp_path / "one.json", TASKS[0].to_json()))
    for read in (PairDump, lambda name: load_source(TaskSelection(tasks=name, format="pairs"))):
        with pytest.raises(DataError, match=r"one\.json: one task, not pairs by task: got \['te"):
            read(path)
        with pytest.raises(DataError, match=r"one\.json: one task, not pairs by task"):
            read(str(tmp_path))


# ---- a format that is said


def test_variations_pairs_and_examples_by_id_can_be_said(tmp_path: Path) -> None:
    made = {
        "variations": {t.id: [t.to_json(), t.to_json()] for t in TASKS[:2]},
        "pairs": {t.id: pairs_of(t) for t in TASKS[:2]},
        "examples": {t.id: row(t) for t in TASKS[:2]},
    }
    for form, value in made.items():
        path = str(write(tmp_path / f"{form}.json", value))
        said = named(path, form=form)  # type: ignore[arg-type]
        assert [task.id for task in said] == [task.id for task in named(path)]
        assert {task.family for task in said} == {task.id for task in TASKS[:2]}


@pytest.mark.parametrize("ending", ["jsonl", "ndjson"])
def test_the_format_of_one_line_can_be_said(tmp_path: Path, ending: str) -> None:
    for form, rows in (
        ("examples", [{"id": task.id} | row(task) for task in TASKS]),
        ("task", [{"id": task.id} | task.to_json() for task in TASKS]),
        ("variations", [task.to_json() for task in TASKS]),
    ):
        path = tmp_path / f"{form}.{ending}"
        path.write_text(lines(rows))
        ids = [task.id for task in named(str(path), form=form)]  # type: ignore[arg-type]
        families = [f"variations/{i}" for i in range(6)]
        assert ids == (families if form == "variations" else [task.id for task in TASKS])
        source = load_source(TaskSelection(tasks=str(path), format=form))  # type: ignore[arg-type]
        assert isinstance(source, TaskList if form == "variations" else JsonLines)
        assert [task.id for task in source.base_tasks()] == ids
