"""Kaggle's files and folders of tasks are read as they were written."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from arcflow.core.errors import DataError
from arcflow.core.task import Pair, Task, task_from_json
from arcflow.sources.files.by_name import named
from arcflow.sources.files.read import read_tasks, solutions_beside
from tests.helpers.task_files import toy, write


def test_challenges_with_solutions_beside_them(tmp_path: Path) -> None:
    challenges = write(
        tmp_path / "my_challenges.json", {"b": toy(4, answers=False), "a": toy(5, answers=False)}
    )
    hidden = named(str(challenges))
    assert [task.id for task in hidden] == ["b", "a"]
    assert all(pair.output is None for task in hidden for pair in task.test)

    solutions = write(tmp_path / "my_solutions.json", {"a": [[[1, 5]]], "b": [[[1, 4]]]})
    assert solutions_beside(challenges) == solutions
    assert named(str(challenges)) == [
        task_from_json(i, obj, str(challenges)) for i, obj in (("b", toy(4)), ("a", toy(5)))
    ]


def test_challenges_with_solutions_elsewhere(tmp_path: Path) -> None:
    challenges = write(tmp_path / "c.json", {"a": toy(5, answers=False)})
    solutions = write(tmp_path / "answers.json", {"a": [[[1, 5]]]})
    assert named(str(challenges), str(solutions)) == read_tasks(challenges, solutions)
    assert read_tasks(challenges, solutions)[0].test[0].output is not None


def test_outputs_known_in_both_files_must_agree(tmp_path: Path) -> None:
    challenges = write(tmp_path / "c.json", {"a": toy(5)})
    same = write(tmp_path / "same.json", {"a": [[[1, 5]]]})
    assert read_tasks(challenges, same) == read_tasks(challenges)
    other = write(tmp_path / "other.json", {"a": [[[1, 6]]]})
    with pytest.raises(DataError) as error:
        read_tasks(challenges, other)
    assert str(error.value) == (
        f"{other}: task a, test output 0: not the output in {challenges}: got [[1, 6]]. "
        "Expected [[1, 5]]. Use the two files of one release, or leave the solutions out."
    )


def test_folder_of_one_task_files(tmp_path: Path) -> None:
    for i, stem in enumerate(("b", "a", "c")):
        write(tmp_path / f"{stem}.json", toy(i))
    (tmp_path / "notes.txt").write_text("not a task")
    tasks = named(str(tmp_path))
    assert [task.id for task in tasks] == ["a", "b", "c"]
    assert {task.source for task in tasks} == {str(tmp_path)}
    assert named(str(tmp_path / "b.json")) == [
        task_from_json("b", toy(0), str(tmp_path / "b.json"))
    ]


def test_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(toy()).encode())
    assert read_tasks(path)[0].id == "a"


GRIDS = npst.arrays(
    np.int8, npst.array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 9)
)
PAIRS = st.builds(Pair, GRIDS, GRIDS)
TASKS = st.builds(
    Task,
    id=st.text(min_size=1, max_size=8),
    train=st.lists(PAIRS, min_size=1, max_size=3).map(tuple),
    test=st.lists(PAIRS, min_size=1, max_size=2).map(tuple),
)


@settings(deadline=None, max_examples=25)
@given(tasks=st.lists(TASKS, min_size=1, max_size=3, unique_by=lambda task: task.id))
def test_kaggle_files_round_trip(
    tmp_path_factory: pytest.TempPathFactory, tasks: list[Task]
) -> None:
    folder = tmp_path_factory.mktemp("kaggle")
    challenges = write(
        folder / "x_challenges.json", {t.id: t.without_answers().to_json() for t in tasks}
    )
    write(
        folder / "x_solutions.json",
        {t.id: [p.output.tolist() for p in t.test if p.output is not None] for t in tasks},
    )
    assert [t.to_json() for t in named(str(challenges))] == [t.to_json() for t in tasks]
