"""What the attacks on the sandbox share: a world to attack, sandboxes with layers switched off, a
program that must still be right after an attack, and what may not have happened."""

import ctypes
import os
import shutil
import socket
import string
import subprocess
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcflow.core.grid import make_grid
from arcflow.sandbox import (
    BadOutput,
    Grids,
    Limits,
    Nondeterministic,
    OutOfMemory,
    Raised,
    Refused,
    Result,
    Sandbox,
    SyntaxProblem,
    TimedOut,
    pool,
    process,
)
from arcflow.sandbox.seccomp import Filters

SECRET = "80794625131908273"
"""Stands in files, variables and memory; no result may hold it."""
NOBODY = 65_534
GRIDS = [make_grid([[1, 2], [3, 4]]), make_grid([[5]]), make_grid([[0, 0, 7]])]
LIMITS = Limits(seconds=2.0, memory_mb=128)
SHORT = Limits(seconds=0.2, memory_mb=128)
TYPED = (
    Grids, SyntaxProblem, Refused, Raised, TimedOut, OutOfMemory, BadOutput, Nondeterministic
)  # fmt: skip
CANARY = """
import math
from collections import Counter
def task(grid):
    cells = sorted({int(value) for value in grid.ravel()})
    assert np.unique(grid).tolist() == cells and len(cells) == len(set(cells))
    assert Counter("aab").most_common(1) == [("a", 2)] and math.sqrt(4.0) == 2.0 and 3.1 < np.pi
    assert (recolor(grid, {1: 2}) == np.where(grid == 1, 2, grid)).all()
    assert (rotate(rotate(grid)) == np.flip(grid)).all() and len(ORTHOGONAL) == 4
    assert np.pad(grid, 1).sum() == grid.sum() == sum(sum(row) for row in grid.tolist())
    assert (np.zeros(1) / np.ones(1)).tolist() == [0.0] and f"{1.5:.2f}" == "1.50" and 1 + 1 == 2
    assert str(np.array([1.0, 2.5])) == "[1.  2.5]" and max(grid.shape) >= 1
    return np.rot90(grid)
"""
"""Uses what attacks tamper with; gives its input turned once."""


@dataclass(frozen=True)
class Attack:
    """One program that tries to do harm.

    Attributes:
        kind: of attack.
        name: of this one, unique within its kind.
        program: its text; ``$FILE`` and so on stand for parts of the world. It has won where a
            result holds the secret or 3x3 nines, where the world has changed, or where the next
            program is wrong.
        whole: what the whole sandbox answers.
        modes: with which layers switched off it is run.
        slow: it needs its whole time.
        dies: the worker may die of it, and is replaced.
    """

    kind: str
    name: str
    program: str
    whole: tuple[type[Any], ...] = (Refused,)
    modes: tuple[str, ...] = ("whole", "no policy", "seccomp")
    slow: bool = False
    dies: bool = False


def won(statements: str) -> str:
    """A program that has won where its statements do not raise."""
    body = "\n    ".join(textwrap.dedent(statements).strip("\n").splitlines())
    return f"def task(grid):\n    {body}\n    return np.full((3, 3), 9)\n"


def mess(statements: str) -> str:
    """A program that leaves something behind for the next one."""
    return won(statements).replace("np.full((3, 3), 9)", "grid")


def steal(expression: str) -> str:
    """A program that has won where the value of its expression holds the secret."""
    return f"def task(grid):\n    raise ValueError(str({expression}))\n"


def attacks(kind: str, programs: Iterable[tuple[str, str]], **options: Any) -> list[Attack]:
    """Attacks of a kind from names and programs."""
    return [Attack(kind, name, program, **options) for name, program in programs]


# A sandbox with layers switched off. The package has no such switch: the worker is started with a
# script that takes layers out before it runs the same main().

