"""Messages between two processes: plain data, one JSON object per line, over a socket."""

import json
import socket
import time
from collections.abc import Mapping
from typing import Any

_CHUNK = 1 << 16


class Channel:
    """One end of a connection.

    Args:
        sock: A connected stream socket, which belongs to the channel from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lines: list[bytes] = []
        self._rest = b""

    def send(self, message: Mapping[str, Any], seconds: float | None = None) -> None:
        """Send a message.

        Args:
            message: JSON values only.
            seconds: A time limit, or None.

        Raises:
            TimeoutError: If the other side did not take it within ``seconds``; the connection
                cannot be used afterwards.
            OSError: If the other side is gone.
        """
        self._sock.settimeout(None if seconds is None else max(seconds, 1e-3))
        self._sock.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float | None = None) -> dict[str, Any]:
        """Wait for the next message and return it.

        Args:
            seconds: A time limit, or None.

        Returns:
            The message.

        Raises:
            TimeoutError: If none came within ``seconds``; the next call goes on waiting for it.
            EOFError: If the other side is gone.
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
        """Close the connection."""
        self._sock.close()
