"""Each layer alone: a process that has only this one cannot do what it stops."""

import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from arcflow.sandbox import Sandbox, SandboxError, layers
from arcflow.sandbox.layers import KERNEL, MUST, Layer, judge
from arcflow.sandbox.seccomp import compile_filters

HEAD = """
import mmap, os, socket, subprocess, sys, ctypes, signal, resource, threading
from arcflow.sandbox import isolation as restrict
from arcflow.sandbox.seccomp import compile_filters
libc = ctypes.CDLL(None, use_errno=True)

def attempt(name, action):
    try:
        value = action()
    except BaseException as error:
        value = type(error).__name__
    print(name, value)

filters = compile_filters()
"""


def child(body: str, **variables: str) -> dict[str, str]:
    """What a fresh process prints with ``attempt(name, action)``."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(body)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def need(layer: str, found: dict[str, str]) -> None:
    if found[layer] != "True":
        pytest.skip(f"this machine has no {layer}")


def test_environment() -> None:
    found = child(
        """
        attempt("before", lambda: "ARC_KEY" in os.environ)
        restrict.clear_environment()
        attempt("after", lambda: dict(os.environ))
        attempt("c", lambda: libc.getenv(b"ARC_KEY"))
        """,
        ARC_KEY="secret",
    )
    assert (found["before"], found["after"], found["c"]) == ("True", "{}", "0")


def test_descriptors(tmp_path: Path) -> None:
    found = child(f"""
        secret = os.open({str(tmp_path)!r}, os.O_RDONLY)
        high = os.dup2(secret, 900)
        attempt("before", lambda: os.fstat(high).st_nlink > 0)
        restrict.close_descriptors((0, 1, 2))
        attempt("low", lambda: os.fstat(secret))
        attempt("high", lambda: os.fstat(high))
        attempt("kept", lambda: os.fstat(1).st_nlink >= 0)
        """)
    assert found == {"before": "True", "low": "OSError", "high": "OSError", "kept": "True"}


def test_descriptors_close_nothing_that_is_kept_at_zero() -> None:
    found = child("""
        restrict.close_descriptors((0, 1))
        attempt("zero", lambda: os.fstat(0).st_nlink >= 0)
        """)
    assert found == {"zero": "True"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root up")
def test_user() -> None:
    found = child("""
        restrict.drop_root()
        attempt("ids", lambda: set(os.getresuid() + os.getresgid()) == {65534})
        attempt("groups", os.getgroups)
        attempt("back", lambda: os.setuid(0))
        """)
    assert found == {"ids": "True", "groups": "[]", "back": "PermissionError"}


def test_namespaces() -> None:
    found = child("""
        attempt("namespaces", lambda: restrict.enter_namespaces().holds)
        attempt("interfaces", socket.if_nameindex)
        def connect():
            socket.create_connection(("127.0.0.1", 22), timeout=1)
        attempt("connect", connect)
        sys.stdout.flush()
        if os.fork() == 0:
            attempt("init", os.getpid)
            attempt("others", lambda: os.kill(2, 0))
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        """)
    need("namespaces", found)
    assert found["interfaces"] in ("[(1, 'lo')]", "[]")  # lo is there, and down
    assert found["connect"] == "OSError"
    assert (found["init"], found["others"]) == ("1", "ProcessLookupError")


def test_capabilities() -> None:
    found = child("""
        restrict.drop_capabilities()
        lines = dict(line.split(":\\t") for line in open("/proc/self/status") if ":\\t" in line)
        attempt("effective", lambda: int(lines["CapEff"], 16))
        attempt("permitted", lambda: int(lines["CapPrm"], 16))
        attempt("no_new", lambda: int(lines["NoNewPrivs"]))
        attempt("chroot", lambda: os.chroot("/"))
        """)
    assert found == {
        "effective": "0",
        "permitted": "0",
        "no_new": "1",
        "chroot": "PermissionError",
    }


def test_rlimits(tmp_path: Path) -> None:
    found = child(f"""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        restrict.set_rlimits()
        def write():
            with open({str(tmp_path / "colors.txt")!r}, "w") as file:
                file.write("blue")
        attempt("write", write)
        attempt("many", lambda: [os.dup(1) for _ in range(20)])
        attempt("raise", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)))
        """)
    assert found["write"] == "OSError"
    assert found["many"] == "OSError"
    assert (tmp_path / "colors.txt").read_text() == ""


def test_limits_of_a_program(tmp_path: Path) -> None:
    found = child(f"""
        size = int(open("/proc/self/statm").read().split()[0]) * 4096
        path = {str(tmp_path)!r}
        restrict.drop_root()
        restrict.drop_capabilities()
        restrict.limit_program(size + (64 << 20), 1.0)
        attempt("small", lambda: len(bytes(16 << 20)))
        attempt("big", lambda: len(bytes(128 << 20)))
        attempt("open", lambda: os.open(path, os.O_RDONLY))
        attempt("fork", os.fork)
        attempt("thread", lambda: threading.Thread(target=int).start())
        attempt("cpu", lambda: resource.getrlimit(resource.RLIMIT_CPU))
        """)
    assert found["small"] == str(16 << 20)
    assert found["big"] == "MemoryError"
    assert found["open"] in ("OSError", "PermissionError")
    assert found["fork"] == "BlockingIOError"
    assert found["thread"] == "RuntimeError"
    assert found["cpu"] == "(2, 3)"


def test_landlock(tmp_path: Path) -> None:
    (tmp_path / "answers.json").write_text("{}")
    found = child(f"""
        import shutil
        attempt("landlock", lambda: restrict.lock_paths().holds)
        folder = {str(tmp_path)!r}
        path = folder + "/answers.json"
        attempt("read", lambda: open(path).read())
        attempt("write", lambda: open(path, "w"))
        attempt("append", lambda: open(path, "a"))
        attempt("create", lambda: open(folder + "/colors.txt", "w"))
        attempt("delete", lambda: os.remove(path))
        attempt("rename", lambda: os.rename(path, path + "2"))
        attempt("symlink", lambda: os.symlink(path, folder + "/link"))
        attempt("link", lambda: os.link(path, folder + "/link"))
        attempt("folder", lambda: os.mkdir(folder + "/new"))
        attempt("list", lambda: os.listdir(folder))
        attempt("truncate", lambda: os.truncate(path, 0))
        attempt("proc", lambda: open("/proc/self/mem", "rb"))
        attempt("run", lambda: os.execv("/bin/true", ["true"]))
        """)
    need("landlock", found)
    assert {key for key, value in found.items() if value != "PermissionError"} == {"landlock"}
    assert (tmp_path / "answers.json").read_text() == "{}"
    assert os.listdir(tmp_path) == ["answers.json"]


ATTEMPTS = """
    attempt("open", lambda: os.open("/", os.O_RDONLY))
    attempt("socket", lambda: socket.socket())
    attempt("pair", lambda: socket.socketpair())
    attempt("run", lambda: os.execv("/bin/true", ["true"]))
    attempt("thread", lambda: threading.Thread(target=int).start())
    attempt("ptrace", lambda: libc.ptrace(0, 0, 0, 0))
    attempt("peek", lambda: libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0))
    attempt("handler", lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    attempt("stat", lambda: os.stat("/"))
    attempt("code", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC))
    attempt("memory", lambda: len(bytes(1 << 24)))
