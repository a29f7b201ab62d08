"""The process that answers tasks: it gets one at a time, and sends the candidates back."""

import os
import signal
import threading
import traceback
from collections.abc import Sequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

import numpy as np

from arcflow.core.grid import freeze
from arcflow.core.task import Pair, Task
from arcflow.solving.solvers import answer_task, make_solver

READY = "ready"
"""The first message of a process: it is compiled and loaded."""

_BRIEF = 0.1  # seconds for the first task, beside the time that compiling and loading take


def work(connection: Connection, names: Sequence[str], niceness: int) -> None:
    """Answer tasks until the other end closes.

    Solvers compile and load what they need at their first task, which may take minutes on a new
    machine. So they answer a small one first, and :data:`READY` is sent when time may count.
    Then each message is a task and its seconds, and each reply the candidates by solver, or the
    text of an error.

    Args:
        connection: This process's end of the pipe.
        names: The names of the solvers.
        niceness: The number by which the process lets others go before it, 0 to 19.
    """
    # The parent decides what a signal means; it closes the pipe or kills this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(niceness)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _use_one_thread()
    solvers = [make_solver(name) for name in names]
    answer_task(solvers, _small_task(), _BRIEF)
    connection.send(READY)
    while True:
        try:
            task, seconds = connection.recv()
        except EOFError:
            return
        try:
            reply: object = answer_task(solvers, task, seconds)
        # Whatever goes wrong with one task must not end the others.
        except Exception:  # noqa: BLE001
            reply = traceback.format_exc()
        connection.send(reply)


def _small_task() -> Task:
    """Return a task with figures of several colours and shapes."""
    rng = np.random.default_rng(0)
    grids = []
    for _ in range(3):
        cells = np.zeros((6, 7), dtype=np.int8)
        cells[1:3, 1:4] = rng.integers(1, 5, (2, 3))
        cells[4, 2:6] = rng.integers(5, 8)
        grids.append(freeze(cells))
    pairs = tuple(Pair(cells, freeze(np.ascontiguousarray(cells[:, ::-1]))) for cells in grids)
    return Task("small", pairs[:2], pairs[2:])


def _use_one_thread() -> None:
    """Keep numerical libraries to one thread: there is a process for every core."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _end_with_parent() -> None:
    """End this process when the parent is gone, even within a task."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
