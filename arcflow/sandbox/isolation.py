"""The rights that a worker drops before it sees a program: one function for each layer.

Each function reports what it did. A layer that this kernel or this user lacks is reported, not
raised: the parent decides whether the others are enough (:func:`arcflow.sandbox.layers.judge`).
"""

import ctypes
import math
import os
import resource
from importlib import import_module
from typing import Any

from arcflow.sandbox.layers import Layer

NOBODY = 65_534
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x2008_0522
_NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = (
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
)

_libc = ctypes.CDLL(None, use_errno=True)


def _optional(name: str) -> Any:
    """Import a module if it is installed.

    This happens when this module is imported: once the rights are dropped, no file can be read.
    """
    try:
        return import_module(name)
    except ImportError:
        return None


_landlock = _optional("landlock")


class _Program(ctypes.Structure):
    """A ``struct sock_fprog``, which holds the instructions of a filter."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def clear_environment() -> Layer:
    """Delete all environment variables, so that no keys, paths or user name are left.

    Returns:
        The report on this layer.
    """
    os.environ.clear()
    return Layer("environment", True, "empty")


def close_descriptors(keep: tuple[int, ...]) -> Layer:
    """Close every file descriptor but some, whatever the parent had open.

    Args:
        keep: The descriptors that stay open.

    Returns:
        The report on this layer.
    """
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    top = 4096 if highest == resource.RLIM_INFINITY else min(highest, 1 << 20)
    low = 0
    for number in (*sorted(keep), top):
        if low < number:  # an empty range at 0 would be all descriptors
            os.closerange(low, number)
        low = number + 1
    return Layer("descriptors", True, f"all closed but {len(keep)} pipes")


def drop_root() -> Layer:
    """Change to the user nobody if the parent is root.

    Returns:
        The report on this layer.
    """
    if os.geteuid() != 0:
        return Layer("user", True, "not root")
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        return Layer("user", False, f"cannot give up root ({error})")
    return Layer("user", True, "root given up for nobody")


def enter_namespaces() -> Layer:
    """Enter new user, network, process, IPC and host-name namespaces.

    In them there is no network interface and no other process to signal or to trace. The process
    namespace holds the children that are forked from here on; the first of them is its init.

    Returns:
        The report on this layer.
    """
    names = "user, network, process, IPC and host-name namespaces"
    flags = _NEW_USER | _NEW_NET | _NEW_PID | _NEW_IPC | _NEW_UTS
    if _libc.unshare(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        return Layer("namespaces", False, f"no own namespaces for this user ({reason})")
    return Layer("namespaces", True, f"own {names}")


def drop_capabilities() -> Layer:
    """Drop all capabilities, also those in the new user namespace, and any way to gain one.

    Returns:
        The report on this layer.
    """
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if _libc.capset(ctypes.byref(header), ctypes.byref(none)) != 0:
        reason = os.strerror(ctypes.get_errno())
        return Layer("capabilities", False, f"cannot be dropped ({reason})")
    return Layer("capabilities", True, "none, no new privileges")


def set_rlimits() -> Layer:
    """Set the resource limits that hold for all processes of a worker.

    They forbid core dumps, writing to files, locked memory and message queues, and allow few
    descriptors.

    Returns:
        The report on this layer.
    """
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        hard = resource.getrlimit(limit)[1]
        if hard == resource.RLIM_INFINITY or hard > value:
            resource.setrlimit(limit, (value, value))
    return Layer("rlimits", True, "files, descriptors, memory, CPU and processes bounded")


def limit_memory(size: int) -> None:
    """Limit the address space of this process.

    Args:
        size: The limit in bytes.
    """
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def limit_program(memory_bytes: int, seconds: float) -> None:
    """Set the resource limits of a process that runs programs.

    They bound its address space and CPU time, and forbid new descriptors and new processes.

    Args:
        memory_bytes: The limit of the address space in bytes.
        seconds: The CPU time that the programs may take, in seconds; one second is added to it.
    """
    limit_memory(memory_bytes)
    cpu = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def lock_paths() -> Layer:
    """Apply a Landlock ruleset without any rule.

    After that no path can be read, listed, written, made, removed or run.

    Returns:
        The report on this layer.
    """
    if _landlock is None:
        return Layer("landlock", False, "the package landlock is missing")
    try:
        ctypes.set_errno(0)  # the library would take an older errno for its own
        _landlock.Ruleset().apply()
        version = _landlock.landlock_abi_version()
    except OSError as error:
        return Layer("landlock", False, f"not offered here ({error})")
    return Layer("landlock", True, f"no path may be opened (ABI {version})")


def filter_calls(instructions: bytes, missing: str = "") -> Layer:
    """Load a compiled seccomp filter, in addition to the filters that are loaded already.

    Args:
        instructions: The compiled filter, from :mod:`arcflow.sandbox.seccomp`; empty if there is
            none.
        missing: The reason why there is no filter, for the report.

    Returns:
        The report on this layer.
    """
    if not instructions:
        return Layer("seccomp", False, missing)
    program = _Program(len(instructions) // 8, instructions)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0:
        return Layer("seccomp", False, f"refused ({os.strerror(ctypes.get_errno())})")
    return Layer("seccomp", True, "programs reach their own memory and exit; no other system call")


def die_with_parent() -> None:
    """Let the kernel kill this process when the process that forked it ends.

    Any change of the user clears this setting.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