"""
REFUSED = {
    "open": "PermissionError",
    "socket": "PermissionError",
    "pair": "PermissionError",
    "run": "PermissionError",
    "thread": "RuntimeError",
    "ptrace": "-1",
    "peek": "-1",
    "stat": "PermissionError",
    "code": "PermissionError",
    "memory": str(1 << 24),
}


@pytest.mark.parametrize("name", ["parser", "zygote"])
def test_seccomp_of_the_worker(name: str) -> None:
    found = child(
        f'held = restrict.filter_calls(filters.{name}).holds\nattempt("seccomp", lambda: held)\n'
        + textwrap.dedent(ATTEMPTS)
        + 'attempt("fork", lambda: (os.fork() or os._exit(0)) and "a child")\n'
        + "os._exit(sys.stdout.flush() or 0)\n"
    )
    need("seccomp", found)
    assert {key: found.get(key) for key in REFUSED} == REFUSED
    assert found["fork"] == ("a child" if name == "zygote" else "PermissionError")


def test_seccomp_of_a_program() -> None:
    found = child(
        """
        import mmap
        shared = mmap.mmap(-1, 4096)
        attempt("seccomp", lambda: bool(filters.program))
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            restrict.filter_calls(filters.program)
            refused = []
            def attempt(name, action):
                try:
                    value = action()
                except BaseException as error:
                    value = type(error).__name__
                refused.append(f"{name} {value}")
    """
        + textwrap.indent(ATTEMPTS, "        ")
        + """
            attempt("write", lambda: os.write(1, b"x"))
            attempt("read", lambda: os.read(0, 1))
            attempt("fork", os.fork)
            attempt("kill", lambda: os.kill(1, 0))
            attempt("signal", lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {15}))
            attempt("limit", lambda: resource.getrlimit(resource.RLIMIT_CPU))
            attempt("wait", os.wait)
            text = chr(10).join(refused).encode()
            shared[: len(text)] = text
            os._exit(0)
        os.waitpid(pid, 0)
        print(shared[:].rstrip(b"\\0").decode())
        """
    )
    need("seccomp", found)
    more = ("write", "read", "fork", "kill", "signal", "limit", "wait")
    expected = REFUSED | dict.fromkeys(more, "PermissionError")
    expected["handler"] = "PermissionError"
    assert {key: found.get(key) for key in expected} == expected


def test_filters_are_small() -> None:
    filters = compile_filters()
    if filters.missing:
        pytest.skip(filters.missing)
    for one in (filters.program, filters.parser, filters.zygote):
        assert 0 < len(one) // 8 < 200


def all_layers(*missing: str) -> list[Layer]:
    return [Layer(name, name not in missing, f"{name}?") for name in (*MUST, *KERNEL)]


def test_all_layers_hold_in_this_sandbox_or_are_told() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Sandbox(1, api="") as sandbox:
            held = {layer.name for layer in sandbox.layers if layer.holds}
    assert held >= set(MUST)


def test_one_missing_layer_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_warned", set())
    judge(all_layers(), strict=True)
    with pytest.warns(UserWarning, match=r"goes on without landlock \(landlock: landlock\?\)"):
        judge(all_layers("landlock"), strict=False)
    judge(all_layers("landlock"), strict=False)


@pytest.mark.parametrize(
    ("missing", "strict"),
    [
        (("landlock",), True),
        (("seccomp", "landlock"), False),
        (("rlimits",), False),
        (("environment",), False),
    ],
)
def test_too_little_is_refused(missing: tuple[str, ...], strict: bool) -> None:
    with pytest.raises(SandboxError, match=r"the sandbox lacks .*Expected .*Use a Linux with"):
        judge(all_layers(*missing), strict)


def test_no_report_is_refused() -> None:
    with pytest.raises(SandboxError, match="the sandbox lacks environment"):
        judge([], strict=False)
