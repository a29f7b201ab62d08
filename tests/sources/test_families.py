"""Families of tasks: selected whole or not at all, and found by the ids of their variations."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.contamination import find_contamination
from arcflow.core.task import family_of
from arcflow.sources.select import TaskSelection, fold_of, load_tasks
from tests.helpers.formats import EVALUATED, TASKS, write


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
