"""Memory for answers and progress that a process of programs shares with the zygote.

The zygote treats its content as if a program had written it: numbers are bounded, nothing is
unpickled, and times can only shorten what a program may take.
"""

import mmap
import struct
import time

from arcflow.sandbox.protocol import MAX_ANSWER

_HEAD = struct.Struct("<Id")
_SIZE = struct.Struct("<I")


class SharedResults:
    """Shared memory with answers, their number, and the time since when the next program runs."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _HEAD.size + MAX_ANSWER)
        self.clear()

    def clear(self) -> None:
        """Clear the memory for the next process."""
        self._at, self._done = _HEAD.size, 0
        self._shared[: _HEAD.size] = bytes(_HEAD.size)

    def begin(self) -> None:
        """Record that the next program starts now."""
        _HEAD.pack_into(self._shared, 0, self._done, time.monotonic())

    def add(self, answer: bytes) -> bool:
        """Write an answer behind the others.

        Args:
            answer: The bytes of the answer.

        Returns:
            Whether there was room for it.
        """
        end = self._at + _SIZE.size + len(answer)
        if end > len(self._shared):
            return False
        self._shared[self._at : end] = _SIZE.pack(len(answer)) + answer
        self._at, self._done = end, self._done + 1
        # The count is written last, so that every counted answer is complete.
        _HEAD.pack_into(self._shared, 0, self._done, time.monotonic())
        return True

    def take(self, most: int) -> tuple[list[bytes], float]:
        """Read the answers that are new since the last call.

        Args:
            most: The largest number of answers to read.

        Returns:
            The answers in order, and the time since when the next program has been running, in
            seconds of the monotonic clock.
        """
        done, since = _HEAD.unpack_from(self._shared)
        found: list[bytes] = []
        while self._done < done and len(found) < most:
            start = self._at + _SIZE.size
            size = int.from_bytes(self._shared[self._at : start], "little")
            end = start + size
            if size == 0 or end > len(self._shared):
                break
            found.append(self._shared[start:end])
            self._at, self._done = end, self._done + 1
        return found, since
