import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task


def small_task(number: int, hidden: bool = False) -> Task:
    """Return a task whose rule trees find at once: each colour becomes another."""
    rng = np.random.default_rng(number)
    colors = rng.permutation(10)
    grids = [rng.integers(0, 4, (4, 5)) for _ in range(5)]
    pairs = [Pair(make_grid(g), make_grid(colors[g])) for g in grids]
    tests = pairs[4:]
    if hidden:
        tests = [Pair(pair.input, None) for pair in tests]
    return Task(f"small{number}", tuple(pairs[:4]), tuple(tests))


@pytest.fixture
def tasks_file(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a file of small tasks."""

    def write(numbers: range, hidden: bool = False, name: str = "tasks.json") -> Path:
        tasks = [small_task(number, hidden) for number in numbers]
        path = tmp_path / name
        path.write_text(json.dumps({task.id: task.to_json() for task in tasks}))
        return path

    return write
