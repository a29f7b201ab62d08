"""GeneratorProcess: a child process that runs third-party generators under limits."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
_START = 60.0
"""The number of seconds in which the process has to start."""

_running: "weakref.WeakSet[GeneratorProcess]" = weakref.WeakSet()


class _DeathError(Exception):
    """An error for a process that ended without an answer."""

    def __init__(self, code: int) -> None:
        self.code = code


class GeneratorProcess:
    """A connection to a process that runs ARC-GEN's generators.

    The process is started when it is needed, and again after it was killed.

    Args:
        clone: The folder of the clone of ARC-GEN.
        memory: The limit of the process's memory, in MiB.
    """

    def __init__(self, clone: Path, memory: int) -> None:
        self.clone, self.memory = clone, memory
        self.starts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[Any, Any] | None = None

    def ask(self, request: Mapping[str, Any], patience: float) -> Any:
        """Return the answer of the process, or ``{"error": words}`` if it is silent or dies.

        Args:
            request: The request, in plain JSON as the worker takes it.
            patience: The wall-clock seconds after which the process is killed.
        """
        for _ in range(2):
            try:
                return self._ask(request, patience)
            except _DeathError as died:
                # Somebody else may have killed it, which must not change the sample: try once more.
                code = died.code
        return {"error": f"its process died with exit code {code}"}

    def _ask(self, request: Mapping[str, Any], patience: float) -> Any:
        starting = self._child is None
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            if starting:  # no generator is to blame if starting takes long on a busy machine
                _read_line(child.stdout.fileno(), time.monotonic() + _START)
            child.stdin.write(json.dumps({**request, "patience": patience}).encode() + b"\n")
            child.stdin.flush()
            line = _read_line(child.stdout.fileno(), time.monotonic() + patience)
        except BrokenPipeError:
            line = b""
        except TimeoutError:
            self.stop()
            return {"error": f"it was silent for {patience:g} s and was killed"}
        except BaseException:  # its late answer would be taken for that to the next request
            self.stop()
            raise
        if line:
            return json.loads(line)
        child.kill()
        code = child.wait()
        self.stop()
        raise _DeathError(code)

    def stop(self) -> None:
        """End the process; stopping again does nothing."""
        if self._end is not None:
            self._end()
        self._child = self._end = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.clone, self.memory)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._child is None:
            self.starts += 1
            # -P keeps this folder off the path, as its modules may be named like the clone's.
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-s", str(WORKER), str(self.clone), str(self.memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # A fixed hash seed makes the order of sets of strings the same everywhere.
                env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
                cwd=self.clone,
            )
            self._end = weakref.finalize(self, _stop, self._child)
            _running.add(self)
        return self._child

    def _forget(self) -> None:
        """Detach a forked copy from the process, which belongs to the parent.

        The copy closes its pipes, as the process has to see the end of the parent's pipe.
        """
        if self._end is not None and self._child is not None:
            self._end.detach()
            self._child.returncode = 0
            _close(self._child)
        self._child = self._end = None


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    child.wait()
    _close(child)


def _close(child: "subprocess.Popen[bytes]") -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # closing flushes a request that nobody reads
                pipe.close()


def _read_line(handle: int, end: float) -> bytes:
    """Return one line, or nothing if the other end is closed before the line ends.

    Raises:
        TimeoutError: The line is not complete at the time ``end``.
    """
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    parts: list[bytes] = []
    while True:
        left = end - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            raise TimeoutError
        part = os.read(handle, 1 << 16)
        if not part:
            return b""
        parts.append(part)
        if part.endswith(b"\n"):
            return b"".join(parts)


def _forget_in_child() -> None:
    for process in list(_running):
        process._forget()


os.register_at_fork(after_in_child=_forget_in_child)
