"""What a worker drops before it sees a program: one function a layer, each says what it did.

A layer that this kernel or this user lacks is reported, not raised: the parent decides whether
the others are enough (:func:`arcflow.sandbox.layers.judge`).
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
    """Imported with this module: once rights are dropped there is no file to import from."""
    try:
        return import_module(name)
    except ImportError:
        return None


_landlock = _optional("landlock")


class _Program(ctypes.Structure):
    """``struct sock_fprog``: a filter's instructions."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def clear_environment() -> Layer:
    """Forget all variables: no keys, no paths, no user name."""
    os.environ.clear()
    return Layer("environment", True, "empty")


def close_descriptors(keep: tuple[int, ...]) -> Layer:
    """Close every descriptor but ``keep``, whatever the parent had open."""
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    top = 4096 if highest == resource.RLIM_INFINITY else min(highest, 1 << 20)
    low = 0
    for number in (*sorted(keep), top):
        if low < number:  # an empty range at 0 would be all descriptors
            os.closerange(low, number)
        low = number + 1
    return Layer("descriptors", True, f"all closed but {len(keep)} pipes")


def drop_root() -> Layer:
    """Become nobody, where the parent is root."""
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
    """Own user, network, process and IPC namespaces: no interfaces, nobody to signal or trace.

    The process namespace holds the children from here on; the first of them is its init.
    """
    names = "user, network, process, IPC and host-name namespaces"
    flags = _NEW_USER | _NEW_NET | _NEW_PID | _NEW_IPC | _NEW_UTS
    if _libc.unshare(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        return Layer("namespaces", False, f"no own namespaces for this user ({reason})")
    return Layer("namespaces", True, f"own {names}")


def drop_capabilities() -> Layer:
    """No capability, not even in the own user namespace, and no way to gain one."""
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if _libc.capset(ctypes.byref(header), ctypes.byref(none)) != 0:
        reason = os.strerror(ctypes.get_errno())
        return Layer("capabilities", False, f"cannot be dropped ({reason})")
    return Layer("capabilities", True, "none, no new privileges")


def set_rlimits() -> Layer:
    """No core dump, no byte to a file, no locked memory, no message queue, few descriptors."""
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
    """At most ``size`` bytes of address space."""
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def limit_program(memory_bytes: int, seconds: float) -> None:
    """The rlimits of one program's process: address space, CPU, no descriptor, no process."""
    limit_memory(memory_bytes)
    cpu = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def lock_paths() -> Layer:
    """Landlock without a rule: no path can be read, listed, written, made, removed or run."""
    if _landlock is None:
        return Layer("landlock", False, "the package landlock is missing")
    try:
        ctypes.set_errno(0)  # the library takes an earlier call's for its own
        _landlock.Ruleset().apply()
        version = _landlock.landlock_abi_version()
    except OSError as error:
        return Layer("landlock", False, f"not offered here ({error})")
    return Layer("landlock", True, f"no path may be opened (ABI {version})")


def filter_calls(instructions: bytes, missing: str = "") -> Layer:
    """Load a compiled seccomp filter; it adds to the filters that are loaded already.

    Args:
        instructions: from :mod:`arcflow.sandbox.seccomp`.
        missing: why there are none.
    """
    if not instructions:
        return Layer("seccomp", False, missing)
    program = _Program(len(instructions) // 8, instructions)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0:
        return Layer("seccomp", False, f"refused ({os.strerror(ctypes.get_errno())})")
    return Layer("seccomp", True, "programs reach their own memory and exit; no other system call")


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends; cleared by any change of user."""
    _libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
