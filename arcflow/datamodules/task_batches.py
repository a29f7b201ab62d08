"""TaskBatch: the evaluation tasks that are adapted to, answered and voted on together."""

from collections.abc import Iterator, Sequence

from arcflow.core.task import Task


class TaskBatch:
    """A batch of tasks that are evaluated together.

    It is a plain class on purpose: Lightning walks into lists, tuples and dataclasses of a batch
    to move tensors, and refuses frozen dataclasses such as Task.

    Args:
        tasks: The tasks, in order.

    Attributes:
        tasks: The tasks; a test output is None if it is not known.
    """

    __slots__ = ("tasks",)

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)

    def __len__(self) -> int:
        return len(self.tasks)


def task_batches(tasks: Sequence[Task], size: int) -> list[TaskBatch]:
    """Return the tasks in order as task batches.

    Args:
        tasks: The tasks.
        size: The number of tasks in a batch; the last batch may have fewer.
    """
    return [TaskBatch(tasks[i : i + size]) for i in range(0, len(tasks), size)]


class TaskBatchLoader:
    """A loader of the task batches of one process, in order.

    It is no DataLoader on purpose: Lightning would give it a sampler that repeats task batches
    until all processes have equally many.

    Args:
        task_batches: The task batches of this process.
    """

    def __init__(self, task_batches: Sequence[TaskBatch]) -> None:
        self._task_batches = list(task_batches)

    def __len__(self) -> int:
        return len(self._task_batches)

    def __iter__(self) -> Iterator[TaskBatch]:
        return iter(self._task_batches)
