"""Check a folder of vectors against arcflow: ``python -m tests.helpers.golden FOLDER``.

Reads whichever of ``augmentation.json``, ``problem_augmentation.json``, ``grid_text.json`` and
``evaluation.json`` the folder has. Task ids name tasks of ARC-AGI-1. Each vector that does not
hold is a line with its file, index and reason; the last line is ``N passed, N failed``, and the
exit code is 1 where any failed or there was nothing to check.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.augment import Chain, Dihedral, Recolor
from arcflow.core.errors import DataError
from arcflow.core.grid import MAX_SIDE, Grid, make_grid
from arcflow.core.problem_augmentation import Composition, GridChange, Mirror, Pad, Upscale
from arcflow.core.task import Pair, Task, task_from_json
from arcflow.scoring.metrics import mean_metrics, task_metrics
from arcflow.scoring.submission import ATTEMPTS, PLACEHOLDER, build_submission
from arcflow.scoring.voting import Candidate
from arcflow.sources.arc import load_split
from arcflow.text.grid_text import GridText

TOLERANCE = 1e-9

REPLACED_SYMBOLS = "ñò÷ûąćďęĚĞ"
"""What ``ReplaceNumberEncoder`` writes for colours 0..9."""

Result = tuple[str, str | None]
"""Where a vector stands in its file, and why it does not hold; None where it does."""


@cache
def arc_tasks() -> dict[str, Task]:
    """Both published sets of ARC-AGI-1, by id."""
    splits = ("arc-agi-1/training", "arc-agi-1/evaluation")
    return {task.id: task for split in splits for task in load_split(split)}


def arc_task(task_id: str) -> Task:
    if task_id not in arc_tasks():
        raise _bad("unknown task", task_id, "the id of a task of ARC-AGI-1")
    return arc_tasks()[task_id]


def check_augmentation(vectors: Any) -> Iterator[Result]:
    for where, vector in _listed(vectors):
        yield where, _reason(_augmentation, vector)


def _augmentation(vector: dict[str, Any]) -> str | None:
    task = arc_task(vector["task_id"])
    chain = Chain(
        (
            Dihedral(vector["hflip"], vector["n_rot90"]),
            Recolor(tuple(vector["color_map"])),
        )
    )
    expected = task_from_json(
        task.id, {part: vector[part] for part in ("train", "test")}, task.source
    )
    if chain.apply(task) != expected:
        return f"{chain.name} gives other grids"
    for before, after in zip(task.grids(), expected.grids(), strict=True):
        if not np.array_equal(chain.apply_grid(before), after):
            return f"{chain.name} gives another grid alone than in its task"
        if not np.array_equal(chain.invert(after), before):
            return f"{chain.name} is not undone"
    return None


def check_problem_augmentation(vectors: Any) -> Iterator[Result]:
    for where, vector in _listed(vectors):
        yield where, _reason(_problem_augmentation, vector)


def _problem_augmentation(vector: dict[str, Any]) -> str | None:
    params = vector["params"]
    change: GridChange
    if vector["kind"] == "padding":
        change = Pad(tuple(params["size"]), params["color"])
    elif vector["kind"] == "upscale":
        change = Upscale(tuple(params["scale"]))
    elif vector["kind"] == "mirror":
        change = Mirror(params["axis"], params["position"])
    else:
        return f"unknown kind {vector['kind']!r}"
    # The vectors hold grids with sides over 30 too: the change is the same, a task refuses it.
    before, after = make_grid(vector["input"]), np.array(vector["output"])
    if change.shape(*before.shape) != after.shape:
        return f"{change.name} states another size"
    if not np.array_equal(change.apply_grid(before), after):
        return f"{change.name} gives another grid"
    task = Task(vector["task_id"], (Pair(before, before),), (Pair(before, None),))
    composed = Composition("inputs", change).apply(task)
    if (composed is None) != (max(after.shape) > MAX_SIDE):
        return f"{change.name} is not refused exactly for sides over {MAX_SIDE}"
    return None


def check_grid_text(vectors: Any) -> Iterator[Result]:
    for where, vector in _listed(vectors):
        yield where, _reason(_grid_text, vector)


def _grid_text(vector: dict[str, Any]) -> str | None:
    form, grid = parse_encoder(vector["encoder"]), make_grid(vector["grid"])
    if form.encode(grid) != vector["text"]:
        return f"{vector['encoder']} writes another text"
    if not np.array_equal(form.decode(vector["text"]), grid):
        return f"{vector['encoder']} reads another grid"
    return None


_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_OUTER: dict[str, dict[str, Any]] = {
    "GridCodeBlockEncoder": {"frame": "code"},
    "GridShapeEncoder": {"frame": "shape"},
    "RowNumberEncoder": {"row_numbers": True},
    "ReplaceNumberEncoder": {"symbols": REPLACED_SYMBOLS},
}


def parse_encoder(name: str) -> GridText:
    """The grid text of a nesting such as ``"GridCodeBlockEncoder(MinimalGridEncoder())"``."""
    options: dict[str, Any] = {}
    rest = name
    while (call := _CALL.fullmatch(rest)) and call[1] in _OUTER:
        options |= _OUTER[call[1]]
        rest = call[2]
    if rest == "MinimalGridEncoder()":
        return GridText(**options)
    if separated := re.fullmatch(r"GridWithSeparationEncoder\((['\"])(.+)\1\)", rest):
        return GridText(**options, separator=separated[2])
    if repeated := re.fullmatch(r"RepeatNumberEncoder\(([0-9]+)\)", rest):
        return GridText(**options, repeat=int(repeated[1]))
    raise _bad("unknown encoder", name, f"a known one, perhaps within {', '.join(_OUTER)}")


def check_evaluation(vectors: Any) -> Iterator[Result]:
    """One vector for each task's measures, each measure over all, each vote, each submission."""
    try:
        candidates: dict[str, list[Candidate]] = {}
        for prediction in vectors["predictions"]:
            candidates.setdefault(prediction["task_id"], []).append(_candidate(prediction))
        tasks = [arc_task(task_id) for task_id in candidates]
        measured = {task.id: task_metrics(candidates[task.id], _outputs(task)) for task in tasks}
        submission = build_submission(tasks, [c for of in candidates.values() for c in of])
    except (ValueError, LookupError, TypeError) as error:
        yield "predictions", f"{type(error).__name__}: {error}"
        return
    mean = mean_metrics(measured.values())
    for task_id, expected in vectors.get("task_metrics", {}).items():
        yield f"task_metrics {task_id}", _compare_measures(measured.get(task_id), expected)
    for part in ("metrics", "votes"):
        for name, value in vectors.get(part, {}).items():
            yield f"{part} {name}", _compare_measures(mean, {name: value})
    for task_id, expected in vectors.get("submission", {}).items():
        yield f"submission {task_id}", _compare_submission(submission.get(task_id), expected)