_BARE = """
import asyncio, builtins, bz2, ctypes, gc, gzip, inspect, io, linecache, lzma, marshal, mmap, numpy
import multiprocessing.popen_fork, operator, pathlib, pickle, random, re, resource, select
import encodings.idna, shutil, signal, socket, sysconfig, urllib.request, zipfile
import string, subprocess, tempfile, threading, traceback, types, unicodedata, zlib
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import shared_memory
from arcflow.sandbox import ast_policy, isolation, namespace, outputs, worker
from arcflow.sandbox.layers import Layer

def check(text, limits, offered):
    try:
        return compile(text, outputs.FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return ast_policy.SyntaxProblem(str(error))

def init(self, api):
    real(self, api)
    self.builtins = vars(builtins)
    self.names["np"] = numpy

names = namespace.ProgramNamespace
real, names.__init__, worker.check = names.__init__, init, check
for name in OFF:
    setattr(isolation, name, lambda *ignored, name=name: Layer(name, False, "off"))
if "set_rlimits" in OFF:
    isolation.limit_program = lambda size, seconds: isolation.limit_memory(size)
worker.main()
"""
_OFF: dict[str, tuple[str, ...]] = {
    "no policy": (),
    "seccomp": ("enter_namespaces", "lock_paths", "set_rlimits"),
    "landlock": ("enter_namespaces", "filter_calls", "set_rlimits"),
    "namespaces": ("lock_paths", "filter_calls", "set_rlimits"),
    "rlimits": ("enter_namespaces", "lock_paths", "filter_calls"),
}
"""What is switched off besides the policy. A program's process always gives up root, and its
memory and time are always bounded: the machine that runs the tests is to survive them."""
MODES = ("whole", *_OFF)


