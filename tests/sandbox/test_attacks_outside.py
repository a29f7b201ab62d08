"""Attacks on what is outside of the sandbox: files, sockets, processes, memory, the kernel.

Each runs in a warm worker between two programs that must be right: in the whole sandbox, without
the policy, and with single layers alone (:data:`tests.helpers.attacks.MODES`).
"""

import platform

import pytest

from tests.helpers.attacks import (
    Attack,
    Sandboxes,
    World,
    assert_stopped,
    attacks,
    mess,
    parameters,
    steal,
    surroundings,  # noqa: F401 (a fixture)
    won,
)

EVERY = ("whole", "no policy", "seccomp")
FILES = (*EVERY, "landlock")
NETWORK = (*EVERY, "namespaces", "rlimits")
PROCESSES = (*EVERY, "namespaces")
COUNTED = (*EVERY, "rlimits")


def call(number: int, *arguments: object) -> str:
    """A bare system call of x86-64, which has won where the kernel does not refuse it."""
    return won(f"""
        import ctypes
        assert ctypes.CDLL(None).syscall({", ".join(map(str, (number, *arguments)))}) >= 0
        """)


ATTACKS: list[Attack] = [
    *attacks("file read", [
        ("open", steal("open('$FILE').read()")),
        ("os.open", steal("__import__('os').read(__import__('os').open('$FILE', 0), 99)")),
        ("io.open", steal("__import__('io').open('$FILE').read()")),
        ("FileIO", steal("__import__('io').FileIO('$FILE').read()")),
        ("pathlib", steal("__import__('pathlib').Path('$FILE').read_text()")),
        ("linecache", steal("__import__('linecache').getlines('$FILE')")),
        ("loader", steal("np.__loader__.get_data('$FILE')")),
        ("zipped loader", steal("np.linalg.__spec__.loader.get_data('$FILE')")),
        ("mmap", "import mmap, os\n" + steal(
            "mmap.mmap(os.open('$FILE', 0), 0, prot=mmap.PROT_READ)[:]")),
        ("C library", "import ctypes\n" + won("""
            libc = ctypes.CDLL(None)
            assert libc.open(b'$FILE', 0) >= 0""")),
        ("exec of a file", won("exec(open('$FOLDER/program.py').read())")),
        ("symlink in proc", steal("open('/proc/self/root$FILE').read()")),
        ("listing", won("import os\nos.listdir('$FOLDER')")),
    ], modes=FILES),
    *attacks("file read by numpy", [
        ("fromfile", steal("np.fromfile('$FILE', dtype='S17')")),
        ("loadtxt", steal("np.loadtxt('$FILE', dtype=str)")),
        ("genfromtxt", steal("np.genfromtxt('$FILE', dtype=str)")),
        ("load", steal("np.load('$FOLDER/grid.npy')")),
        ("load pickled", steal("np.load('$FOLDER/grid.npy', allow_pickle=True)")),
        ("memmap", steal("np.memmap('$FILE', dtype='S17', mode='r')")),
        ("fromregex", steal(r"np.fromregex('$FILE', r'(\d+)', [('n', 'i8')])")),
        ("DataSource", steal("np.lib.npyio.DataSource().open('$FILE').read()")),
        ("open_memmap", steal("np.lib.format.open_memmap('$FOLDER/grid.npy', 'r')")),
        ("os of numpy", steal(
            "np.lib._npyio_impl.os.read(np.lib._npyio_impl.os.open('$FILE', 0), 99)")),
    ], modes=FILES),
    *attacks("file write", [
        ("open", won("open('$FOLDER/colors.txt', 'w').write('blue')")),
        ("overwrite", won("open('$FILE', 'r+').write('blue')")),
        ("os.open", won("import os\nos.write(os.open('$FOLDER/x', os.O_CREAT | 1), b'x')")),
        ("exclusive", won("open('$FOLDER/x', 'x').close()")),
        ("pathlib", won("import pathlib\npathlib.Path('$FOLDER/x').write_text('x')")),
        ("touch", won("import pathlib\npathlib.Path('$FOLDER/x').touch()")),
        ("tempfile", won("import tempfile\ntempfile.NamedTemporaryFile(dir='$FOLDER')")),
        ("copy", won("import shutil\nshutil.copy('$FILE', '$FOLDER/x')")),
        ("truncate", won("import os\nos.truncate('$FILE', 0)")),
        ("print to a file", won("print('x', file=open('$FILE', 'w'))")),
        ("utime", won("import os\nopen('$FILE', 'a').close()\nos.utime('$FILE', (0, 0))")),
    ], modes=FILES),
    *attacks("file write by numpy", [
        ("save", won("np.save('$FOLDER/x.npy', grid)")),
        ("savez", won("np.savez('$FOLDER/x.npz', grid)")),
        ("savetxt", won("np.savetxt('$FILE', grid)")),
        ("tofile", won("grid.tofile('$FILE')")),
        ("unbound tofile", won("np.ndarray.tofile(grid, '$FILE')")),
        ("dump", won("grid.dump('$FILE')")),
        ("memmap", won("np.memmap('$FILE', mode='r+')[:] = 0")),
    ], modes=FILES),
    *attacks("file append", [
        ("open", won("open('$FOLDER/append.txt', 'a').write('x')")),
        ("os.open", won("import os\nos.write(os.open('$FOLDER/append.txt', 1025), b'x')")),
        ("binary", won("open('$FOLDER/append.txt', 'ab', buffering=0).write(b'x')")),
    ], modes=FILES),
    *attacks("file delete", [
        ("remove", won("import os\nos.remove('$FOLDER/delete.txt')")),
        ("unlink", won("import pathlib\npathlib.Path('$FOLDER/delete.txt').unlink()")),
        ("rename", won("import os\nos.rename('$FOLDER/delete.txt', '$FOLDER/x')")),
        ("replace", won("import os\nos.replace('$FOLDER/delete.txt', '$FILE')")),
        ("rmtree", won("import shutil\nshutil.rmtree('$FOLDER')")),
    ], modes=FILES),
    *attacks("link and folder", [
        ("symlink", won("import os\nos.symlink('$FILE', '$FOLDER/x')")),
        ("hardlink", won("import os\nos.link('$FILE', '$FOLDER/x')")),
        ("fifo", won("import os\nos.mkfifo('$FOLDER/x')")),
        ("mkdir", won("import os\nos.mkdir('$FOLDER/x')")),
    ], modes=FILES),
    *attacks("link and folder", [
        ("chmod", won("import os\nos.chmod('$FILE', 0)")),
        ("chdir", won("import os\nos.chdir('$FOLDER')")),
        ("readlink", won("import os\nos.readlink('/proc/self/exe')")),
        ("stat", won("import os\nos.stat('$FILE')")),
    ], modes=EVERY),
    *attacks("proc", [
        ("own memory", won("open('/proc/self/mem', 'r+b')")),
        ("parent's memory", won("open('/proc/$PARENT/mem', 'rb')")),
        ("parent's environment", steal("open('/proc/$PARENT/environ').read()")),
        ("parent's descriptors", steal("open('/proc/$PARENT/fd/$DESCRIPTOR').read()")),
        ("oom score", won("open('/proc/self/oom_score_adj', 'w').write('1000')")),
        ("user map", won("open('/proc/self/uid_map', 'w').write('0 0 1')")),
        ("own name", won("open('/proc/self/comm', 'w').write('x')")),
    ], modes=FILES),
    *attacks("network", [
        ("tcp", won("import socket\nsocket.create_connection(('127.0.0.1', $PORT), 1)")),
        ("tcp in C", won("import _socket\n_socket.socket(2, 1).connect(('127.0.0.1', $PORT))")),
        ("udp", won("import socket\nsocket.socket(2, 2).sendto(b'x', ('127.0.0.1', $PORT))")),
        ("abstract", won("import socket\nsocket.socket(1).connect('$ABSTRACT')")),
        ("url", won("import urllib.request\nurllib.request.urlopen('http://127.0.0.1:$PORT')")),
        ("interfaces", won("import socket\nassert len(socket.if_nameindex()) > 1")),
    ], modes=NETWORK),
    *attacks("network", [
        ("socket in the folder", won("import socket\nsocket.socket(1).connect('$FOLDER/socket')")),
        ("raw", won("import socket\nsocket.socket(2, 3, 1)")),
        ("packet", won("import socket\nsocket.socket(17, 3)")),
        ("netlink", won("import socket\nsocket.socket(16, 3)")),
        ("pair", won("import socket\nsocket.socketpair()")),
        ("listen", won("import socket\nsocket.create_server(('127.0.0.1', 0))")),
        ("names", won("import socket\nsocket.gethostbyname('localhost')\nsocket.socket()")),
        ("event loop", won("import asyncio\nasyncio.run(asyncio.sleep(0))")),
    ], modes=EVERY),
    *attacks("exec", [
        ("execv", won("import os\nos.execv('$FOLDER/tool.sh', ['tool'])")),
        ("system", mess("import os\nos.system('$FOLDER/tool.sh')")),
        ("popen", mess("import os\nos.popen('$FOLDER/tool.sh').read()")),
        ("subprocess", won("import subprocess\nsubprocess.run('$FOLDER/tool.sh')")),
        ("shell", won("import subprocess\nsubprocess.run('touch $FOLDER/x', shell=True)")),
        ("spawn", won("import os\nos.posix_spawn('$FOLDER/tool.sh', ['tool'], {})")),
        ("C library", mess("import ctypes\nctypes.CDLL(None).system(b'$FOLDER/tool.sh')")),
        ("shell with a pipe", won("import os\nassert os.popen('cat $FILE').read()")),
    ], modes=(*FILES, "rlimits")),
    *attacks("fork", [
        ("fork", won("import os\nos.fork() or os._exit(0)")),
        ("forkpty", won("import os\nos.forkpty()[0] or os._exit(0)")),
        ("bomb", won("import os\nfor _ in range(5):\n    os.fork() or os._exit(0)")),
        ("vfork", won("import ctypes\nassert ctypes.CDLL(None).fork() >= 0")),
        ("multiprocessing", won("""
            import multiprocessing
            multiprocessing.get_context('fork').Process(target=int).start()""")),
        ("double", won("import os\nif os.fork() == 0:\n    os.setsid()\n    os._exit(0)")),
    ], modes=COUNTED),
    *attacks("thread", [
        ("threading", won("import threading\nthreading.Thread(target=int).start()")),
        ("raw", won("import _thread\n_thread.start_new_thread(int, ())")),
        ("pool", won("""
            from concurrent.futures import ThreadPoolExecutor
            ThreadPoolExecutor(4).submit(int).result(0.1)""")),
        ("timer", won("import threading\nthreading.Timer(0, print).start()")),
    ], modes=COUNTED),
    *attacks("kill", [
        ("process", won("import os\nos.kill($VICTIM, 9)")),
        ("stop", won("import os\nos.kill($VICTIM, 19)")),
        ("parent", won("import os\nos.kill($PARENT, 0)")),
        ("C library", won("import ctypes\nassert ctypes.CDLL(None).kill($VICTIM, 9) == 0")),
    ], modes=PROCESSES),
    *attacks("kill", [
        ("zygote", mess("import os\nos.kill(os.getppid(), 9)")),
        ("all others", won("import os\nos.kill(-1, 0)")),  # signal 0 only asks
        ("group", won("import os\nos.killpg(os.getpgrp(), 0)")),
        ("by descriptor", won("""
            import os, signal
            signal.pidfd_send_signal(os.pidfd_open($VICTIM), 9)""")),
    ], modes=EVERY),
    *attacks("signal", [
        ("handler", won("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)")),
        ("block all", won("import signal\nsignal.pthread_sigmask(0, range(1, 32))")),
        ("alarm", won("import signal\nsignal.alarm(1)\nsignal.signal(14, print)")),
        ("timer", won("import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.001)")),
        ("stop itself", won("import os\nos.kill(os.getpid(), 19)")),
        ("kill itself", won("import os\nos.kill(os.getpid(), 9)")),
    ], modes=EVERY),
    *attacks("other processes", [
        ("ptrace", won("import ctypes\nassert ctypes.CDLL(None).ptrace(16, $VICTIM, 0, 0) == 0")),
        ("ptrace the parent", won("""
            import ctypes
            assert ctypes.CDLL(None).ptrace(16, $PARENT, 0, 0) == 0""")),
        *[(f"{name} {whose}", "import ctypes, os\n" + won(f"""
            here = ctypes.create_string_buffer(64)
            class Vector(ctypes.Structure):
                _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
            mine, other = Vector(ctypes.addressof(here), 8), Vector({address}, 8)
            call = ctypes.CDLL(None).process_vm_{name}
            done = call({pid}, ctypes.byref(mine), 1, ctypes.byref(other), 1, 0)
            assert done == 8 and exec('raise SystemExit(here.raw.decode())') is None"""))
          for name in ("readv", "writev")
          for whose, pid, address in (("the parent", "$PARENT", "$ADDRESS"),
                                      ("the zygote", "os.getppid()", "id(grid) & ~4095"))],
        ("limits of the parent", won("import resource\nresource.prlimit($PARENT, 7)")),
        ("priority", won("import os\nos.setpriority(0, $VICTIM, 19)")),
        ("affinity", won("import os\nos.sched_setaffinity($VICTIM, {0})")),
    ], modes=PROCESSES),
    *attacks("other processes", [
        ("limits of the zygote", won("""
            import os, resource
            resource.prlimit(os.getppid(), 0, (1, 1))""")),
        ("affinity of the zygote", won("import os\nos.sched_setaffinity(os.getppid(), {0})")),
    ], modes=EVERY),
    *attacks("descriptors", [
        ("inherited", steal("__import__('os').pread($DESCRIPTOR, 99, 0)")),
        ("read all", steal("[__import__('os').read(n, 99) for n in range(3, 64)]")),
        ("rubbish to all", mess("""
            import os
            for number in range(1024):
                try:
                    os.write(number, b'\\xff' * 64)
                except OSError:
                    pass""")),
        ("close all", mess("import os\nos.closerange(0, 1024)")),
        ("rubbish by C", mess("""
            import ctypes
            for number in range(64):
                ctypes.CDLL(None).write(number, b'\\xff' * 64, 64)""")),
        ("duplicate", won("import os\nos.dup2(0, 5)")),
        ("pipe", won("import os\nos.pipe()")),
        ("standard streams", won("import sys\nsys.stderr.write('x' * 99)\nsys.stderr.flush()\n"
                                 "import os\nos.write(2, b'x')")),
    ], modes=EVERY),
    *attacks("environment", [
        ("os", steal("__import__('os').environ['ARCFLOW_ATTACKS']")),
        ("C library", "import ctypes\n" + steal(
            "(setattr(ctypes.CDLL(None).getenv, 'restype', ctypes.c_char_p), "
            "ctypes.CDLL(None).getenv(b'ARCFLOW_ATTACKS'))")),
        ("proc", steal("open('/proc/self/environ').read()")),
        ("arguments", steal("__import__('sys').argv + __import__('sys').orig_argv")),
    ], modes=EVERY),
    *attacks("C code", [
        ("code in memory", won("import mmap\nmmap.mmap(-1, 4096, prot=7)")),
        ("library", won("import ctypes\nctypes.CDLL('libresolv.so.2')")),
        ("ctypeslib", won("np.ctypeslib.load_library('libanl.so.1', '')")),
        ("file in memory", won("import os\nos.memfd_create('x')")),
        ("shared memory", won("""
            from multiprocessing import shared_memory
            shared_memory.SharedMemory('attacks', create=True, size=9)""")),
    ], modes=EVERY),
]  # fmt: skip

