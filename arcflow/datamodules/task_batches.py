"""Wave: the tasks that are adapted to, answered and voted on together."""

from collections.abc import Iterator, Sequence

from arcflow.core.task import Task


class Wave:
    """One evaluation batch.

    A plain class on purpose: Lightning walks into lists, tuples and dataclasses of a batch to
    move tensors, and refuses frozen dataclasses such as Task.

    Attributes:
        tasks: evaluated together; test outputs are present only where they are known.
    """

    __slots__ = ("tasks",)

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)

    def __len__(self) -> int:
        return len(self.tasks)


def waves(tasks: Sequence[Task], size: int) -> list[Wave]:
    """``tasks`` in order, ``size`` at a time; the last wave may be smaller."""
    return [Wave(tasks[i : i + size]) for i in range(0, len(tasks), size)]


class WaveLoader:
    """The waves of one process, in order.

    No DataLoader on purpose: Lightning would give it a sampler that repeats waves until all
    processes have equally many.
    """

    def __init__(self, waves: Sequence[Wave]) -> None:
        self._waves = list(waves)

    def __len__(self) -> int:
        return len(self._waves)

    def __iter__(self) -> Iterator[Wave]:
        return iter(self._waves)