class _Starter:
    """Stands for ``subprocess`` in the module that starts workers."""

    PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL

    def __init__(self, off: tuple[str, ...]) -> None:
        self.script = f"OFF = {off!r}\n{_BARE}"

    def Popen(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:  # noqa: N802
        at = command.index("-m")
        return subprocess.Popen([*command[:at], "-c", self.script], **options)


@contextmanager
def sandbox_of(mode: str) -> Iterator[Sandbox]:
    """One warm worker, whole or with layers switched off.

    Whole, programs share a process; it is the policy that lets them.
    """
    with pytest.MonkeyPatch.context() as patch:
        if mode != "whole":
            patch.setattr(process, "subprocess", _Starter(_OFF[mode]))
            patch.setattr(pool, "judge", lambda layers, strict: None)
            if "filter_calls" in _OFF[mode]:
                patch.setattr(process, "compile_filters", lambda: Filters(missing="off"))
        with Sandbox(1, LIMITS, per_process=16 if mode == "whole" else 1) as sandbox:
            yield sandbox


class Sandboxes:
    """The sandbox of one mode after another; parametrized tests come sorted by mode."""

    def __init__(self) -> None:
        self.mode = ""
        self.open = ExitStack()

    def of(self, mode: str) -> Sandbox:
        if mode != self.mode:
            self.open.close()
            self.mode, self.sandbox = mode, self.open.enter_context(sandbox_of(mode))
        if any(layer.name == mode and not layer.holds for layer in self.sandbox.layers):
            pytest.skip(f"this machine has no {mode}")
        return self.sandbox


class World:
    """What there is to attack: a folder, listening sockets, a process, this process's memory."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="attacks"))
        for name in ("secret.txt", "append.txt", "delete.txt", "program.py"):
            (self.folder / name).write_text(SECRET)
            (self.folder / name).chmod(0o666)
        np.save(self.folder / "grid.npy", np.array([int(digit) for digit in SECRET]))
        (self.folder / "grid.npy").chmod(0o666)
        (self.folder / "tool.sh").write_text(f"#!/bin/sh\ntouch {self.folder}/ran\n")
        (self.folder / "tool.sh").chmod(0o777)
        self.memory = ctypes.create_string_buffer(SECRET.encode())
        self.descriptor = os.open(self.folder / "secret.txt", os.O_RDWR)
        os.set_inheritable(self.descriptor, True)
        os.environ["ARCFLOW_ATTACKS"] = SECRET
        self.listening = [socket.socket() for _ in range(1)]
        self.listening[0].bind(("127.0.0.1", 0))
        self.port = self.listening[0].getsockname()[1]
        for address in (str(self.folder / "socket"), f"\0attacks{os.getpid()}"):
            self.listening.append(socket.socket(socket.AF_UNIX))
            self.listening[-1].bind(address)
        (self.folder / "socket").chmod(0o777)
        self.datagrams = socket.socket(type=socket.SOCK_DGRAM)
        self.datagrams.bind(("127.0.0.1", self.port))
        self.datagrams.setblocking(False)
        for listener in self.listening:
            listener.listen()
            listener.setblocking(False)
        self.folder.chmod(0o777)
        user = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
        # Of the user that programs run as, so that only the layers protect it.
        self.victim = subprocess.Popen(["sleep", "600"], **user)
        if user:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        self.before = self.files()
        self.words = {
            "FILE": str(self.folder / "secret.txt"),
            "FOLDER": str(self.folder),
            "PORT": str(self.port),
            "ABSTRACT": f"\\0attacks{os.getpid()}",
            "PARENT": str(os.getpid()),
            "VICTIM": str(self.victim.pid),
            "ADDRESS": str(ctypes.addressof(self.memory)),
            "DESCRIPTOR": str(self.descriptor),
        }

    def files(self) -> dict[str, tuple[object, ...]]:
        """Names, contents, permissions, links and times."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self.folder.rglob("*")):
            stat = path.lstat()
            text = path.read_bytes() if path.is_file() else b""
            found[path.name] = (text, stat.st_mode, stat.st_nlink, stat.st_mtime_ns, stat.st_uid)
        return found

    def assert_untouched(self) -> None:
        assert self.files() == self.before
        for listener in self.listening:
            with pytest.raises(BlockingIOError):
                listener.accept()
        with pytest.raises(BlockingIOError):
            self.datagrams.recv(1)
        assert self.victim.poll() is None
        state = Path(f"/proc/{self.victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state == "S"
        assert self.memory.value == SECRET.encode()
        assert not list(Path("/dev/shm").glob("attacks*"))

    def close(self) -> None:
        os.close(self.descriptor)
        del os.environ["ARCFLOW_ATTACKS"]
        for listener in (*self.listening, self.datagrams):
            listener.close()
        self.victim.kill()
        self.victim.wait()
        shutil.rmtree(self.folder)


def parameters(found: Iterable[Attack]) -> list[Any]:
    """Parameters ``mode, attack`` of a test, with readable ids, one mode after the other."""
    attacks = list(found)
    return [
        pytest.param(mode, attack, id=f"{mode}-{attack.kind}-{attack.name}".replace(" ", "_"))
        for mode in MODES
        for attack in attacks
        if mode in attack.modes
    ]


def assert_right(result: Result) -> None:
    """The canary's result."""
    assert isinstance(result, Grids), result
    for grid, output in zip(GRIDS, result.outputs, strict=True):
        np.testing.assert_array_equal(output, np.rot90(grid))


@pytest.fixture(scope="module", name="shared")
def surroundings() -> Iterator[tuple[Sandboxes, World]]:
    """What the tests of a module share."""
    world, sandboxes = World(), Sandboxes()
    with sandboxes.open:
        yield sandboxes, world
    world.close()


def assert_stopped(shared: tuple[Sandboxes, World], attack: Attack, mode: str) -> None:
    """Run an attack between two programs that must be right; nothing may have come of it."""
    sandboxes, world = shared
    sandbox = sandboxes.of(mode)
    text = attack.program.replace("$READ", "grid" if mode == "whole" else "open('$FILE').read()")
    text = string.Template(text).safe_substitute(world.words)
    worker = sandbox.workers[0].process.pid
    if attack.slow:
        (before,) = sandbox.run([CANARY], [GRIDS])
        (result,) = sandbox.run([text], [GRIDS], SHORT)
        (after,) = sandbox.run([CANARY], [GRIDS])
    else:
        before, result, after = sandbox.run([CANARY, text, CANARY], [GRIDS] * 3)
    assert_right(before)
    assert_right(after)
    assert isinstance(result, TYPED)
    assert mode != "whole" or isinstance(result, attack.whole), result
    # Without the policy an attack must be a program, or it is none.
    assert not isinstance(result, SyntaxProblem) or SyntaxProblem in attack.whole, result
    digits = "".join(c for c in _shown(result) if c.isdigit())
    assert SECRET not in digits, "the secret came out"
    assert not isinstance(result, BadOutput) or result.index < len(GRIDS), result
    if isinstance(result, Grids):
        assert not any(np.array_equal(grid, np.full((3, 3), 9)) for grid in result.outputs)
    world.assert_untouched()
    assert attack.dies or sandbox.workers[0].process.pid == worker, "the worker died"


def _shown(result: Result) -> str:
    if isinstance(result, Grids):
        return "".join(str(grid.ravel().tolist()) for grid in result.outputs)
    return repr(result)
