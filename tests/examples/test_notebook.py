"""examples/quickstart.ipynb runs as it is, in at most 15 lines of code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

CELLS = json.loads((ROOT / "examples" / "quickstart.ipynb").read_text())["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
SEE = """
import json, numpy, arcflow
grids = [ranking[0].grid for ranking in votes]
assert all(numpy.array_equal(arcflow.draw(grid).what, grid) for grid in grids)
print(json.dumps({"inputs": len(task.test), "grids": [grid.tolist() for grid in grids],
    "losses": [adapter.losses[0], sum(adapter.losses[-20:]) / 20]}))
"""


def test_it_has_prose_and_at_most_15_lines_of_code() -> None:
    lines = [line for cell in CODE for line in cell.splitlines() if line.strip()]
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 110
    assert sum(cell["cell_type"] == "markdown" for cell in CELLS) >= len(CODE)


@pytest.mark.slow
def test_its_cells_run_in_order(tmp_path: Path) -> None:
    """In a process of its own, as Jupyter would run them, without Jupyter."""
    run = "import json, sys\nspace = {}\nfor cell in json.load(sys.stdin): exec(cell, space)\n"
    done = subprocess.run(
        [sys.executable, "-c", run],
        input=json.dumps([*CODE, SEE]),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["grids"]) == found["inputs"] == 1
    for grid in found["grids"]:
        assert {len(row) for row in grid} == {len(grid[0])}
        assert all(0 <= cell <= 9 for row in grid for cell in row)
    first, last = found["losses"]
    assert last < 0.2 * first
    assert (tmp_path / "answer.svg").read_text().startswith("<svg")
