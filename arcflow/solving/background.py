"""Solvers that answer tasks in another process while this one does something else."""

import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from arcflow.core.task import Task
from arcflow.solving.pool import SolverPool
from arcflow.solving.solvers import Answers

_NICENESS = 10  # the model's own process goes first
_WAKE = 0.5  # seconds after which a request to end is noticed


class BackgroundSolvers:
    """Solvers at work on tasks, one after the other, from the moment it is made.

    Args:
        solvers: The names of the solvers.
        tasks: The tasks.
        seconds: The wall time for each task, in seconds.
        until: The time of ``time.time()`` after which nothing is begun or waited for.
    """

    def __init__(
        self,
        solvers: Sequence[str],
        tasks: Sequence[Task],
        seconds: float,
        until: float | None = None,
    ) -> None:
        self._solvers, self._tasks = tuple(solvers), tuple(tasks)
        self._seconds, self._until = seconds, until
        self._finished: SimpleQueue[tuple[Task, Answers] | Exception] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="solvers", daemon=True)
        self._thread.start()

    @property
    def working(self) -> bool:
        """Whether tasks may still be finished."""
        return self._thread.is_alive()

    def ready(self) -> list[tuple[Task, Answers]]:
        """Return the tasks that were finished since the last call, with their candidates.

        Raises:
            RuntimeError: The solvers' process cannot start.
        """
        found: list[tuple[Task, Answers]] = []
        while True:
            try:
                item = self._finished.get_nowait()
            except Empty:
                return found
            if isinstance(item, Exception):
                raise item
            found.append(item)

    def wait(self) -> list[tuple[Task, Answers]]:
        """Wait for all tasks, or for the deadline, and return what :meth:`ready` would."""
        while self._thread.is_alive():
            self._thread.join(_WAKE)
        return self.ready()

    def close(self) -> None:
        """End the process, even in the middle of a task."""
        self._stop.set()
        self._thread.join()

    def _share(self, unfinished: int) -> float:
        if self._until is None:
            return self._seconds
        return max(0.0, min(self._seconds, (self._until - time.time()) / unfinished))

    def _work(self) -> None:
        try:
            with SolverPool(self._solvers, 1, _NICENESS) as pool:
                for found in pool.answer(self._tasks, self._share, self._until, _WAKE):
                    if found is not None:
                        number, answers = found
                        self._finished.put((self._tasks[number], answers))
                    if self._stop.is_set():
                        return
        # The thread that asks for answers raises it.
        except Exception as error:  # noqa: BLE001
            self._finished.put(error)
