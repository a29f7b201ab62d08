"""A worker, which consists of a parser and a zygote that forks processes for programs.

The parser parses and compiles programs, and never runs them. It goes on with the next programs
while processes of the zygote run those that are compiled.
"""

import base64
import gc
import importlib
import json
import marshal
import mmap
import os
import warnings
from collections.abc import Callable
from types import CodeType
from typing import BinaryIO, NoReturn

from arcflow.sandbox import isolation
from arcflow.sandbox.ast_policy import check
from arcflow.sandbox.layers import Layer
from arcflow.sandbox.namespace import ProgramNamespace
from arcflow.sandbox.protocol import (
    GRIDS,
    MAX_REQUEST,
    REFUSED,
    SYNTAX,
    ProgramRequest,
    ProtocolError,
    frame,
    pack_message,
    pack_request,
    read_frame,
    unpack_grids,
    unpack_request,
    write_all,
)
from arcflow.sandbox.results import Limits, SyntaxProblem
from arcflow.sandbox.runner import run_program
from arcflow.sandbox.shared_state import SharedState
from arcflow.sandbox.zygote import CODE, VERDICT, Zygote

REQUESTS, ANSWERS = 0, 1
PARSER_BYTES = 512 << 20
"""The address space in bytes for parsing one program."""
_LATE_IMPORTS = (
    "unicodedata",
    "encodings.cp1252",
    "encodings.idna",
    "encodings.utf_16_be",
    "encodings.utf_16_le",
)
"""The modules that Python imports when it meets a name or ``\\N{...}`` beyond ASCII, or a codec.

No module can be imported any more once the rights are dropped.
"""
_WARM = b"""
import math
from collections import Counter, deque
def task(grid):
    a = np.array([[3.0, 1.0], [2.0, 4.0]])
    a.sum(), a.mean(), a.std(), a.min(), a.max(), a.prod()
    a.all(), a.any(), a.argmax(), a.var(axis=0), a.clip(0, 1), a.sort(), a.round(), a.trace()
    np.unique(grid, return_counts=True, axis=0), np.median(a), np.percentile(a, 5), np.pad(grid, 1)
    np.linalg.norm(a), np.linalg.inv(a), np.linalg.matrix_rank(a), np.einsum("ij->ji", a)
    np.histogram(a), np.isin(grid, [1]), np.kron(a, a), np.roll(a, 1), np.argwhere(a), np.tile(a, 2)
    np.bincount([1, 2]), np.convolve([1], [1]), np.interp(1, [1], [1]), np.gradient(a)
    np.r_[1, 2], np.c_[[1], [2]], np.mgrid[0:2, 0:2], np.ix_([0], [1])
    np.apply_along_axis(sum, 0, a)
    str(a), repr(grid), f"{a}", sorted({1: 2}.items()), Counter("ab"), deque([1]), math.sqrt(2)
    try:
        np.zeros((2, 2)) @ np.zeros((3, 3))
    except ValueError as error:
        str(error)
    try:
        a[5, 5]
    except IndexError as error:
        str(error)
    try:
        np.zeros((10**7, 10**7))
    except MemoryError as error:
        str(error)
    np.zeros(1) / np.zeros(1)
    return np.where(grid == 1, 2, grid)
"""
"""A program that uses at least once what numpy imports or makes at first use.

Once the rights are dropped, no file can be imported any more.
"""


