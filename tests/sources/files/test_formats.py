"""Every file format by its name alone: what is recognised, its tasks and their ids."""

from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import DataError
from arcflow.sources.files.by_name import named
from tests.helpers.formats import FORMATS, TASKS, grids_of, lines, pairs_of, row, write, write_barc
from tests.helpers.paths import ROOT


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


def test_the_examples_of_the_documentation(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
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
    assert found[6:] == [["mine", "other"], ["a/0", "b/0"]]