def _candidate(prediction: dict[str, Any]) -> Candidate:
    return Candidate(
        task_id=prediction["task_id"],
        test_index=prediction["idx"],
        grid=make_grid(prediction["grid"]) if prediction["grid"] else None,
        log_prob=prediction["cumulative_logprob"],
        n_tokens=prediction["n_tokens"],
    )


def _outputs(task: Task) -> list[Grid]:
    return [pair.output for pair in task.test if pair.output is not None]


def _compare_measures(got: dict[str, float] | None, expected: dict[str, float]) -> str | None:
    if got is None:
        return "no predictions for this task"
    for name, value in expected.items():
        if name not in got:
            return f"unknown metric {name}"
        if not math.isclose(got[name], value, rel_tol=0, abs_tol=TOLERANCE):
            return f"{name} is {got[name]!r}, expected {value!r}"
    return None


def _compare_submission(got: list[tuple[Grid, Grid]] | None, expected: Any) -> str | None:
    if got is None:
        return "no predictions for this task"
    # A vector has [] where there is no second answer, a submission the placeholder.
    written = [
        {
            name: [] if grid is PLACEHOLDER else grid.tolist()
            for name, grid in zip(ATTEMPTS, attempts, strict=True)
        }
        for attempts in got
    ]
    return None if written == expected else "other attempts"


CHECKS: dict[str, Callable[[Any], Iterator[Result]]] = {
    "augmentation.json": check_augmentation,
    "problem_augmentation.json": check_problem_augmentation,
    "grid_text.json": check_grid_text,
    "evaluation.json": check_evaluation,
}


def check_folder(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Every vector of a folder: its file and place, and why it does not hold, if so."""
    for name, check in CHECKS.items():
        if not (folder / name).exists():
            continue
        try:
            for where, reason in check(json.loads((folder / name).read_bytes())):
                yield f"{name} {where}", reason
        except (OSError, ValueError, AttributeError) as error:
            yield name, f"not in the format of this file: {error}"


def _listed(vectors: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(vectors, list):
        raise _bad("not a list of vectors", type(vectors).__name__, "a list of objects")
    for index, vector in enumerate(vectors):
        yield str(index), vector


def _reason(check: Callable[[dict[str, Any]], str | None], vector: Any) -> str | None:
    """A vector that is itself malformed does not hold."""
    try:
        return check(vector)
    except (ValueError, LookupError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def _bad(what: str, value: object, expected: str) -> DataError:
    return DataError(what, value=value, expected=expected, next_step="Correct the vectors.")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.helpers.golden", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the JSON files")
    folder = parser.parse_args(arguments).folder
    if not any((folder / name).exists() for name in CHECKS):
        print(f"{folder}: none of {', '.join(CHECKS)} is there")
    passed = failed = 0
    for where, reason in check_folder(folder):
        passed, failed = passed + (reason is None), failed + (reason is not None)
        if reason is not None:
            print(f"FAILED {where}: {reason}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
