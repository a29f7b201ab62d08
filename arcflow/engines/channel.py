"""Messages between two processes: plain data, one JSON object a line, over a socket."""

import json
import socket
import time
from collections.abc import Mapping
from typing import Any

_CHUNK = 1 << 16


class Channel:
    """One end of a connection.

    Args:
        sock: a connected stream socket; owned from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lines: list[bytes] = []
        self._rest = b""

    def send(self, message: Mapping[str, Any], seconds: float | None = None) -> None:
        """Hand a message over.

        Raises:
            TimeoutError: the other side did not take it within ``seconds``; the connection is
                of no use afterwards.
            OSError: the other side is gone.
        """
        self._sock.settimeout(None if seconds is None else max(seconds, 1e-3))
        self._sock.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float | None = None) -> dict[str, Any]:
        """The next message.

        Raises:
            TimeoutError: none came within ``seconds``; it can be asked for again.
            EOFError: the other side is gone.
        """
        stop_at = None if seconds is None else time.monotonic() + seconds
        while not self._lines:
            left = None if stop_at is None else max(stop_at - time.monotonic(), 1e-3)
            self._sock.settimeout(left)
            try:
                chunk = self._sock.recv(_CHUNK)
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                raise EOFError("the other side is gone")
            *self._lines, self._rest = (self._rest + chunk).split(b"\n")
        message: dict[str, Any] = json.loads(self._lines.pop(0))
        return message

    def close(self) -> None:
        """End the connection."""
        self._sock.close()
