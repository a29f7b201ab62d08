"""The zygote: forks a process for programs, kills it on time, and passes bytes on.

It never looks into a program. A process is a copy-on-write image of the zygote and runs programs
one after the other. Of a failure that those before it may have caused, only its first program is
believed; the others are run again in a process that begins with them.
"""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from arcflow.sandbox import isolation as restrict
from arcflow.sandbox.namespace import ProgramNamespace
from arcflow.sandbox.protocol import (
    MAX_REQUEST,
    MEMORY,
    RAISED,
    TIMED_OUT,
    ProgramRequest,
    frame,
    pack_words,
    read_frame,
    unpack_request,
    write_all,
)
from arcflow.sandbox.results import Limits
from arcflow.sandbox.runner import run_programs
from arcflow.sandbox.shared_results import SharedResults

CODE, VERDICT = b"c", b"v"
"""What the parser puts before a program: its code follows, or the answer already."""
INNER_REQUEST = 4 * MAX_REQUEST
"""Bytes of a request behind the parser: code is longer than its text."""


@dataclass(frozen=True)
class Zygote:
    """Serves one worker.

    Attributes:
        requests: from the parser.
        answers: to the parent.
        offer: what programs may name.
        calls: filter of the system calls that programs may make; empty for none.
        base: bytes of address space that a process has before its first program.
    """

    requests: BinaryIO
    answers: BinaryIO
    offer: ProgramNamespace
    calls: bytes
    base: int

    def serve(self) -> None:
        """Until the requests end."""
        board = SharedResults()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        while (message := read_frame(self.requests, INNER_REQUEST)) is not None:
            asks, limits = unpack_request(message[1])
            for ask in asks:
                if ask.text[:1] == VERDICT:
                    self._tell([ask], [ask.text[1:]])
            left = [ask._replace(text=ask.text[1:]) for ask in asks if ask.text[:1] == CODE]
            while left:
                left = left[self._run(left, limits, board) :]

    def _tell(self, asks: Sequence[ProgramRequest], answers: Sequence[bytes]) -> None:
        for ask, answer in zip(asks, answers, strict=False):
            write_all(self.answers, frame(ask.number, answer))

    def _run(self, asks: Sequence[ProgramRequest], limits: Limits, board: SharedResults) -> int:
        """Run programs in one process; how many of them, from the first on, were answered."""
        board.clear()
        start = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self._become_programs(asks, limits, board)
        told = 0
        while True:
            left = start + limits.seconds - time.monotonic()
            signal.sigtimedwait({signal.SIGCHLD}, max(0.0, left))
            ended, status = os.waitpid(pid, os.WNOHANG)
            answers, since = board.take(len(asks) - told)
            self._tell(asks[told:], answers)
            told += len(answers)
            if ended:
                break
            if answers:
                # Programs write this time: it counts where another answer came, and in the past.
                start = max(start, min(since, time.monotonic()))
            if time.monotonic() < start + limits.seconds:
                continue
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            # One that ended at the last moment: the next one has not had its time.
            answers = board.take(len(asks) - told)[0] or [bytes([TIMED_OUT])]
            self._tell(asks[told:], answers)
            return min(told + len(answers), len(asks))
        if told == 0:
            self._tell(asks, [_verdict(status)])
        return max(told, 1)

    def _become_programs(
        self, asks: Sequence[ProgramRequest], limits: Limits, board: SharedResults
    ) -> NoReturn:
        """What a forked process does: drop the last rights, run programs, end."""
        try:
            os.close(self.requests.fileno())
            os.close(self.answers.fileno())
            restrict.die_with_parent()
            memory, cpu = limits.memory_mb << 20, limits.seconds * len(asks)
            restrict.limit_program(self.base + memory, cpu)
            if self.calls and not restrict.filter_calls(self.calls).holds:
                os._exit(1)
            run_programs(asks, self.offer, board)
        finally:
            os._exit(0)


def _verdict(status: int) -> bytes:
    """On a program whose process ended without an answer."""
    ended = os.waitstatus_to_exitcode(status)
    if ended == -signal.SIGXCPU:
        return bytes([TIMED_OUT])
    if ended == -signal.SIGKILL:  # not ours: the kernel was out of memory
        return bytes([MEMORY])
    how = signal.Signals(-ended).name if ended < 0 else f"exit code {ended}"
    return pack_words(RAISED, "Crash", f"the program's process ended by {how}")
