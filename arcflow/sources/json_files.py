"""ARC tasks in JSON files: Kaggle's challenges with their solutions, folders of one-task files."""

from dataclasses import replace
from pathlib import Path

from arcflow.core.errors import DataError, located
from arcflow.core.grid import Grid, make_grid
from arcflow.core.json_file import read_json
from arcflow.core.task import Pair, Task, task_from_json

_CHALLENGES, _SOLUTIONS = "_challenges.json", "_solutions.json"


def solutions_beside(challenges: str | Path) -> Path | None:
    """``x_solutions.json`` in the folder of ``x_challenges.json``, if it is there."""
    path = Path(challenges)
    if not path.name.endswith(_CHALLENGES):
        return None
    beside = path.with_name(path.name.removesuffix(_CHALLENGES) + _SOLUTIONS)
    return beside if beside.exists() else None


def read_tasks(path: str | Path, solutions: str | Path | None = None) -> list[Task]:
    """The tasks of one file, in its order.

    Args:
        path: ``{id: task}`` as Kaggle's ``*_challenges.json``, or a single task
            ``{"train": ..., "test": ...}``, whose id is then the file's stem.
        solutions: ``{id: [output of each test input]}`` as Kaggle's ``*_solutions.json``;
            None leaves test outputs as the file has them, hidden where it has none.

    Raises:
        DataError: naming the file, and the task and grid in it, that is wrong.
    """
    path = Path(path)
    obj = read_json(path)
    if not isinstance(obj, dict) or not obj:
        raise DataError(
            f"{path}: no tasks",
            value=obj if isinstance(obj, dict) else type(obj).__name__,
            expected='an object {"task id": {"train": [...], "test": [...]}}',
            next_step="Check that the file holds ARC tasks.",
        )
    if isinstance(obj.get("train"), list) and isinstance(obj.get("test"), list):
        obj = {path.stem: obj}
    with located(str(path)):
        tasks = [task_from_json(task_id, task, str(path)) for task_id, task in obj.items()]
    return tasks if solutions is None else _solve(tasks, path, Path(solutions))


def read_folder(folder: str | Path) -> list[Task]:
    """One task for each ``*.json`` file of ``folder``, by name; a task's id is its file's stem.

    Raises:
        DataError: there is none, or one of them is not a task.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.glob("*.json") if path.is_file())
    if not paths:
        inner = sorted({path.parent.name for path in folder.glob("*/*.json")})
        raise DataError(
            f"{folder}: no tasks",
            value=sorted(path.name for path in folder.iterdir())[:5] if folder.is_dir() else None,
            expected="a folder with one JSON file a task",
            next_step=f"Name a folder inside it: {', '.join(inner[:5])}."
            if inner
            else "Check the path.",
        )
    tasks = []
    for path in paths:
        obj = read_json(path)
        if isinstance(obj, dict) and not {"train", "test"} & set(obj) and len(obj):
            raise DataError(
                f"{path}: not a single task",
                value=list(obj)[:5],
                expected="one task a file, with keys 'train' and 'test'",
                next_step="Name a file that holds many tasks by its own path.",
            )
        with located(str(path)):
            tasks.append(task_from_json(path.stem, obj, str(folder)))
    return tasks


def _solve(tasks: list[Task], path: Path, solutions: Path) -> list[Task]:
    """``tasks`` with the outputs of the solutions file, which must fit them exactly."""
    obj = read_json(solutions)
    if not isinstance(obj, dict):
        raise DataError(
            f"{solutions}: no solutions",
            value=type(obj).__name__,
            expected='an object {"task id": [output, ...]}',
            next_step="Check that the file holds ARC solutions.",
        )
    ids = {task.id for task in tasks}
    for missing, where, other in (
        ([task.id for task in tasks if task.id not in obj], solutions, path),
        ([task_id for task_id in obj if task_id not in ids], path, solutions),
    ):
        if missing:
            raise DataError(
                f"{where}: lacks {len(missing)} of the tasks in {other}",
                value=missing[:5],
                expected="challenges and solutions of the same tasks",
                next_step="Use the two files of one release, or leave the solutions out.",
            )
    return [_solved(task, obj[task.id], path, solutions) for task in tasks]


def _solved(task: Task, outputs: object, path: Path, solutions: Path) -> Task:
    if not isinstance(outputs, list) or len(outputs) != len(task.test):
        raise DataError(
            f"{solutions}: task {task.id}: another number of outputs than test inputs",
            value=len(outputs) if isinstance(outputs, list) else outputs,
            expected=f"a list of {len(task.test)}, as {path} has test inputs",
            next_step="Use the two files of one release, or leave the solutions out.",
        )
    with located(str(solutions)):
        grids: list[Grid] = [
            make_grid(output, f"task {task.id}, test output {i}")
            for i, output in enumerate(outputs)
        ]
    test = tuple(Pair(pair.input, grid) for pair, grid in zip(task.test, grids, strict=True))
    for i, (old, new) in enumerate(zip(task.test, test, strict=True)):
        if old.output is not None and old != new:
            raise DataError(
                f"{solutions}: task {task.id}, test output {i}: not the output in {path}",
                value=grids[i].tolist(),
                expected=f"{old.output.tolist()}",
                next_step="Use the two files of one release, or leave the solutions out.",
            )
    return replace(task, test=test)