def main() -> None:
    """Read the set-up, drop all rights, and serve until the requests end."""
    request_stream = os.fdopen(REQUESTS, "rb", closefd=False)
    answer_stream = os.fdopen(ANSWERS, "wb", buffering=0, closefd=False)
    first = read_frame(request_stream, MAX_REQUEST)
    if first is None:
        return
    setup = json.loads(first[1])
    program, parser, zygote = (
        base64.b64decode(setup[name]) for name in ("program", "parser", "zygote")
    )
    # Nobody would read the warnings of numpy or of the compiler here.
    warnings.simplefilter("ignore")
    try:
        namespace = warm_namespace(setup["api"])
    except Exception as error:  # noqa: BLE001 - an api module may fail in any way
        failure = {"error": f"{type(error).__name__}: {error}"}
        answer_stream.write(frame(0, json.dumps(failure).encode()))
        return
    base = _address_space()
    layers = [
        isolation.clear_environment(),
        isolation.close_descriptors((REQUESTS, ANSWERS)),
        isolation.drop_root(),
        isolation.enter_namespaces(),
    ]
    inner_read, inner_write = os.pipe()
    # Opened before the filter is loaded, which refuses the checks of their descriptors.
    inner = os.fdopen(inner_read, "rb")
    inner_out = os.fdopen(inner_write, "wb", buffering=0)
    # A garbage collection would write to shared objects and so copy their pages in every process.
    gc.collect()
    gc.freeze()
    gc.disable()
    pid = os.fork()
    if pid == 0:
        inner_out.close()
        os.close(REQUESTS)
        layers += _common()
        isolation.die_with_parent()
        layers.append(isolation.filter_calls(zygote, setup["missing"]))
        report = [[layer.name, layer.holds, layer.detail] for layer in layers]
        shared_state = SharedState(namespace)
        answer_stream.write(frame(0, json.dumps({"layers": report}).encode()))
        _serve(Zygote(inner, answer_stream, namespace, shared_state, program, base).serve)
    inner.close()
    os.close(ANSWERS)
    gc.enable()
    _common()
    isolation.limit_memory(base + PARSER_BYTES)
    isolation.filter_calls(parser)
    _serve(lambda: _parse_each(request_stream, inner_out, namespace))


def _serve(work: Callable[[], None]) -> NoReturn:
    """Do the work and end the process, whatever ends the work: there is nobody to report to.

    The zygote dies with the parser, and the parser at its next write if the zygote is gone.
    """
    try:
        work()
    finally:
        os._exit(0)


def _common() -> list[Layer]:
    return [isolation.drop_capabilities(), isolation.lock_paths(), isolation.set_rlimits()]


def warm_namespace(api: str) -> ProgramNamespace:
    """Return the names for programs after everything is loaded that programs may need.

    One program is run, so that all forks share what is imported or made at first use.

    Args:
        api: The module whose public names programs may use; an empty string stands for no module.

    Returns:
        The names that programs may use.

    Raises:
        ProtocolError: If the program that is run fails.
    """
    namespace = ProgramNamespace(api)
    for module in _LATE_IMPORTS:
        importlib.import_module(module)
    code = check(_WARM, Limits(), namespace)
    grid = unpack_grids(b"\x01\x01\x00", 1)
    if not isinstance(code, CodeType):
        raise ProtocolError(f"the policy refuses the warm-up program: {code}")
    answer = run_program(marshal.dumps(code), grid, namespace)
    if answer[0] != GRIDS:
        raise ProtocolError(f"the warm-up program fails: {answer!r}")
    return namespace


def _parse_each(request_stream: BinaryIO, inner: BinaryIO, namespace: ProgramNamespace) -> None:
    """Read programs and write their compiled code or a verdict."""
    while (message := read_frame(request_stream, MAX_REQUEST)) is not None:
        requests, limits = unpack_request(message[1])
        parsed = [_parsed(request, limits, namespace) for request in requests]
        write_all(inner, frame(0, pack_request(parsed, limits)))


def _parsed(request: ProgramRequest, limits: Limits, namespace: ProgramNamespace) -> ProgramRequest:
    """Return a program with its code instead of its text, or with a verdict and no grids."""
    code = check(request.text, limits, namespace)
    if isinstance(code, CodeType):
        return request._replace(text=CODE + marshal.dumps(code))
    if isinstance(code, SyntaxProblem):
        answer = pack_message(SYNTAX, code.message, number=code.line)
    else:
        answer = pack_message(REFUSED, code.construct, number=code.line)
    return request._replace(text=VERDICT + answer, grids=b"")


def _address_space() -> int:
    """Return the size of this process's address space in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE


if __name__ == "__main__":
    main()
