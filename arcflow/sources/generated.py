"""A source of inputs that a model wrote, as ``arcflow generate inputs`` stores them."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from arcflow.core.errors import DataError, located
from arcflow.core.grid import Grid, make_grid
from arcflow.core.json_file import read_json
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.sources.base import Passes, Source


def read_generated(path: str | Path) -> dict[str, list[Grid]]:
    """Return the new inputs in a file, by task id.

    Raises:
        DataError: The file is not what `arcflow generate inputs` writes.
    """
    obj = read_json(path)
    if not isinstance(obj, dict) or not all(isinstance(v, list) for v in obj.values()):
        raise DataError(
            f"{path}: no generated inputs",
            value=type(obj).__name__ if not isinstance(obj, dict) else list(obj)[:5],
            expected='an object {"task id": [{"input": rows, ...}, ...]}',
            next_step="Name a file that `arcflow generate inputs` wrote.",
        )
    with located(str(path)):
        return {
            task_id: [_input(task_id, i, entry) for i, entry in enumerate(entries)]
            for task_id, entries in obj.items()
        }


def _input(task_id: str, i: int, entry: object) -> Grid:
    if not isinstance(entry, dict) or "input" not in entry:
        raise DataError(
            f"task {task_id}, entry {i}: no input",
            value=entry,
            expected='an object with "input"',
            next_step="Name a file that `arcflow generate inputs` wrote.",
        )
    return make_grid(entry["input"], f"task {task_id}, input {i}")


class GeneratedInputs(Source):
    """Tasks that show a published task's inputs and ask for a new one, which a model wrote.

    Nobody knows the outputs, so every pair repeats its input in their place.

    Args:
        path: The file that `arcflow generate inputs` wrote.
        tasks: The tasks that the inputs were written for: the name of a published split, or a file
            or folder.

    Raises:
        DataError: The file has another form, or has inputs of unknown tasks.
    """

    kinds = ("input-from-inputs",)

    def __init__(self, path: str, tasks: str = "arc-agi-1/training") -> None:
        from arcflow.sources.files.by_name import named

        self.name = "generated-inputs"
        self._path = path
        known = {task.id: task for task in named(tasks)}
        found = read_generated(path)
        unknown = [task_id for task_id in found if task_id not in known]
        if unknown:
            raise DataError(
                f"{path}: inputs of tasks that are not in {tasks}",
                value=unknown[:5],
                expected="inputs written for these tasks",
                next_step="Name the tasks that they were written for.",
            )
        self._tasks = [known[task_id] for task_id, grids in found.items() if grids]
        self._grids = [found[task.id] for task in self._tasks]
        self._passes = Passes(max(1, len(self._tasks)))

    def __len__(self) -> int:
        return len(self._tasks)

    def task(self, seed: int, index: int) -> Task:
        """Return a task with the original's inputs as train pairs and a new input as test pair."""
        place = self._passes.at(seed, index)
        task, grids = self._tasks[place], self._grids[place]
        chosen = grids[int(rng(seed, "generated", index).integers(len(grids)))]
        shown = tuple(Pair(pair.input, pair.input) for pair in (*task.train, *task.test))
        return Task(f"{task.id}/generated", shown, (Pair(chosen, chosen),), self.name)

    def base_tasks(self) -> Sequence[Task]:
        """Return the tasks that the inputs were written for."""
        return [replace(task, source=self.name) for task in self._tasks]

    def exclude(self, ids: Collection[str]) -> "GeneratedInputs":
        """Return the same source without the inputs of these tasks."""
        left = object.__new__(GeneratedInputs)
        left.name, left._path = self.name, self._path
        kept = [i for i, task in enumerate(self._tasks) if task.id not in ids]
        left._tasks = [self._tasks[i] for i in kept]
        left._grids = [self._grids[i] for i in kept]
        left._passes = Passes(max(1, len(kept)))
        return left

    def fingerprint(self) -> dict[str, str]:
        """Return the source's name and a digest of all inputs, shown and new."""
        digest = hashlib.sha256()
        for task, grids in zip(self._tasks, self._grids, strict=True):
            digest.update(task.id.encode())
            for grid in (*(p.input for p in (*task.train, *task.test)), *grids):
                digest.update(repr(grid.shape).encode() + grid.tobytes())
        return {"source": self.name, "inputs": digest.hexdigest()}
