"""One call of Sandbox.run: requests to workers, answers from them, workers that die."""

import select
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from arcflow.core.grid import MAX_SIDE, Grid
from arcflow.sandbox.process import SandboxWorker
from arcflow.sandbox.protocol import (
    MAX_INPUTS,
    MAX_REQUEST,
    ProgramRequest,
    ProtocolError,
    ask_bytes,
    pack_grids,
    unpack_answer,
)
from arcflow.sandbox.results import (
    Limits,
    Raised,
    Refused,
    Result,
    SandboxError,
    SyntaxProblem,
    TimedOut,
)

GRACE = 0.5
"""Seconds after which the parent kills a worker that itself should have killed a program."""
_AHEAD = 16
"""Programs that a worker has beyond those it runs, so that it never waits for the parent."""


class Workers(Protocol):
    """The processes that a call may use; :class:`arcflow.sandbox.pool.Sandbox` has them."""

    @property
    def workers(self) -> list[SandboxWorker]:
        """All of them, alive or not."""

    @property
    def closed(self) -> bool:
        """Whether no more programs can be run."""

    def replace(self, worker: SandboxWorker, alone: bool) -> None:
        """Put a fresh worker in the place of a dead or killed one."""


class RunCall:
    """One call of :meth:`arcflow.sandbox.pool.Sandbox.run`."""

    def __init__(
        self,
        sandbox: Workers,
        programs: Sequence[str],
        inputs: Sequence[Sequence[Grid]],
        limits: Limits,
        per_process: int,
    ) -> None:
        self.sandbox, self.limits, self.per_process = sandbox, limits, per_process
        self.inputs = inputs
        self.found: list[Result | None] = [None] * len(programs)
        self.asks: dict[int, ProgramRequest] = {}
        for number, (text, grids) in enumerate(zip(programs, inputs, strict=True)):
            _check_inputs(grids, number)
            data = _encoded(text, limits)
            if isinstance(data, bytes):
                self.asks[number] = ProgramRequest(number, data, pack_grids(grids), len(grids))
            else:
                self.found[number] = data
        self.todo = deque(self.asks)

    def results(self) -> list[Result]:
        """Run until every program has a result; a worker with open requests never outlives it."""
        try:
            while self.todo or any(worker.waiting for worker in self.sandbox.workers):
                for worker in self.sandbox.workers:
                    self._feed(worker)
                self._step()
        except BaseException:
            for worker in list(self.sandbox.workers):
                if worker.waiting and not self.sandbox.closed:
                    self.sandbox.replace(worker, alone=False)
            raise
        for worker in self.sandbox.workers:
            worker.alone = False
        return [result for result in self.found if result is not None]

    def _feed(self, worker: SandboxWorker) -> None:
        while self.todo and len(worker.waiting) <= (0 if worker.alone else _AHEAD):
            worker.ask(self._next(1 if worker.alone else self.per_process), self.limits)

    def _next(self, most: int) -> list[ProgramRequest]:
        """The next programs for one process; the last ones are shared among the workers."""
        most = min(most, -(-len(self.todo) // len(self.sandbox.workers)))
        asks, room = [self.asks[self.todo.popleft()]], MAX_REQUEST // 2
        while self.todo and len(asks) < most:
            room -= ask_bytes(asks[-1])
            if ask_bytes(self.asks[self.todo[0]]) > room:
                break
            asks.append(self.asks[self.todo.popleft()])
        return asks

    def _step(self) -> None:
        """Wait for one event of any worker: room in a pipe, answers, or that its time is up."""
        poll = select.poll()
        by_descriptor = {}
        for worker in self.sandbox.workers:
            by_descriptor[worker.reads] = by_descriptor[worker.writes] = worker
            poll.register(worker.reads, select.POLLIN)
            if worker.unsent:
                poll.register(worker.writes, select.POLLOUT)
        late = self.limits.seconds + GRACE
        ends = [worker.since + late for worker in self.sandbox.workers if worker.waiting]
        left = max(0.0, min(ends) - time.monotonic())
        dead: dict[SandboxWorker, Result] = {}
        for descriptor, _ in poll.poll(left * 1000 + 1):
            worker = by_descriptor[descriptor]
            if worker in dead:
                continue
            try:
                if descriptor == worker.reads:
                    for number, body in worker.receive():
                        self._take(number, body)
                else:
                    worker.send()
            except (EOFError, OSError, ProtocolError):
                dead[worker] = Raised("Crash", "the program's worker died")
        now = time.monotonic()
        for worker in list(self.sandbox.workers):
            if worker in dead:
                self._bury(worker, dead[worker])
            elif worker.waiting and now > worker.since + late:
                self._bury(worker, TimedOut(self.limits.seconds))

    def _take(self, number: int, body: bytes) -> None:
        try:
            self.found[number] = unpack_answer(body, len(self.inputs[number]), self.limits)
        except ProtocolError as error:
            self.found[number] = Raised("Crash", f"the program's answer is broken: {error}")
        del self.asks[number]

    def _bury(self, worker: SandboxWorker, verdict: Result) -> None:
        """Ask again for what a worker still had; what was alone in it gets the verdict."""
        waiting = list(worker.waiting)
        if (worker.alone and len(waiting) == 1) or isinstance(verdict, TimedOut):
            if waiting:
                number = waiting.pop(0)
                self.found[number] = verdict
                del self.asks[number]
            self.sandbox.replace(worker, alone=bool(waiting))
        else:
            self.sandbox.replace(worker, alone=True)
        self.todo.extendleft(reversed(waiting))


def _encoded(text: object, limits: Limits) -> bytes | Result:
    """The program in UTF-8, if it is text of a bearable length."""
    if not isinstance(text, str):
        return SyntaxProblem(f"a program is text, not {type(text).__name__}")
    if len(text) > limits.text_bytes:
        return Refused(f"a text of {len(text)} characters, at most {limits.text_bytes}")
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        return SyntaxProblem("a character that is no UTF-8", text[: error.start].count("\n") + 1)
    if len(data) > limits.text_bytes:
        return Refused(f"a text of {len(data)} bytes, at most {limits.text_bytes}")
    if b"\0" in data:
        return SyntaxProblem("a NUL character", data[: data.index(b"\0")].count(b"\n") + 1)
    return data


def _check_inputs(grids: Sequence[Grid], number: int) -> None:
    if len(grids) > MAX_INPUTS:
        raise SandboxError(
            f"program {number} has too many inputs",
            value=len(grids),
            expected=f"at most {MAX_INPUTS}",
            next_step="Run it several times.",
        )
    for index, grid in enumerate(grids):
        if (
            not isinstance(grid, np.ndarray)
            or grid.dtype != np.int8
            or grid.ndim != 2
            or not all(1 <= side <= MAX_SIDE for side in grid.shape)
            or grid.min() < 0
            or grid.max() > 9
        ):
            raise SandboxError(
                f"program {number}, input {index} is not a grid",
                value=grid,
                expected=f"an int8 array of shape (H, W), sides 1..{MAX_SIDE}, cells 0..9",
                next_step="Make it with arcflow.core.grid.make_grid.",
            )
