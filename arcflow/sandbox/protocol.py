"""The messages between parent and worker: length-bounded frames of plain bytes.

Nothing is unpickled. The parent treats every byte of an answer as if the program had written it.
"""

import struct
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.sandbox.results import (
    BadOutput,
    Grids,
    Limits,
    Nondeterministic,
    OutOfMemory,
    Raised,
    Refused,
    Result,
    SyntaxProblem,
    TimedOut,
)

MAX_INPUTS = 1000
"""The largest number of grids that one program may be run on."""
MAX_ANSWER = 1 << 20
"""The largest size of an answer in bytes: 1000 grids of 30x30 cells and their sides fit."""
MAX_REQUEST = 2 << 20
"""The largest size of a request in bytes.

A program of 1 MB and 1000 grids fit, or many small ones together.
"""
MAX_MESSAGE = 500
"""The largest length of an error message in characters."""

GRIDS, SYNTAX, REFUSED, RAISED, TIMED_OUT, MEMORY, BAD, NONDETERMINISTIC = range(1, 9)
"""The first byte of an answer, which names its kind."""

_FRAME = struct.Struct("<II")
_REQUEST = struct.Struct("<dIIIH")
_PROGRAM = struct.Struct("<IIIH")
_MESSAGE = struct.Struct("<II")
_OUTPUTS = ("type", "shape", "values")
_COLORS = bytes(range(N_COLORS))


class ProtocolError(Exception):
    """An error for bytes that do not follow the protocol."""


def frame(number: int, body: bytes) -> bytes:
    """Return one message as bytes.

    Args:
        number: The number of the program that the message is about.
        body: The content of the message.

    Returns:
        The number, the length of the body, and the body.
    """
    return _FRAME.pack(number, len(body)) + body


def read_frame(stream: BinaryIO, limit: int) -> tuple[int, bytes] | None:
    """Read the next message of a blocking stream.

    Args:
        stream: The stream to read from.
        limit: The largest length of a body in bytes.

    Returns:
        The number and the body, or None at the end of the stream.

    Raises:
        ProtocolError: If the length is above the limit, or if the stream ends within a message.
    """
    head = stream.read(_FRAME.size)
    if not head:
        return None
    if len(head) < _FRAME.size:
        raise ProtocolError("the stream ended within a message")
    number, size = _FRAME.unpack(head)
    if size > limit:
        raise ProtocolError(f"a message of {size} bytes, at most {limit}")
    body = stream.read(size)
    if len(body) < size:
        raise ProtocolError("the stream ended within a message")
    return number, body


def take_frame(buffer: bytearray, limit: int) -> tuple[int, bytes] | None:
    """Remove the first message from the bytes that have arrived.

    Args:
        buffer: The bytes that have arrived; the message is cut off its beginning.
        limit: The largest length of a body in bytes.

    Returns:
        The number and the body, or None if the message is not complete yet.

    Raises:
        ProtocolError: If the length is above the limit.
    """
    if len(buffer) < _FRAME.size:
        return None
    number, size = _FRAME.unpack_from(buffer)
    if size > limit:
        raise ProtocolError(f"a message of {size} bytes, at most {limit}")
    if len(buffer) < _FRAME.size + size:
        return None
    body = bytes(buffer[_FRAME.size : _FRAME.size + size])
    del buffer[: _FRAME.size + size]
    return number, body


def pack_grids(grids: Sequence[Grid]) -> bytes:
    """Return grids as bytes.

    Args:
        grids: The grids, each of shape (H, W).

    Returns:
        For each grid one byte each for its height and width, and one byte for each cell.
    """
    parts = []
    for grid in grids:
        parts += [bytes(grid.shape), grid.tobytes()]
    return b"".join(parts)


def unpack_grids(data: bytes, count: int) -> list[Grid]:
    """Read grids from the bytes that :func:`pack_grids` gives, and check every cell.

    Args:
        data: The bytes.
        count: The expected number of grids.

    Returns:
        The grids, read-only int8 arrays of shape (H, W).

    Raises:
        ProtocolError: If the bytes are not ``count`` grids with sides 1 to 30 and cells 0 to 9.
    """
    grids, offset = [], 0
    for _ in range(count):
        if offset + 2 > len(data):
            raise ProtocolError("too few grids")
        height, width = data[offset], data[offset + 1]
        cells = data[offset + 2 : offset + 2 + height * width]
        offset += 2 + height * width
        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and offset <= len(data)):
            raise ProtocolError(f"a grid of {height}x{width} cells")
        if cells.translate(None, _COLORS):
            raise ProtocolError("a cell that is not 0 to 9")
        grids.append(freeze(np.frombuffer(cells, dtype=np.int8).reshape(height, width)))
    if offset != len(data):
        raise ProtocolError("bytes after the last grid")
    return grids


