"""Wave: the tasks that are adapted to, answered and voted on together."""

from collections.abc import Iterator, Sequence

from arcflow.core.task import Task


class TaskBatch:
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


def task_batches(tasks: Sequence[Task], size: int) -> list[TaskBatch]:
    """``tasks`` in order, ``size`` at a time; the last task batch may be smaller."""
    return [TaskBatch(tasks[i : i + size]) for i in range(0, len(tasks), size)]


class TaskBatchLoader:
    """The task batches of one process, in order.

    No DataLoader on purpose: Lightning would give it a sampler that repeats task batches until all
    processes have equally many.
    """

    def __init__(self, task_batches: Sequence[TaskBatch]) -> None:
        self._task_batches = list(task_batches)

    def __len__(self) -> int:
        return len(self._task_batches)

    def __iter__(self) -> Iterator[TaskBatch]:
        return iter(self._task_batches)