# What Python has no function for; numbers of x86-64.
if platform.machine() == "x86_64":
    ATTACKS += attacks("system call", [
        ("mprotect", won("""
            import ctypes, mmap
            space = mmap.mmap(-1, 4096)
            start = ctypes.addressof(ctypes.c_char.from_buffer(space))
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), 4096, 7) == 0""")),
        ("unshare", call(272, 0x10000000)), ("setuid", call(105, 0)), ("socket", call(41, 1, 1, 0)),
        ("shmget", call(29, 0, 4096, 0o1666)), ("msgget", call(68, 0, 0o1666)),
        ("inotify", call(253)), ("userfaultfd", call(323, 0)), ("eventfd", call(284, 0)),
        ("io_uring", call(425, 8, "bytes(120)")), ("perf", call(298, "bytes(120)", 0, -1, -1, 0)),
        ("keyctl", call(250, 0, -3, 1)), ("personality", call(135, 0xFFFFFFFF)),
        ("mount", call(165, "b'x'", "b'/'", "b'tmpfs'", 0, 0)), ("prctl", call(157, 3)),
        ("setrlimit", call(160, 7, "bytes(16)")), ("clone3", call(435, "bytes(88)", 88)),
        ("openat2", call(437, -100, "b'/'", "bytes(24)", 24)), ("seccomp", call(317, 2, 0, 0)),
        ("pidfd_open", call(434, "$VICTIM", 0)), ("umask", call(95, 0)), ("sleep", call(34)),
        ("of 32 bits", call(0x40000000 + 39)),
    ], modes=EVERY)  # fmt: skip


@pytest.mark.parametrize(("mode", "attack"), parameters(ATTACKS))
def test_nothing_outside_is_reached(
    shared: tuple[Sandboxes, World], attack: Attack, mode: str
) -> None:
    assert_stopped(shared, attack, mode)
