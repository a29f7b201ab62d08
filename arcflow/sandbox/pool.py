"""A pool of warm workers that run programs, are killed on time and are replaced if they die."""

import os
import sys
import threading
import weakref
from collections.abc import Sequence
from types import TracebackType

from arcflow.core.grid import Grid
from arcflow.sandbox.layers import Layer, judge
from arcflow.sandbox.process import SandboxWorker, finish_start, start
from arcflow.sandbox.results import Limits, Result, SandboxError
from arcflow.sandbox.schedule import RunCall

API = "arcflow.omniarc.dsl"
PER_PROCESS = 16


class Sandbox:
    """A pool of workers that may be kept for hours; it is a context manager.

    Args:
        n_workers: The number of workers, which run programs at the same time.
        limits: The limits of each program, unless :meth:`run` is given others; None stands for the
            defaults of :class:`Limits`.
        api: The module whose ``__all__`` programs may use without an import; an empty string stands
            for no module.
        strict: Whether to refuse to run if the kernel lacks a layer; otherwise one missing layer
            gives a warning.
        per_process: The number of programs that run in one process, one after the other; with 1
            each program has a process of its own, which takes five times as long.

    Raises:
        SandboxError: If too many layers are missing, or if workers do not start.
    """

    def __init__(
        self,
        n_workers: int = 2,
        limits: Limits | None = None,
        api: str = API,
        strict: bool = False,
        per_process: int = PER_PROCESS,
    ) -> None:
        _check_positive("n_workers", n_workers, "Choose the number of cores.")
        _check_positive("per_process", per_process, f"Leave it out for {PER_PROCESS}.")
        if sys.platform != "linux":
            raise SandboxError(
                "there is no sandbox on this system",
                value=sys.platform,
                expected="linux",
                next_step="Run programs on Linux: a virtual machine or a container will do.",
            )
        self.limits = limits or Limits()
        self._api, self._strict, self._per_process = api, strict, per_process
        self._lock = threading.Lock()
        self._workers: list[SandboxWorker] = []
        self._closed = False
        self._owner = os.getpid()
        weakref.finalize(self, _kill, self._workers, self._owner)
        try:
            for _ in range(n_workers):
                self._workers.append(start(api))
            for worker in self._workers:
                finish_start(worker)
                judge(worker.layers, strict)
        except BaseException:
            self.close()
            raise

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that the workers reported."""
        return self._workers[0].layers

    def run(
        self,
        programs: Sequence[str],
        inputs: Sequence[Sequence[Grid]],
        limits: Limits | None = None,
        per_process: int | None = None,
    ) -> list[Result]:
        """Run each program on its own grids.

        Args:
            programs: Texts that define ``task(grid)``.
            inputs: For each program the grids to run it on.
            limits: The limits of each program; None takes those of the sandbox.
            per_process: The number of programs that may share a process; None takes that of the
                sandbox.

        Returns:
            One result for each program, in order. An error in a program is a result, not an
            exception.

        Raises:
            SandboxError: If an argument is wrong, if the sandbox is closed, or if no worker starts.
        """
        limits = limits or self.limits
        if per_process is None:
            per_process = self._per_process
        _check_positive("per_process", per_process, f"Leave it out for {self._per_process}.")
        if isinstance(programs, str):
            raise SandboxError(
                "programs is one text",
                value=programs[:40],
                expected="a list of texts",
                next_step="Pass [program].",
            )
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
            if self._owner != os.getpid():
                raise SandboxError(
                    "the sandbox belongs to another process",
                    value=os.getpid(),
                    expected=f"a call in process {self._owner}, which made it",
                    next_step="Make a Sandbox in each process, after the fork.",
                )
            return RunCall(
                self, programs, inputs, limits, per_process or self._per_process
            ).results()

    def close(self) -> None:
        """End all workers; a second call does nothing."""
        self._closed = True
        _kill(self._workers, self._owner)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def replace(self, worker: SandboxWorker, alone: bool) -> None:
        """Put a fresh worker in the place of a dead or killed one.

        Args:
            worker: The worker to replace.
            alone: Whether the fresh worker is to run one program at a time.

        Raises:
            SandboxError: If the fresh worker does not start, or if it lacks too many layers.
        """
        worker.kill()
        try:
            fresh = start(self._api)
            self._workers[self._workers.index(worker)] = fresh
            finish_start(fresh)
            judge(fresh.layers, self._strict)
        except BaseException:
            self.close()
            raise
        fresh.alone = alone

    @property
    def closed(self) -> bool:
        """Whether the sandbox is closed, so that no more programs can be run."""
        return self._closed

    @property
    def workers(self) -> list[SandboxWorker]:
        """The workers; tests use them to kill their processes."""
        return self._workers


def _kill(workers: Sequence[SandboxWorker], owner: int) -> None:
    """End workers, but only in the process that owns them: a fork of it must leave them alone."""
    if os.getpid() == owner:
        for worker in workers:
            worker.kill()


def _check_positive(name: str, value: int, next_step: str) -> None:
    if value < 1:
        raise SandboxError(
            f"{name} is too small", value=value, expected="1 or more", next_step=next_step
        )


def run_programs(
    programs: Sequence[str],
    inputs: Sequence[Sequence[Grid]],
    limits: Limits | None = None,
    *,
    n_workers: int = 2,
    api: str = API,
    strict: bool = False,
) -> list[Result]:
    """Run programs in a sandbox that exists for this call only.

    Starting the workers takes a good part of a second: keep a :class:`Sandbox` for repeated calls.

    Args:
        programs: Texts that define ``task(grid)``.
        inputs: For each program the grids to run it on.
        limits: The limits of each program; None stands for the defaults of :class:`Limits`.
        n_workers: The number of workers, which run programs at the same time.
        api: The module whose ``__all__`` programs may use without an import; an empty string stands
            for no module.
        strict: Whether to refuse to run if the kernel lacks a layer.

    Returns:
        One result for each program, in order.

    Raises:
        SandboxError: If an argument is wrong, or if there can be no sandbox on this machine.
    """
    with Sandbox(n_workers, limits, api, strict) as sandbox:
        return sandbox.run(programs, inputs)
