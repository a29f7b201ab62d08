"""What parent and worker write to each other: length-bounded frames of plain bytes.

Nothing is unpickled. The parent takes every byte of an answer as if the program had written it.
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
"""Grids that one program may be run on."""
MAX_ANSWER = 1 << 20
"""Bytes of an answer: 1000 grids of 30x30 and their sides fit."""
MAX_REQUEST = 2 << 20
"""Bytes of a request: a program of 1 MB and 1000 grids fit, or many small ones together."""
MAX_WORDS = 500
"""Characters of a message."""

GRIDS, SYNTAX, REFUSED, RAISED, TIMED_OUT, MEMORY, BAD, UNSTEADY = range(1, 9)
"""An answer's first byte."""

_FRAME = struct.Struct("<II")
_REQUEST = struct.Struct("<dIIIH")
_ASK = struct.Struct("<IIIH")
_WORDS = struct.Struct("<II")
_OUTPUTS = ("type", "shape", "values")
_COLORS = bytes(range(N_COLORS))


class ProtocolError(Exception):
    """Bytes that are no answer."""


def frame(number: int, body: bytes) -> bytes:
    """One message: the request's number, the body's length, the body."""
    return _FRAME.pack(number, len(body)) + body


def read_frame(stream: BinaryIO, limit: int) -> tuple[int, bytes] | None:
    """The next message of a blocking stream, None at its end.

    Raises:
        ProtocolError: a length above the limit, or an end within a message.
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
    """Cut the first message off what has arrived; None where it is not whole yet.

    Raises:
        ProtocolError: a length above the limit.
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
    """Sides and cells of grids, one after the other."""
    parts = []
    for grid in grids:
        parts += [bytes(grid.shape), grid.tobytes()]
    return b"".join(parts)


def unpack_grids(data: bytes, count: int) -> list[Grid]:
    """The inverse of :func:`pack_grids`, with every cell checked.

    Raises:
        ProtocolError: other than ``count`` grids of sides 1..30 and cells 0..9.
    """
    grids, at = [], 0
    for _ in range(count):
        if at + 2 > len(data):
            raise ProtocolError("too few grids")
        height, width = data[at], data[at + 1]
        cells = data[at + 2 : at + 2 + height * width]
        at += 2 + height * width
        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and at <= len(data)):
            raise ProtocolError(f"a grid of {height}x{width} cells")
        if cells.translate(None, _COLORS):
            raise ProtocolError("a cell that is not 0 to 9")
        grids.append(freeze(np.frombuffer(cells, dtype=np.int8).reshape(height, width)))
    if at != len(data):
        raise ProtocolError("bytes after the last grid")
    return grids


class ProgramRequest(NamedTuple):
    """One program to run.

    Attributes:
        number: by which the parent knows it.
        text: the program; behind the parser what the parser made of it.
        grids: packed inputs.
        n_grids: how many.
    """

    number: int
    text: bytes
    grids: bytes
    n_grids: int


def ask_bytes(ask: ProgramRequest) -> int:
    """What one program takes of a request."""
    return _ASK.size + len(ask.text) + len(ask.grids)


def pack_request(asks: Sequence[ProgramRequest], limits: Limits) -> bytes:
    """Programs that may share a process, and the limits of each."""
    parts = [_REQUEST.pack(limits.seconds, limits.memory_mb, limits.nodes, limits.depth, len(asks))]
    for number, text, grids, n_grids in asks:
        parts += [_ASK.pack(number, len(text), len(grids), n_grids), text, grids]
    return b"".join(parts)


def unpack_request(body: bytes) -> tuple[list[ProgramRequest], Limits]:
    """The inverse of :func:`pack_request`; of the limits those that a worker needs."""
    seconds, memory, nodes, depth, programs = _REQUEST.unpack_from(body)
    limits = Limits(seconds=seconds, memory_mb=memory, nodes=nodes, depth=depth)
    asks, at = [], _REQUEST.size
    for _ in range(programs):
        number, size, packed, n_grids = _ASK.unpack_from(body, at)
        text, grids = at + _ASK.size, at + _ASK.size + size
        at = grids + packed
        asks.append(ProgramRequest(number, body[text:grids], body[grids:at], n_grids))
    return asks, limits


def pack_words(kind: int, first: str, second: str = "", number: int = 0) -> bytes:
    """An answer of at most two texts and a number."""
    head = first[:MAX_WORDS].encode("utf-8", "replace")
    tail = second[:MAX_WORDS].encode("utf-8", "replace")
    return bytes([kind]) + _WORDS.pack(min(max(number, 0), 2**31), len(head)) + head + tail


def unpack_answer(body: bytes, count: int, limits: Limits) -> Result:
    """The result that a worker's bytes stand for.

    Args:
        body: from the worker, at most MAX_ANSWER bytes.
        count: grids that the program was run on.
        limits: that it was run with.

    Raises:
        ProtocolError: the bytes are no answer.
    """
    kind = body[0] if body else 0
    if kind == GRIDS:
        return Grids(tuple(unpack_grids(body[1:], count)))
    if kind == TIMED_OUT:
        return TimedOut(limits.seconds)
    if kind == MEMORY:
        return OutOfMemory(limits.memory_mb)
    if kind == UNSTEADY:
        return Nondeterministic()
    if kind not in (SYNTAX, REFUSED, RAISED, BAD) or len(body) < 1 + _WORDS.size:
        raise ProtocolError(f"an answer of unknown kind {kind}")
    number, size = _WORDS.unpack_from(body, 1)
    at = 1 + _WORDS.size
    if at + size > len(body):
        raise ProtocolError("a text that is cut off")
    first = body[at : at + size].decode("utf-8", "replace")[:MAX_WORDS]
    second = body[at + size :].decode("utf-8", "replace")[:MAX_WORDS]
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
    """Write all of it: an unbuffered stream may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]
