"""The guard over every format: no evaluated task enters turned, recoloured or reordered."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.contamination import find_contamination, guard
from arcflow.core.task import Task
from arcflow.sources.arc import load_split
from arcflow.sources.base import TaskList
from arcflow.sources.files.by_name import named
from arcflow.sources.load_source import load_source
from arcflow.sources.select import TaskSelection, load_tasks
from tests.core.test_contamination import view_task
from tests.core.test_disguises import CAUGHT
from tests.core.test_disguises import EVALUATED as DISGUISED
from tests.helpers.formats import EVALUATED, FORMATS, TASKS, grids_of, write_barc, write_lines


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
        clean = len(source.base_tasks())
        guarded = guard(source.base_tasks(), [task.without_answers()])
        left = source.exclude({dropped.id for dropped in guarded.dropped})
        assert 0 < len(left.base_tasks()) < clean
        forbidden = grids_of([copy])
        for i in range(2 * len(left)):
            assert not grids_of([left.task(0, i)]) & forbidden


def test_files_of_one_name_are_not_the_same_tasks(tmp_path: Path) -> None:
    train = named(str(write_barc(tmp_path / "train", list(TASKS))))
    val = named(str(write_barc(tmp_path / "val", list(EVALUATED))))
    assert find_contamination(train, val) == ()


def test_the_guard_reads_only_suspects_of_a_long_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arcflow.sources.files import scan as formats_survey

    copies = [replace(EVALUATED[0], id="00576224_v2"), replace(EVALUATED[1], id="fresh")]
    path = write_lines(tmp_path, [*load_split("arc-agi-1/training")[:100], *copies])
    source = load_source(TaskSelection(tasks=str(path)))
    base_tasks = source.base_tasks()
    read: list[int] = []
    one = formats_survey.read_line
    monkeypatch.setattr(
        formats_survey,
        "read_line",
        lambda line, where, number: (read.append(number), one(line, where, number))[1],
    )
    with caplog.at_level(logging.WARNING):
        guarded = guard(base_tasks, [replace(EVALUATED[0], id="00576224"), EVALUATED[1]])
    assert [task.id for task in guarded.dropped] == ["00576224_v2", "fresh"]
    assert len(read) < 20
    assert len(guarded.tasks) == 100
    assert "2 of 102 tasks" in caplog.text


@pytest.mark.parametrize("name", CAUGHT)
def test_every_disguise_is_suspected_in_a_long_file(tmp_path: Path, name: str) -> None:
    """Of such a file only the tasks that share a key with an evaluated one are looked at."""
    evaluated = DISGUISED[:3]
    copies = [replace(made(CAUGHT[name](task)), id=f"{i}x") for i, task in enumerate(evaluated)]
    if name.startswith("an id that says so"):
        copies = [made(CAUGHT[name](task)) for task in evaluated]
    source = load_source(TaskSelection(tasks=str(write_lines(tmp_path, [*TASKS, *copies]))))
    guarded = guard(source.base_tasks(), evaluated)
    assert [task.id for task in guarded.dropped] == [task.id for task in copies]


def made(copy: Task | tuple[Task, Task]) -> Task:
    assert isinstance(copy, Task)
    return copy
