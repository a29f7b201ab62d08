"""What search finds on ARC-AGI-1's training tasks, as data to calibrate it and to leave parts out.

Each task is searched in all views with sequences of two steps and without a limit of time, so that
the answers do not depend on the machine. One line of JSON for each task is appended to a file; the
same command goes on after a kill.

    python benchmarks/search_answers.py runs/search/whole.jsonl
    python benchmarks/search_answers.py runs/search/depth-1.jsonl --depth 1
    python benchmarks/search_answers.py runs/search/no-lists.jsonl --no-lists --every 2
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.task import Task
from arcflow.search.registry import STEPS, TO_IMAGE, Step
from arcflow.search.solver import SearchSolver
from arcflow.search.stacking import WHOLE
from arcflow.search.views import Found, search, views
from arcflow.sources.arc import load_split
from arcflow.sources.select import fold_of

KEPT = 12
"""How many distinct answers are kept of each class of stacks of each view."""


def is_single(found: Found) -> bool:
    """Return whether a stack is one piece as a whole."""
    return len(found.layers) == 1 and found.layers[0][1] == WHOLE


def describe_task(task: Task, depth: int, steps: Sequence[Step], twins: bool) -> dict[str, Any]:
    """Return what the views of a task find, as plain values."""
    inputs = [pair.input.astype(np.uint8) for pair in (*task.train, *task.test)]
    outputs = [pair.output.astype(np.uint8) for pair in task.train if pair.output is not None]
    numbers: list[dict[bytes, int]] = [{} for _ in task.test]
    found = []
    for view in views(inputs, outputs, depth, depth):
        if view.twins and not twins:
            continue
        start = time.process_time()
        tests = search(view, inputs, outputs, 60_000, np.inf, steps)
        seconds = time.process_time() - start
        found.append(
            {
                "roles": view.roles,
                "twins": view.twins,
                "size": view.size,
                "seconds": round(seconds, 3),
                "tests": [
                    list(_classes(one, pair.output, known))
                    for one, pair, known in zip(tests, task.test, numbers, strict=True)
                ],
            }
        )
    return {
        "task": task.id,
        "half": "AB"[fold_of(task.family, 2)],
        "pairs": len(task.train),
        "cells": sum(g.size for g in outputs),
        "views": found,
    }


def _classes(found: Sequence[Found], wanted: Any, known: dict[bytes, int]) -> Iterator[Any]:
    """Yield the best stack of each distinct answer and class, those of each class best first."""
    best: dict[tuple[int, bool, bool], tuple[Found, int]] = {}
    for one in found:
        number = known.setdefault(bytes(one.cells.shape) + one.cells.tobytes(), len(known))
        key = number, is_single(one), one.sought == 1
        other, n = best.get(key, (one, 0))
        if n and (-other.fitted, other.cost) <= (-one.fitted, one.cost):
            best[key] = other, n + 1
        else:
            best[key] = one, n + 1
    taken: dict[tuple[bool, bool], int] = {}
    for key, (one, n) in sorted(best.items(), key=lambda i: (-i[1][0].fitted, i[1][0].cost)):
        taken[key[1:]] = taken.get(key[1:], 0) + 1
        if taken[key[1:]] <= KEPT:
            yield {
                "answer": key[0],
                "right": bool(np.array_equal(one.cells, wanted)),
                "fitted": one.fitted,
                "sought": one.sought,
                "opened": round(one.opened, 4),
                "cost": one.cost,
                "layers": len(one.layers),
                "single": key[1],
                "depth": max(len(path) for path, _ in one.layers),
                "steps": [len(path) for path, _ in one.layers],
                "uses": [use for _, use in one.layers],
                "first": one.layers[0][0],
                "size": one.size,
                "colors": len(np.unique(one.cells)),
                "area": one.cells.size,
                "stacks": n,
            }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--no-lists", action="store_true", help="steps from grid to grid alone")
    parser.add_argument("--no-twins", action="store_true", help="without the views of twins")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th task alone")
    options = parser.parse_args()
    steps = [s for s in STEPS if s.kind == TO_IMAGE] if options.no_lists else STEPS
    options.output.parent.mkdir(parents=True, exist_ok=True)
    text = options.output.read_text() if options.output.exists() else ""
    done = {json.loads(line)["task"] for line in text.splitlines()}
    SearchSolver.prepare()
    with options.output.open("a") as file:
        chosen = load_split("arc-agi-1/training")[:: options.every]
        # In rounds, so that a file that is not finished holds a fair sample.
        for task in (task for first in (0, 2, 1, 3) for task in chosen[first::4]):
            if task.id not in done:
                found = describe_task(task, options.depth, steps, not options.no_twins)
                print(json.dumps(found), file=file, flush=True)


if __name__ == "__main__":
    main()
