"""An augmentation of your own: all grids move on, and come in again at the other side.

Usage, from the folder above this one:

    arcflow fit -c configs/quickstart.yaml \
        --data.augment.extra '[examples.custom_augmentation.Roll]'

The same option of ``test_time.augment`` and ``pass_n.answer.augment`` uses it for test-time
fine-tuning and for the views that are answered.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from arcflow.core.augment import Augmentation, map_grids
from arcflow.core.grid import Grid, freeze
from arcflow.core.task import Task


@dataclass(frozen=True, slots=True)
class Roll(Augmentation):
    """Every grid moved down and right, as on a torus.

    Attributes:
        down: by so many cells, of any sign.
        right: by so many cells, of any sign.
    """

    # A program that knows an edge of the grid is no longer right.
    keeps_programs: ClassVar[bool] = False
    down: int
    right: int

    @classmethod
    def sample(cls, task: Task, rng: np.random.Generator) -> "Roll | None":
        """Return a move by at most two cells each way; None for none at all."""
        down, right = (int(n) for n in rng.integers(-2, 3, size=2))
        return cls(down, right) if down or right else None

    @property
    def name(self) -> str:
        """E.g. ``"roll_1_-2"``."""
        return f"roll_{self.down}_{self.right}"

    def apply(self, task: Task) -> Task:
        """Return the task with every grid moved."""
        return map_grids(task, self.apply_grid, self.apply_grid)

    def apply_grid(self, grid: Grid) -> Grid:
        """Return a moved copy."""
        return freeze(np.roll(grid, (self.down, self.right), (0, 1)))

    def invert(self, grid: Grid) -> Grid:
        """Return a copy that is moved back."""
        return Roll(-self.down, -self.right).apply_grid(grid)
