"""The parent's side of one worker: it starts, feeds, reads and kills the worker's process."""

import base64
import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from arcflow.sandbox.layers import Layer
from arcflow.sandbox.protocol import (
    MAX_ANSWER,
    ProgramRequest,
    ProtocolError,
    frame,
    pack_request,
    take_frame,
)
from arcflow.sandbox.results import Limits, SandboxError
from arcflow.sandbox.seccomp import compile_filters

START_SECONDS = 60.0
_CHUNK = 1 << 16
_VARIABLES = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
"""The environment of a worker, which it clears before it sees a program.

With one thread a worker may enter namespaces; with one hash seed, and so one order of sets, a
program gives the same result in every worker.
"""


@dataclass(eq=False)
class SandboxWorker:
    """A running worker and the requests that it has not answered yet.

    Attributes:
        process: The parser's process; the zygote dies with it.
        layers: The layers that the worker reported.
        waiting: The numbers of the programs without an answer, the oldest first.
        since: The latest time at which the worker began with the oldest of them, in seconds of the
            monotonic clock.
        alone: Whether the worker gets one program at a time, so that it is known which program
            caused a death.
    """

    process: subprocess.Popen[bytes]
    layers: tuple[Layer, ...] = ()
    waiting: deque[int] = field(default_factory=deque)
    since: float = 0.0
    alone: bool = False
    _out: bytearray = field(default_factory=bytearray)
    _in: bytearray = field(default_factory=bytearray)

    @property
    def reads(self) -> int:
        """The file descriptor that answers are read from."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    @property
    def writes(self) -> int:
        """The file descriptor that requests are written to."""
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    @property
    def unsent(self) -> bool:
        """Whether there are bytes that are not written yet."""
        return bool(self._out)

    def submit(self, requests: Sequence[ProgramRequest], limits: Limits) -> None:
        """Queue a message with programs to run; :meth:`send` writes it.

        Args:
            requests: The programs, which may share a process.
            limits: The limits of each program.
        """
        if not self.waiting:
            self.since = time.monotonic()
        self.waiting.extend(request.number for request in requests)
        self._out += frame(0, pack_request(requests, limits))

    def send(self) -> None:
        """Write as many queued bytes as the pipe takes.

        Raises:
            OSError: If the worker is gone.
        """
        try:
            del self._out[: os.write(self.writes, self._out[:_CHUNK])]
        except BlockingIOError:
            return

    def receive(self) -> list[tuple[int, bytes]]:
        """Read the answers that have arrived.

        Returns:
            The number of each answered program and the bytes of its answer, in order of arrival.

        Raises:
            EOFError: If the worker is gone.
            ProtocolError: If the bytes are not an answer to a request.
        """
        try:
            data = os.read(self.reads, _CHUNK)
        except BlockingIOError:
            return []
        if not data:
            raise EOFError
        self._in += data
        found = []
        while (message := take_frame(self._in, MAX_ANSWER)) is not None:
            if message[0] not in self.waiting:
                raise ProtocolError("an answer that nobody asked for")
            self.waiting.remove(message[0])
            self.since = time.monotonic()
            found.append(message)
        return found

    def kill(self) -> None:
        """Kill the worker and the processes that it forked."""
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.wait()


def start(api: str) -> SandboxWorker:
    """Start a worker without waiting for it; :func:`finish_start` waits.

    Args:
        api: The module whose ``__all__`` programs may use; an empty string stands for no module.

    Returns:
        The worker.
    """
    filters = compile_filters()
    process = subprocess.Popen(
        [sys.executable, "-s", "-P", "-m", "arcflow.sandbox.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_VARIABLES
        | {"PYTHONPATH": os.pathsep.join(folder or os.getcwd() for folder in sys.path)},
        cwd="/",
        bufsize=0,
        start_new_session=True,
    )
    worker = SandboxWorker(process)
    setup = {
        "api": api,
        "missing": filters.missing,
        "program": base64.b64encode(filters.program).decode(),
        "parser": base64.b64encode(filters.parser).decode(),
        "zygote": base64.b64encode(filters.zygote).decode(),
    }
    os.write(worker.writes, frame(0, json.dumps(setup).encode()))
    return worker


def finish_start(worker: SandboxWorker) -> None:
    """Wait until a worker has dropped its rights, and read the layers that it reports.

    Args:
        worker: A worker from :func:`start`; its ``layers`` are set.

    Raises:
        SandboxError: If the worker could not start.
    """
    end = time.monotonic() + START_SECONDS
    report: dict[str, Any] = {"error": "no answer"}
    buffer = bytearray()
    while (left := end - time.monotonic()) > 0 and select.select([worker.reads], [], [], left)[0]:
        data = os.read(worker.reads, _CHUNK)
        buffer += data
        message = take_frame(buffer, MAX_ANSWER)
        if message is not None:
            report = json.loads(message[1])
            break
        if not data:
            report = {"error": f"it ended with code {worker.process.wait()}"}
            break
    if "error" in report:
        worker.kill()
        raise SandboxError(
            "a sandbox worker did not start",
            value=report["error"],
            expected="a Python that imports arcflow and the api module",
            next_step="Check the api option, and that Python can start processes here.",
        )
    worker.layers = tuple(Layer(name, holds, detail) for name, holds, detail in report["layers"])
    os.set_blocking(worker.reads, False)
    os.set_blocking(worker.writes, False)
