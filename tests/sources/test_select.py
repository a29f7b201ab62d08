"""TaskSelection: each filter alone, together, and what it says when nothing is left."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.sources.arc import load_split
from arcflow.sources.select import (
    TaskSelection,
    largest_side,
    load_tasks,
    select_tasks,
    subsample,
)


def task(task_id: str, side: int = 1) -> Task:
    grid = make_grid([[0] * side])
    small = make_grid([[0]])
    return Task(task_id, (Pair(small, small),), (Pair(grid, None),), "toys")


TASKS = [task(f"t{i}", side=i + 1) for i in range(10)]


def picked(selection: TaskSelection, **kwargs: Any) -> list[str]:
    return [t.id for t in select_tasks(TASKS, selection, **kwargs)]


def cells(t: Task) -> int:
    return sum(grid.size for grid in t.grids())


def test_defaults_take_the_training_tasks_of_arc_agi_1() -> None:
    assert load_tasks(TaskSelection()) == list(load_split("arc-agi-1/training"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ids": ("t7", "t2")}, ["t2", "t7"]),
        ({"exclude": tuple(f"t{i}" for i in range(8))}, ["t8", "t9"]),
        ({"max_side": 2}, ["t0", "t1"]),
        ({"max_tokens": 5}, ["t0", "t1", "t2"]),
        ({"start": 8}, ["t8", "t9"]),
        ({"stop": 2}, ["t0", "t1"]),
        ({"start": 3, "stop": 5}, ["t3", "t4"]),
        ({"max_side": 6, "exclude": ("t0",), "start": 1, "stop": 3}, ["t2", "t3"]),
    ],
)
def test_filters(options: dict[str, Any], expected: list[str]) -> None:
    assert picked(TaskSelection(**options), length=cells) == expected


def test_length_is_asked_only_of_what_the_earlier_filters_left() -> None:
    asked: list[str] = []

    def length(t: Task) -> int:
        asked.append(t.id)
        return 1

    picked(TaskSelection(max_side=2, max_tokens=1), length=length)
    assert asked == ["t0", "t1"]


def test_known_test_outputs_count_for_the_largest_side() -> None:
    small, wide = make_grid([[0]]), make_grid([[0] * 7])
    assert largest_side(Task("a", (Pair(small, small),), (Pair(small, wide),))) == 7
    assert largest_side(Task("a", (Pair(small, small),), (Pair(small, None),))) == 1


IDS = st.lists(st.text("ab/cé", max_size=6), min_size=1, max_size=30, unique=True)
SHARES = st.floats(0.001, 1)


@settings(deadline=None, max_examples=50)
@given(ids=IDS, one=SHARES, other=SHARES, seed=st.integers(0, 2**32))
def test_a_smaller_share_is_inside_a_larger_one(
    ids: list[str], one: float, other: float, seed: int
) -> None:
    tasks = [task(i) for i in ids]
    small, large = (subsample(tasks, share, seed) for share in sorted((one, other)))
    families = {t.family for t in tasks}
    chosen = {t.family for t in large}
    assert len(chosen) == max(1, round(max(one, other) * len(families)))
    assert [t for t in tasks if t.family in chosen] == large
    assert {t.id for t in small} <= {t.id for t in large}
    assert [t.id for t in large] == [i for i in ids if i in {t.id for t in large}]


@settings(deadline=None, max_examples=25)
@given(ids=IDS, share=SHARES, seed=st.integers(0, 2**32), data=st.data())
def test_a_share_does_not_hang_on_the_order(
    ids: list[str], share: float, seed: int, data: st.DataObject
) -> None:
    tasks = [task(i) for i in ids]
    mixed = data.draw(st.permutations(tasks))
    assert {t.id for t in subsample(tasks, share, seed)} == {
        t.id for t in subsample(mixed, share, seed)
    }


def test_shares_of_the_published_tasks() -> None:
    selection = TaskSelection(fraction=0.1, seed=3)
    chosen = [t.id for t in load_tasks(selection)]
    assert len(chosen) == 40
    assert chosen == [t.id for t in load_tasks(selection)]
    # A golden value: a run's tasks must stay the same from release to release.
    assert chosen[:4] == ["09629e4f", "0d3d703e", "1f0c79e5", "1f85a75f"]
    neighbour = {t.id for t in load_tasks(TaskSelection(fraction=0.1, seed=4))}
    assert len(neighbour & set(chosen)) < 20


def test_filters_come_before_the_share() -> None:
    assert len(picked(TaskSelection(stop=4, fraction=0.5))) == 2
    assert set(picked(TaskSelection(stop=4, fraction=0.5))) <= {"t0", "t1", "t2", "t3"}


def test_several_sources(tmp_path: Path) -> None:
    pair = {"input": [[1]], "output": [[2]]}
    (tmp_path / "mine.json").write_text(json.dumps({"train": [pair], "test": [pair]}))
    tasks = load_tasks(TaskSelection(tasks=["arc-agi-2/evaluation", str(tmp_path)]))
    assert len(tasks) == 121
    assert tasks[-1].id == "mine"


def test_nothing_left_says_which_filter_removed_how_many() -> None:
    selection = TaskSelection(ids=("t8", "t9"), max_side=5, start=3)
    with pytest.raises(DataError) as error:
        select_tasks(TASKS, selection)
    assert str(error.value) == (
        "no task is left of 10: got 'ids removed 8; max_side=5 removed 2; "
        "start=3, stop=None removed 0'. Expected at least one task. Loosen ids or max_side=5."
    )
    with pytest.raises(DataError, match=r"no task is left of 0: got ''.*Check the source\."):
        select_tasks([], TaskSelection())


def test_unknown_ids_are_named_with_the_nearest() -> None:
    with pytest.raises(DataError) as error:
        load_tasks(TaskSelection(ids=("00d62c1b", "007bbfb8", "?")))
    assert str(error.value) == (
        "selection of tasks: 2 unknown in ids: got ['007bbfb8', '?']. Expected ids among the 400 "
        "tasks of arc-agi-1/training. Did you mean 007bbfb7 for 007bbfb8?"
    )
    with pytest.raises(DataError, match=r"1 unknown in exclude: got \['x'\].*Check the ids\."):
        select_tasks(TASKS, TaskSelection(exclude=("x",)))


def test_max_tokens_without_a_text() -> None:
    with pytest.raises(ConfigError) as error:
        select_tasks(TASKS, TaskSelection(max_tokens=9))
    assert str(error.value) == (
        "selection of tasks: max_tokens where no text is chosen: got 9. Expected none: without a "
        "tokenizer a task has no length in tokens. Leave max_tokens out, or select by max_side."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": []}, "bad tasks: got []. Expected at least one name."),
        ({"max_side": 31}, "bad max_side: got 31. Expected 1 to 30 cells."),
        ({"max_side": 0}, "bad max_side: got 0. Expected 1 to 30 cells."),
        ({"max_tokens": 0}, "bad max_tokens: got 0. Expected at least 1."),
        ({"start": -1}, "bad start: got -1. Expected at least 0."),
        ({"start": 5, "stop": 5}, "bad stop: got 5. Expected more than start, 5."),
        ({"fraction": 0.0}, "bad fraction: got 0.0. Expected over 0 and up to 1."),
        ({"fraction": 1.5}, "bad fraction: got 1.5. Expected over 0 and up to 1."),
        ({"fraction": float("nan")}, "bad fraction: got nan. Expected over 0 and up to 1."),
        ({"seed": -1}, "bad seed: got -1. Expected at least 0."),
        ({"pairs": 0}, "bad pairs: got 0. Expected at least 1."),
        ({"folds": 0}, "bad folds: got 0. Expected at least 1."),
        ({"folds": 3, "fold": 3}, "bad fold: got 3. Expected 0 to 2."),
        ({"folds": 3, "held_out": -1}, "bad held_out: got -1. Expected 0 to 2."),
        ({"fold": 0}, "bad fold: got 0. Expected none, or folds of at least 2."),
        (
            {"folds": 2, "fold": 1, "held_out": 1},
            "bad held_out: got 1. Expected another part than fold.",
        ),
        (
            {"tasks": ["a", "b"], "solutions": "s"},
            "bad solutions: got 's'. Expected none, or one challenges file in tasks.",
        ),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        TaskSelection(**options)
    field = message.split(":")[0].removeprefix("bad ")
    assert str(error.value) == (f"selection of tasks: {message} Correct {field}, or leave it out.")


def test_every_option_has_help_and_parses_from_yaml() -> None:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser()
    parser.add_class_arguments(TaskSelection, "train")
    config = parser.parse_object(
        {
            "train": {"tasks": ["x", "y"], "ids": ["00576224"], "fraction": 0.5, "stop": 9}
            | {"format": "lines", "strict": True, "folds": 4, "held_out": 3}
        }
    )
    selection = parser.instantiate(config).train
    assert selection == TaskSelection(
        tasks=["x", "y"],
        ids=("00576224",),
        fraction=0.5,
        stop=9,
        format="lines",
        strict=True,
        folds=4,
        held_out=3,
    )
    shown = parser.format_help()
    for field in TaskSelection.__dataclass_fields__:
        after = " ".join(shown.split(f"--train.{field}")[-1].split())
        assert after.split("(type:")[0].split("]")[-1].strip().count(" ") >= 3, field
