"""No evaluation task has found its way into the search."""

import re
from pathlib import Path

import numpy as np

import arcflow.search
from arcflow.sources.arc import load_split

FOLDER = Path(arcflow.search.__file__).parent


def _text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.py")))


def _mentions(text: str, ids: set[str], rows: set[str]) -> list[str]:
    digits = re.sub(r"[^0-9]+", " ", text.replace(", ", ",").replace(",", ""))
    words = set(re.findall(r"[0-9a-f]{8}", text))
    return sorted(words & ids) + [row for row in digits.split() if row in rows]


def test_no_evaluation_id_or_grid_is_in_the_search():
    tasks = [t for name in ("arc-agi-1", "arc-agi-2") for t in load_split(f"{name}/evaluation")]
    ids = {task.id for task in tasks}
    rows = {
        "".join(map(str, row.tolist()))
        for task in tasks
        for grid in task.grids()
        for row in grid
        if len(row) >= 8 and len(np.unique(row)) > 2
    }
    assert _mentions(_text(), ids, rows) == []
    # The check itself sees both kinds.
    row = sorted(rows)[0]
    assert _mentions(f"x = '{sorted(ids)[0]}'", ids, rows)
    assert _mentions(f"[{', '.join(row)}]", ids, rows)
