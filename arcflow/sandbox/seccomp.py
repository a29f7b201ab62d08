"""The system calls that a worker may make, as seccomp filters that libseccomp compiles to bytes."""

import errno
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

MAP_ANONYMOUS, PROT_EXEC = 0x20, 0x4
_NO_FORK_FLAGS = 0x7E02_0000 | 0x1_0000 | 0x100 | 0x80
"""Flags of clone for new namespaces, threads and shared memory; without them it is a plain fork."""

_MEMORY = ("munmap", "mremap", "madvise", "brk")
_QUIET = ("futex", "exit", "exit_group", "rt_sigreturn", "clock_gettime", "sched_yield")
_STREAMS = ("read", "write", "close", "wait4")
_ZYGOTE = ("kill", "rt_sigtimedwait", "rt_sigprocmask", "set_robust_list", "rseq", "getpid",
           "gettid", "getppid", "prctl", "seccomp", "prlimit64", "setrlimit",
           "getrlimit")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filters:
    """Compiled filters, which allow the named system calls and answer EPERM to all others.

    Attributes:
        program: The filter of a process that runs programs: its own memory, and to end.
        parser: The filter of the process that parses programs: also to read and write its pipes.
        zygote: The filter of the process that forks processes for programs: also to fork and kill.
        missing: The reason why there are no filters; empty if there are some.
    """

    program: bytes = b""
    parser: bytes = b""
    zygote: bytes = b""
    missing: str = ""


@cache
def compile_filters() -> Filters:
    """Compile the filters for this machine's architecture, once in each process.

    Returns:
        The filters, or the reason why they are missing.
    """
    try:
        seccomp = import_module("pyseccomp")
    except (ImportError, RuntimeError, OSError) as error:
        return Filters(missing=f"pyseccomp or libseccomp is missing ({error})")
    try:
        return Filters(
            _compile(seccomp, ()),
            _compile(seccomp, _STREAMS),
            _compile(seccomp, (*_STREAMS, *_ZYGOTE), forks=True),
        )
    except (OSError, ValueError) as error:
        return Filters(missing=f"libseccomp cannot compile the filters ({error})")


def _compile(seccomp: Any, calls: tuple[str, ...], forks: bool = False) -> bytes:
    """Return the BPF instructions of a filter, 8 bytes each."""
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    masked, allow = seccomp.MASKED_EQ, seccomp.ALLOW
    for name in (*_MEMORY, *_QUIET, *calls):
        rules.add_rule(allow, name)
    # Allow neither new executable memory nor files mapped into memory.
    anonymous = seccomp.Arg(3, masked, MAP_ANONYMOUS, MAP_ANONYMOUS)
    rules.add_rule(allow, "mmap", seccomp.Arg(2, masked, PROT_EXEC, 0), anonymous)
    rules.add_rule(allow, "mprotect", seccomp.Arg(2, masked, PROT_EXEC, 0))
    if forks:
        rules.add_rule(allow, "clone", seccomp.Arg(0, masked, _NO_FORK_FLAGS, 0))
        # The C library then falls back to clone, whose flags a filter can read.
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
