"""One call of Sandbox.run, which sends requests, reads answers and replaces dead workers."""

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
    pack_grids,
    request_size,
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
"""The seconds after which the parent kills a worker that should have killed a program itself."""
_AHEAD = 16
"""The number of programs that wait in a worker beyond those it runs, so that it is never idle."""


class Workers(Protocol):
    """A set of workers that a call may use, such as :class:`arcflow.sandbox.pool.Sandbox`."""

    @property
    def workers(self) -> list[SandboxWorker]:
        """All workers, alive or not."""

    @property
    def closed(self) -> bool:
        """Whether no more programs can be run."""

    def replace(self, worker: SandboxWorker, alone: bool) -> None:
        """Put a fresh worker in the place of a dead or killed one.

        Args:
            worker: The worker to replace.
            alone: Whether the fresh worker is to run one program at a time.
        """


class RunCall:
    """One call of :meth:`arcflow.sandbox.pool.Sandbox.run`.

    Args:
        sandbox: The workers that run the programs.
        programs: The texts of the programs.
        inputs: For each program the grids to run it on.
        limits: The limits of each program.
        per_process: The number of programs that may share a process.

    Raises:
        SandboxError: If a program has too many inputs, or an input that is not a grid.
    """

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
        self.requests: dict[int, ProgramRequest] = {}
        for number, (text, grids) in enumerate(zip(programs, inputs, strict=True)):
            _check_inputs(grids, number)
            data = _encoded(text, limits)
            if isinstance(data, bytes):
                self.requests[number] = ProgramRequest(number, data, pack_grids(grids), len(grids))
            else:
                self.found[number] = data
        self.pending = deque(self.requests)

    def results(self) -> list[Result]:
        """Run until every program has a result.

        If this fails, workers with open requests are replaced, so that no later call gets their
        answers.

        Returns:
            One result for each program, in order.

        Raises:
            SandboxError: If a dead worker cannot be replaced.
        """
        try:
            while self.pending or any(worker.waiting for worker in self.sandbox.workers):
                for worker in self.sandbox.workers:
                    self._submit(worker)
                self._step()
        except BaseException:
            for worker in list(self.sandbox.workers):
                if worker.waiting and not self.sandbox.closed:
                    self.sandbox.replace(worker, alone=False)
            raise
        for worker in self.sandbox.workers:
            worker.alone = False
        return [result for result in self.found if result is not None]

    def _submit(self, worker: SandboxWorker) -> None:
        while self.pending and len(worker.waiting) <= (0 if worker.alone else _AHEAD):
            worker.submit(self._next_batch(1 if worker.alone else self.per_process), self.limits)

    def _next_batch(self, most: int) -> list[ProgramRequest]:
        """Return the next programs for one process; the last ones are shared among the workers."""
        most = min(most, -(-len(self.pending) // len(self.sandbox.workers)))
        batch, room = [self.requests[self.pending.popleft()]], MAX_REQUEST // 2
        while self.pending and len(batch) < most:
            room -= request_size(batch[-1])
            if request_size(self.requests[self.pending[0]]) > room:
                break
            batch.append(self.requests[self.pending.popleft()])
        return batch

    def _step(self) -> None:
        """Wait for one event of any worker: room in a pipe, answers, or the end of its time."""
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
                        self._receive(number, body)
                else:
                    worker.send()
            except (EOFError, OSError, ProtocolError):
                dead[worker] = Raised("Crash", "the program's worker died")
        now = time.monotonic()
        for worker in list(self.sandbox.workers):
            if worker in dead:
                self._replace_failed(worker, dead[worker])
            elif worker.waiting and now > worker.since + late:
                self._replace_failed(worker, TimedOut(self.limits.seconds))

    def _receive(self, number: int, body: bytes) -> None:
        try:
            self.found[number] = unpack_answer(body, len(self.inputs[number]), self.limits)
        except ProtocolError as error:
            self.found[number] = Raised("Crash", f"the program's answer is broken: {error}")
        del self.requests[number]

    def _replace_failed(self, worker: SandboxWorker, verdict: Result) -> None:
        """Replace a worker and put its open programs back in the queue.

        The verdict goes to the program that is known to have caused the failure, if there is one.
        """
        waiting = list(worker.waiting)
        if (worker.alone and len(waiting) == 1) or isinstance(verdict, TimedOut):
            if waiting:
                number = waiting.pop(0)
                self.found[number] = verdict
                del self.requests[number]
            self.sandbox.replace(worker, alone=bool(waiting))
        else:
            self.sandbox.replace(worker, alone=True)
        self.pending.extendleft(reversed(waiting))


def _encoded(text: object, limits: Limits) -> bytes | Result:
    """Return the program in UTF-8, or the reason why it is no text of an allowed length."""
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
