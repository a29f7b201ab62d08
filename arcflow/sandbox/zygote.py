"""The zygote, which forks processes for programs, kills them on time and passes bytes on.

It never looks into a program. A process is a copy-on-write image of the zygote and runs programs
one after the other. A failure that earlier programs of the process may have caused counts only
for its first program; the others are run again in a process that begins with them.
"""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from arcflow.sandbox import isolation
from arcflow.sandbox.namespace import ProgramNamespace
from arcflow.sandbox.protocol import (
    MAX_REQUEST,
    MEMORY,
    RAISED,
    TIMED_OUT,
    ProgramRequest,
    frame,
    pack_message,
    read_frame,
    unpack_request,
    write_all,
)
from arcflow.sandbox.results import Limits
from arcflow.sandbox.runner import run_programs
from arcflow.sandbox.shared_results import SharedResults
from arcflow.sandbox.shared_state import SharedState

CODE, VERDICT = b"c", b"v"
"""The byte that the parser puts before the code of a program, or before a finished answer."""
INNER_REQUEST = 4 * MAX_REQUEST
"""The largest size in bytes of a request from the parser: code is longer than its text."""


@dataclass(frozen=True)
class Zygote:
    """The part of a worker that forks the processes of programs.

    Attributes:
        request_stream: The stream of requests from the parser.
        answer_stream: The stream of answers to the parent.
        namespace: The names that programs may use.
        shared_state: The state that programs of one process share.
        calls: The filter of the system calls that programs may make; empty if there is none.
        base: The address space in bytes that a process has before its first program.
    """

    request_stream: BinaryIO
    answer_stream: BinaryIO
    namespace: ProgramNamespace
    shared_state: SharedState
    calls: bytes
    base: int

    def serve(self) -> None:
        """Run programs until the requests end."""
        shared_results = SharedResults()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        while (message := read_frame(self.request_stream, INNER_REQUEST)) is not None:
            requests, limits = unpack_request(message[1])
            for request in requests:
                if request.text[:1] == VERDICT:
                    self._send([request], [request.text[1:]])
            left = [
                request._replace(text=request.text[1:])
                for request in requests
                if request.text[:1] == CODE
            ]
            while left:
                left = left[self._run(left, limits, shared_results) :]

    def _send(self, requests: Sequence[ProgramRequest], answers: Sequence[bytes]) -> None:
        for request, answer in zip(requests, answers, strict=False):
            write_all(self.answer_stream, frame(request.number, answer))

    def _run(
        self, requests: Sequence[ProgramRequest], limits: Limits, shared_results: SharedResults
    ) -> int:
        """Run programs in one process.

        Returns:
            The number of programs, from the first on, that were answered.
        """
        shared_results.clear()
        start = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self._become_programs(requests, limits, shared_results)
        sent = 0
        while True:
            left = start + limits.seconds - time.monotonic()
            signal.sigtimedwait({signal.SIGCHLD}, max(0.0, left))
            ended, status = os.waitpid(pid, os.WNOHANG)
            answers, since = shared_results.take(len(requests) - sent)
            self._send(requests[sent:], answers)
            sent += len(answers)
            if ended:
                break
            if answers:
                # Programs write this time: it counts only with a new answer and if it has passed.
                start = max(start, min(since, time.monotonic()))
            if time.monotonic() < start + limits.seconds:
                continue
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            # If a program ended at the last moment, the next one has not had its time.
            answers = shared_results.take(len(requests) - sent)[0] or [bytes([TIMED_OUT])]
            self._send(requests[sent:], answers)
            return min(sent + len(answers), len(requests))
        if sent == 0:
            self._send(requests, [_verdict(status)])
        return max(sent, 1)

    def _become_programs(
        self, requests: Sequence[ProgramRequest], limits: Limits, shared_results: SharedResults
    ) -> NoReturn:
        """Drop the last rights of a forked process, run programs in it, and end it."""
        try:
            os.close(self.request_stream.fileno())
            os.close(self.answer_stream.fileno())
            isolation.die_with_parent()
            memory, cpu = limits.memory_mb << 20, limits.seconds * len(requests)
            isolation.limit_program(self.base + memory, cpu)
            if self.calls and not isolation.filter_calls(self.calls).holds:
                os._exit(1)
            run_programs(requests, self.namespace, self.shared_state, shared_results)
        finally:
            os._exit(0)


def _verdict(status: int) -> bytes:
    """Return the answer for a program whose process ended without one."""
    ended = os.waitstatus_to_exitcode(status)
    if ended == -signal.SIGXCPU:
        return bytes([TIMED_OUT])
    if ended == -signal.SIGKILL:  # not sent by the zygote: the kernel was out of memory
        return bytes([MEMORY])
    how = signal.Signals(-ended).name if ended < 0 else f"exit code {ended}"
    return pack_message(RAISED, "Crash", f"the program's process ended by {how}")
