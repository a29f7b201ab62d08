"""Evaluations of real tasks with made-up answers: right, nearly right, of a wrong size, none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcflow.core.task import Task
from arcflow.scoring.journal import Journal


def entries_for(tasks: Sequence[Task], seed: int, variants: Sequence[str]) -> list[dict[str, Any]]:
    """One entry a task and variant; the answer's kind goes round by the task's place."""
    random = np.random.default_rng(seed)
    entries = []
    for place, task in enumerate(tasks):
        for variant in variants:
            candidates = []
            for index, pair in enumerate(task.test):
                assert pair.output is not None
                for number in range(6):
                    grid = np.array(pair.output)
                    kind = (place + seed + (variant == "baseline")) % 5
                    if kind == 1 or number > 3:  # nearly right
                        grid[random.integers(grid.shape[0]), 0] += 1
                        grid %= 10
                    elif kind == 2:  # a wrong size
                        grid = np.vstack([grid, grid])[:30]
                    elif kind == 3:  # wrong everywhere
                        grid = (grid + 1 + number % 2) % 10
                    rows = None if kind == 4 else grid.tolist()
                    candidates.append(
                        {
                            "task_id": task.id,
                            "test_index": index,
                            "grid": rows,
                            "log_prob": -1.0 - number,
                            "n_tokens": 10,
                            "view": f"turn {number}",
                        }
                        | ({"reason": "no end token"} if rows is None else {})
                    )
            entries.append(
                {
                    "task": task.id,
                    "variant": variant,
                    "candidates": candidates,
                    "loss": [3.5, 10],
                    "steps": 12,
                }
                | ({"losses": [[1, 2.5], [6, 0.75], [12, 0.125]]} if variant == "ttft" else {})
            )
    return entries


def write_entries(path: Path, entries: Sequence[dict[str, Any]]) -> Path:
    """A journal of these entries."""
    with Journal.open(path, {"seed": 0}) as journal:
        journal.append(entries)
    return path
