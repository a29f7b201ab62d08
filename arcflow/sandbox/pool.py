"""Sandbox: warm workers that run programs, are killed on time, and replaced where they die."""

import select
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from arcflow.core.grid import MAX_SIDE, Grid
from arcflow.sandbox.layers import Layer, judge
from arcflow.sandbox.process import Worker, finish_start, start
from arcflow.sandbox.protocol import (
    MAX_INPUTS,
    ProtocolError,
    pack_grids,
    pack_request,
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

API = "arcflow.omniarc.dsl"
GRACE = 0.5
"""Seconds after which the parent kills a worker that itself should have killed a program."""
_AHEAD = 16
"""Requests that a worker has beyond the one it runs, so that it never waits for the parent."""


class Sandbox:
    """A pool of workers that may be kept for hours; a context manager.

    Args:
        n_workers: processes that run programs at the same time.
        limits: of each program, where :meth:`run` is given no others.
        api: the module whose ``__all__`` programs may use without an import; "" for none.
        strict: refuse to run where the kernel lacks a layer; else one missing layer is told once.

    Raises:
        SandboxError: too many layers are missing, or workers do not start.
    """

    def __init__(
        self,
        n_workers: int = 2,
        limits: Limits | None = None,
        api: str = API,
        strict: bool = False,
    ) -> None:
        if n_workers < 1:
            raise SandboxError(
                "n_workers is too small",
                value=n_workers,
                expected="1 or more",
                next_step="Choose the number of cores.",
            )
        self.limits = limits or Limits()
        self._api, self._strict = api, strict
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        self._closed = False
        try:
            self._workers = [start(api) for _ in range(n_workers)]
            for worker in self._workers:
                finish_start(worker)
                judge(worker.layers, strict)
        except BaseException:
            self.close()
            raise

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What the workers gave up."""
        return self._workers[0].layers

    def run(
        self,
        programs: Sequence[str],
        inputs: Sequence[Sequence[Grid]],
        limits: Limits | None = None,
    ) -> list[Result]:
        """Run each program on its own grids.

        Args:
            programs: texts that define ``task(grid)``.
            inputs: for each program the grids to run it on.
            limits: of each program; None takes the sandbox's.

        Returns:
            One result per program, in order. What is wrong with a program is a result.

        Raises:
            SandboxError: the call itself is wrong, the sandbox is closed, or no worker starts.
        """
        limits = limits or self.limits
        if len(programs) != len(inputs):
            raise SandboxError(
                "programs and inputs differ in number",
                value=f"{len(programs)} programs, {len(inputs)} lists of inputs",
                expected="one list of grids for each program",
                next_step="Pass inputs[i] for programs[i].",
            )
        with self._lock:
            if self._closed:
                raise SandboxError(
                    "the sandbox is closed",
                    value="run()",
                    expected="an open sandbox",
                    next_step="Run programs inside its with block.",
                )
            return _Run(self, programs, inputs, limits).results()

    def close(self) -> None:
        """End all workers; may be called twice."""
        self._closed = True
        for worker in self._workers:
            worker.kill()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def replace(self, worker: Worker, alone: bool) -> None:
        """Put a fresh worker in the place of a dead or killed one."""
        worker.kill()
        fresh = start(self._api)
        self._workers[self._workers.index(worker)] = fresh
        finish_start(fresh)
        judge(fresh.layers, self._strict)
        fresh.alone = alone

    @property
    def workers(self) -> list[Worker]:
        """The processes, for tests that kill them."""
        return self._workers


class _Run:
    """One call of :meth:`Sandbox.run`."""

    def __init__(
        self,
        sandbox: Sandbox,
        programs: Sequence[str],
        inputs: Sequence[Sequence[Grid]],
        limits: Limits,
    ) -> None:
        self.sandbox, self.limits = sandbox, limits
        self.inputs = inputs
        self.found: list[Result | None] = [None] * len(programs)
        self.bodies: dict[int, bytes] = {}
        for number, (text, grids) in enumerate(zip(programs, inputs, strict=True)):
            _check_inputs(grids, number)
            data = _encoded(text, limits)
            if isinstance(data, bytes):
                packed = pack_grids(grids)
                self.bodies[number] = pack_request(data, packed, len(grids), limits)
            else:
                self.found[number] = data
        self.todo = deque(self.bodies)
        self.suspects: set[int] = set()

    def results(self) -> list[Result]:
        """Run until every program has a result; a worker with open requests never outlives it."""
        try:
            while self.todo or any(worker.waiting for worker in self.sandbox.workers):
                for worker in self.sandbox.workers:
                    self._feed(worker)
                self._step()
        except BaseException:
            for worker in list(self.sandbox.workers):
                if worker.waiting:
                    self.sandbox.replace(worker, alone=False)
            raise
        return [result for result in self.found if result is not None]

    def _feed(self, worker: Worker) -> None:
        while self.todo and len(worker.waiting) < (1 if worker.alone else 1 + _AHEAD):
            number = self.todo.popleft()
            worker.ask(number, self.bodies[number])

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
        dead: dict[Worker, Result] = {}
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
        del self.bodies[number]

    def _bury(self, worker: Worker, verdict: Result) -> None:
        """Ask again for what a worker still had; what was alone in it gets the verdict."""
        waiting = list(worker.waiting)
        if (worker.alone and len(waiting) == 1) or isinstance(verdict, TimedOut):
            if waiting:
                number = waiting.pop(0)
                self.found[number] = verdict
                del self.bodies[number]
            self.sandbox.replace(worker, alone=bool(waiting))
        else:
            self.sandbox.replace(worker, alone=True)
        self.todo.extendleft(reversed(waiting))


def run_programs(
    programs: Sequence[str],
    inputs: Sequence[Sequence[Grid]],
    limits: Limits | None = None,
    *,
    n_workers: int = 2,
    api: str = API,
    strict: bool = False,
) -> list[Result]:
    """Run programs in a sandbox of their own; the short form of :class:`Sandbox`.

    Starting workers takes a good part of a second: keep a Sandbox where there are more calls.

    Args:
        programs: texts that define ``task(grid)``.
        inputs: for each program the grids to run it on.
        limits: of each program.
        n_workers: processes that run programs at the same time.
        api: the module whose ``__all__`` programs may use without an import; "" for none.
        strict: refuse to run where the kernel lacks a layer.

    Raises:
        SandboxError: the call itself is wrong, or there can be no sandbox here.
    """
    with Sandbox(n_workers, limits, api, strict) as sandbox:
        return sandbox.run(programs, inputs)


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
