"""Processes that answer tasks side by side, of which none can hang or crash the run."""

import logging
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from types import TracebackType

from arcflow.core.task import Task
from arcflow.solving.solvers import Answers
from arcflow.solving.worker import READY, work

_GRACE = 30.0  # seconds over its time after which a task's process is killed

_LONGEST_WAIT = 3600.0

_log = logging.getLogger(__name__)


@dataclass
class _Worker:
    """A process that answers one task at a time."""

    process: multiprocessing.process.BaseProcess
    connection: Connection
    number: int | None = None  # the task's place in the list
    until: float = math.inf
    ready: bool = False


@dataclass
class SolverPool:
    """Processes that answer tasks; a context manager that ends them.

    The answers to a task do not depend on the number of processes. A task whose process crashes,
    or does not end long after its time, gets no candidates, and a warning is logged.

    Args:
        solvers: The names of the solvers.
        jobs: The number of processes.
        niceness: The number by which they let other processes go before them, 0 to 19.
    """

    solvers: Sequence[str]
    jobs: int
    niceness: int = 0
    _workers: list[_Worker] = field(default_factory=list)

    def __enter__(self) -> "SolverPool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def preparing(self) -> bool:
        """Whether no process is ready yet; the first one on a machine may have to compile."""
        return not any(worker.ready for worker in self._workers)

    def close(self) -> None:
        """End all processes, even in the middle of a task."""
        workers, self._workers = self._workers, []
        for worker in workers:
            _end(worker)

    def answer(
        self,
        tasks: Sequence[Task],
        seconds: Callable[[int], float],
        until: float | None = None,
        wake: float | None = None,
    ) -> Iterator[tuple[int, Answers] | None]:
        """Answer tasks and yield each as soon as it is finished.

        Args:
            tasks: The tasks.
            seconds: The wall time for the next task, given the number of tasks that are not
                finished; 0 or more.
            until: The time of ``time.time()`` after which nothing is begun or waited for.
            wake: The seconds after which None is yielded if no task was finished meanwhile.

        Yields:
            The place of a task in ``tasks`` and its candidates by solver, or None.
        """
        waiting = list(range(len(tasks)))[::-1]
        left = len(tasks)
        while left:
            now = time.time()
            if until is not None and now >= until:
                return
            self._give(tasks, waiting, seconds, left)
            done = False
            for number, answers in self._collect(tasks, until, wake):
                left, done = left - 1, True
                yield number, answers
            if not done:
                yield None

    def _give(
        self,
        tasks: Sequence[Task],
        waiting: list[int],
        seconds: Callable[[int], float],
        left: int,
    ) -> None:
        """Give every idle process a task, and start the processes that are wanted."""
        idle = [worker for worker in self._workers if worker.ready and worker.number is None]
        # The others wait for the first one, which may compile what all of them need.
        while len(self._workers) < min(self.jobs, left):
            if self._workers and self.preparing:
                break
            self._start()
        while waiting and idle:
            worker, number = idle.pop(), waiting.pop()
            share = seconds(left)
            worker.number, worker.until = number, time.time() + share + _GRACE
            worker.connection.send((tasks[number].without_answers(), share))

    def _collect(
        self, tasks: Sequence[Task], until: float | None, wake: float | None
    ) -> list[tuple[int, Answers]]:
        """Wait for the next finished tasks, and kill processes that are late."""
        busy = [w for w in self._workers if w.number is not None or not w.ready]
        ends = [worker.until for worker in busy if worker.number is not None]
        ends += [] if until is None else [until]
        timeout = max(0.0, min(ends, default=math.inf) - time.time())
        if wake is not None:
            timeout = min(timeout, wake)
        ready = wait([worker.connection for worker in busy], min(timeout, _LONGEST_WAIT))
        found = []
        for worker in busy:
            if worker.number is None:
                if worker.connection in ready:
                    self._welcome(worker)
                continue
            name = tasks[worker.number].id
            if worker.connection in ready:
                found.append((worker.number, self._receive(worker, name)))
            elif time.time() >= worker.until:
                _log.warning("task %s: no answer long after its time; it gets none.", name)
                self._drop(worker)
                found.append((worker.number, {}))
        return found

    def _welcome(self, worker: _Worker) -> None:
        """Take note that a process is ready for its first task."""
        try:
            worker.ready = worker.connection.recv() == READY
        except (EOFError, OSError):
            self._drop(worker)
            raise RuntimeError(
                f"a process of the solvers {', '.join(self.solvers)} ended before its first task "
                f"(exit code {worker.process.exitcode})"
            ) from None

    def _receive(self, worker: _Worker, name: str) -> Answers:
        try:
            reply = worker.connection.recv()
        except (EOFError, OSError):
            self._drop(worker)
            code = worker.process.exitcode
            _log.warning(
                "task %s: its process ended (exit code %s); it gets no answer.", name, code
            )
            return {}
        worker.number = None
        if isinstance(reply, str):
            _log.warning("task %s: a solver failed; it gets no answer.\n%s", name, reply)
            return {}
        answers: Answers = reply
        return answers

    def _start(self) -> _Worker:
        # A fresh interpreter: a forked one would inherit locks and threads of a running model.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work, args=(theirs, tuple(self.solvers), self.niceness), daemon=True
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        _end(worker)


def _end(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.join()