class ProgramRequest(NamedTuple):
    """A request to run one program.

    Attributes:
        number: The number by which the parent knows the program.
        text: The program's text; behind the parser, what the parser made of it.
        grids: The packed inputs.
        n_grids: The number of inputs.
    """

    number: int
    text: bytes
    grids: bytes
    n_grids: int


def request_size(request: ProgramRequest) -> int:
    """Return the number of bytes that one program takes up in a request."""
    return _PROGRAM.size + len(request.text) + len(request.grids)


def pack_request(requests: Sequence[ProgramRequest], limits: Limits) -> bytes:
    """Return programs as the bytes of one request.

    Args:
        requests: The programs, which may share a process.
        limits: The limits of each program.

    Returns:
        The body of a message.
    """
    parts = [
        _REQUEST.pack(limits.seconds, limits.memory_mb, limits.nodes, limits.depth, len(requests))
    ]
    for number, text, grids, n_grids in requests:
        parts += [_PROGRAM.pack(number, len(text), len(grids), n_grids), text, grids]
    return b"".join(parts)


def unpack_request(body: bytes) -> tuple[list[ProgramRequest], Limits]:
    """Read programs from the bytes that :func:`pack_request` gives.

    Args:
        body: The body of a message.

    Returns:
        The programs, and the limits; of these only the ones that a worker needs are set.
    """
    seconds, memory, nodes, depth, programs = _REQUEST.unpack_from(body)
    limits = Limits(seconds=seconds, memory_mb=memory, nodes=nodes, depth=depth)
    requests, offset = [], _REQUEST.size
    for _ in range(programs):
        number, size, packed, n_grids = _PROGRAM.unpack_from(body, offset)
        text, grids = offset + _PROGRAM.size, offset + _PROGRAM.size + size
        offset = grids + packed
        requests.append(ProgramRequest(number, body[text:grids], body[grids:offset], n_grids))
    return requests, limits


def pack_message(kind: int, first: str, second: str = "", number: int = 0) -> bytes:
    """Return an answer that consists of at most two texts and a number.

    Args:
        kind: The kind of the answer, its first byte.
        first: The first text, which is cut to ``MAX_MESSAGE`` characters.
        second: The second text, which is cut likewise.
        number: A line or an index; it is limited to 0 to 2**31.

    Returns:
        The body of a message.
    """
    head = first[:MAX_MESSAGE].encode("utf-8", "replace")
    tail = second[:MAX_MESSAGE].encode("utf-8", "replace")
    return bytes([kind]) + _MESSAGE.pack(min(max(number, 0), 2**31), len(head)) + head + tail


def unpack_answer(body: bytes, count: int, limits: Limits) -> Result:
    """Return the result that the bytes of a worker stand for.

    Args:
        body: The bytes from the worker, at most ``MAX_ANSWER``.
        count: The number of grids that the program was run on.
        limits: The limits that it was run with.

    Returns:
        The result of the program.

    Raises:
        ProtocolError: If the bytes are not an answer.
    """
    kind = body[0] if body else 0
    if kind == GRIDS:
        return Grids(tuple(unpack_grids(body[1:], count)))
    if kind == TIMED_OUT:
        return TimedOut(limits.seconds)
    if kind == MEMORY:
        return OutOfMemory(limits.memory_mb)
    if kind == NONDETERMINISTIC:
        return Nondeterministic()
    if kind not in (SYNTAX, REFUSED, RAISED, BAD) or len(body) < 1 + _MESSAGE.size:
        raise ProtocolError(f"an answer of unknown kind {kind}")
    number, size = _MESSAGE.unpack_from(body, 1)
    offset = 1 + _MESSAGE.size
    if offset + size > len(body):
        raise ProtocolError("a text that is cut off")
    first = body[offset : offset + size].decode("utf-8", "replace")[:MAX_MESSAGE]
    second = body[offset + size :].decode("utf-8", "replace")[:MAX_MESSAGE]
    if kind == SYNTAX:
        return SyntaxProblem(first, number)
    if kind == REFUSED:
        return Refused(first, number)
    if kind == RAISED:
        return Raised(first, second, number)
    if first not in _OUTPUTS:
        raise ProtocolError("an output that is bad in an unknown way")
    return BadOutput(first, second, number)


def write_all(stream: BinaryIO, data: bytes) -> None:
    """Write all bytes to a stream that may take fewer of them at a time.

    Args:
        stream: An unbuffered stream.
        data: The bytes to write.
    """
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]
