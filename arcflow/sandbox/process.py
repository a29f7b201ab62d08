"""One worker process, seen from the parent: start it, write to it, read bounded bytes, kill it."""

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
"""One thread, so that a worker may enter namespaces; one order of sets, so that a program gives
the same in every worker. A worker clears its environment before it sees a program."""


@dataclass(eq=False)
class SandboxWorker:
    """A running worker and what it has been asked.

    Attributes:
        process: the parser; the zygote dies with it.
        layers: what it gave up.
        waiting: numbers of the programs it has not answered for, the oldest first.
        since: when it began with the oldest one, at the latest.
        alone: it gets one program at a time, so that a death tells whose fault it was.
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
        """The descriptor that answers arrive at."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    @property
    def writes(self) -> int:
        """The descriptor that requests leave by."""
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    @property
    def unsent(self) -> bool:
        """Whether bytes wait to be written."""
        return bool(self._out)

    def ask(self, asks: Sequence[ProgramRequest], limits: Limits) -> None:
        """Queue a request."""
        if not self.waiting:
            self.since = time.monotonic()
        self.waiting.extend(ask.number for ask in asks)
        self._out += frame(0, pack_request(asks, limits))

    def send(self) -> None:
        """Write what the pipe takes.

        Raises:
            OSError: the worker is gone.
        """
        try:
            del self._out[: os.write(self.writes, self._out[:_CHUNK])]
        except BlockingIOError:
            return

    def receive(self) -> list[tuple[int, bytes]]:
        """The answers that have arrived.

        Raises:
            EOFError: the worker is gone.
            ProtocolError: what arrived is no answer to what was asked.
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
        """End it and what it forked."""
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.wait()


def start(api: str) -> SandboxWorker:
    """Start a worker; :func:`finish_start` waits for it."""
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
    """Wait until a worker has dropped its rights, and read its layers.

    Raises:
        SandboxError: it could not start.
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
