"""Programs that a scripted engine writes: right, wrong, and broken in several ways."""

RIGHT = "def task(grid):\n    return np.rot90(grid, 2)\n"
"""Half a turn: right in every view of a task whose rule it is."""
WRONG = "def task(grid):\n    return grid\n"
WRITINGS = (
    RIGHT,
    WRONG,
    "def task(grid:\n",
    "def task(grid):\n    while True:\n        pass\n",
    "import os\n\n\ndef task(grid):\n    return grid\n",
    "def task(grid):\n    return grid[99]\n",
    "def task(grid):\n    return 7\n",
    "",
)
"""A right program, a wrong one, no syntax, an endless loop, a forbidden import, an error, no grid,
and nothing at all."""
