"""What an augmentation is: the base class of the built-in ones and of your own."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from arcflow.core.class_path import class_path
from arcflow.core.grid import Grid
from arcflow.core.serialization import plain_json
from arcflow.core.task import Pair, Task


class Augmentation(ABC):
    """One view of a task; hashable, equal where its fields are, JSON both ways.

    A subclass of your own is a frozen dataclass of plain values and tuples. It is named by its
    class path in ``augment.extra``, sampled for each view by :meth:`sample`, and bound to the law
    above, with which the answer to a view is turned into the answer to the task.

    Attributes:
        kind: the name in JSON of a built-in augmentation; others go by their class path.
        keeps_programs: whether a program that solves the task solves the view too. Only then is
            it used where a program is shown or asked for, and :meth:`apply` must keep ``code``.
    """

    __slots__ = ()
    kind: ClassVar[str] = ""
    keeps_programs: ClassVar[bool] = False

    @classmethod
    def sample(cls, task: Task, rng: np.random.Generator) -> "Augmentation | None":
        """Return an augmentation of this class for one view.

        Args:
            task: in the view so far, its answers hidden where it is evaluated.
            rng: the only source of chance, so that views can be made again.

        Returns:
            None leaves the view as it is.
        """
        raise NotImplementedError(f"{class_path(cls)} has no method sample")

    @property
    @abstractmethod
    def name(self) -> str:
        """A short, stable name; two augmentations of one kind share it only if they are equal."""

    @abstractmethod
    def apply(self, task: Task) -> Task:
        """Return the whole task in this view; its id and source stay the same.

        Raises:
            DataError: The task lacks a pair that the augmentation refers to.
        """

    def apply_grid(self, grid: Grid) -> Grid:
        """Return one grid in this view, possibly sharing the memory of ``grid``."""
        return grid

    def invert(self, grid: Grid) -> Grid:
        """Undo :meth:`apply_grid`: return the grid as it is in the original task."""
        return grid

    def to_json(self) -> dict[str, object]:
        """``{"kind": ..., field: value, ...}``, read by ``augmentation_from_json``."""
        cls = type(self)
        return plain_json(cls.kind if BUILT_IN.get(cls.kind) is cls else class_path(cls), self)


BUILT_IN: dict[str, type[Augmentation]] = {}
"""The built-in augmentations by kind, which :mod:`arcflow.core.augment` defines."""


def map_grids(
    task: Task,
    inputs: Callable[[Grid], Grid] | None,
    outputs: Callable[[Grid], Grid] | None,
) -> Task:
    """Return the task with its grids changed, without its program, which solved the original.

    Args:
        task: The task to change.
        inputs: The change of every input grid, or None to keep the inputs.
        outputs: The change of every output grid, or None to keep the outputs. Hidden outputs stay
            hidden.

    Returns:
        A task of the same id and source; ``code`` and ``attempt`` are None.
    """

    def changed(pair: Pair) -> Pair:
        output = pair.output
        return Pair(
            pair.input if inputs is None else inputs(pair.input),
            output if outputs is None or output is None else outputs(output),
        )

    return Task(
        task.id,
        tuple(map(changed, task.train)),
        tuple(map(changed, task.test)),
        task.source,
        proposals=tuple(map(changed, task.proposals)),
    )
