"""The process that vLLM runs in: its start, its messages and its end."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import arcflow
from arcflow.engines.channel import Channel

WORKER = "arcflow.engines.vllm_worker"
_OF_THE_TRAINER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK")


class WorkerError(RuntimeError):
    """The error of a process that died or had to be killed; its text is the reason."""


class VLLMProcess:
    """A child process that runs :mod:`arcflow.engines.vllm_worker`.

    It is killed and never asked to end, since it may hang. It dies with the thread that made it.

    Args:
        environment: Variables that are added to this process's environment; None removes one.
    """

    def __init__(self, environment: Mapping[str, str | None]) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in release)
        with theirs:
            self._process = subprocess.Popen(
                # -P: modules in the working directory must not replace those of libraries.
                [sys.executable, "-P", "-m", WORKER, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                env=_environment(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs or hangs, rather than having ended."""
        return self._process.poll() is None

    def send(self, message: Mapping[str, Any], seconds: float) -> None:
        """Send a message to the process.

        Args:
            message: JSON values only.
            seconds: A time limit.

        Raises:
            WorkerError: If the process is dead.
            TimeoutError: If it did not take the message in time.
        """
        try:
            self._channel.send(message, seconds)
        except TimeoutError:
            raise
        except OSError as error:
            raise self._died() from error

    def receive(self, seconds: float) -> dict[str, Any]:
        """Wait for the next message of the process and return it.

        Args:
            seconds: A time limit.

        Returns:
            The message.

        Raises:
            WorkerError: If the process is dead, or reports that it fails.
            TimeoutError: If no message came in time.
        """
        try:
            message = self._channel.receive(seconds)
        except TimeoutError:
            raise
        except (EOFError, OSError) as error:
            raise self._died() from error
        if "failed" in message:
            raise WorkerError(str(message["failed"]))
        return message

    def kill(self) -> None:
        """End the process and all processes that it started, at once."""
        if self.alive:
            with suppress(ProcessLookupError):  # it may end between the two
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def release(self) -> None:
        """Kill the process and close its files; only the thread that talks with it may do so."""
        self.kill()
        self._channel.close()
        self._log.close()

    def _died(self) -> WorkerError:
        # The connection may close a moment before the process is gone.
        stop_at = time.monotonic() + 5.0
        while self.alive and time.monotonic() < stop_at:
            time.sleep(0.01)
        self.kill()
        code = self._process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return WorkerError(f"the process ended with {how}{self._last_words()}")

    def _last_words(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), 2000, max(0, size - 2000))
        lines = [line.strip() for line in tail.decode(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return f"; the last line of its log: {last[:300]}" if last else ""


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    # A rank of a distributed trainer must not make vLLM wait for other ranks.
    all_changes: dict[str, str | None] = {
        name: None
        for name in os.environ
        if name in _OF_THE_TRAINER or name.startswith(("TORCHELASTIC_", "SLURM_"))
    }
    all_changes |= changes
    folder = str(Path(arcflow.__file__).parent.parent)
    paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    for name, value in all_changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment
