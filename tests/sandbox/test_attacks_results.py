"""Attacks with what a program may do: use time and memory, crash, and give outputs that are none.

And with answers forged by a program that is past the policy: the parent believes only what is
right.
"""

import pytest

from arcflow.sandbox import (
    BadOutput,
    Grids,
    Nondeterministic,
    OutOfMemory,
    Raised,
    Refused,
    SyntaxProblem,
    TimedOut,
)
from tests.helpers.attacks import (
    Attack,
    Sandboxes,
    World,
    assert_stopped,
    attacks,
    mess,
    parameters,
    surroundings,  # noqa: F401 (a fixture)
    won,
)
from tests.sandbox import test_attacks_outside as test_sandbox_attacks_outside
from tests.sandbox import test_attacks_python as test_sandbox_attacks_python

FULL = (OutOfMemory, Raised, TimedOut)
SHARED = """
    frame = sys._getframe()
    while 'shared' not in frame.f_locals:
        frame = frame.f_back
    shared = frame.f_locals['shared']
"""


def forged(statements: str) -> str:
    """A program that writes its process's answer itself and ends."""
    return f"import os, sys\ndef task(grid):{SHARED}    {statements}\n    os._exit(0)\n"


def gives(expression: str) -> str:
    """A program with this output."""
    return f"def task(grid):\n    return {expression}\n"


def nested(opening: str, inner: str, closing: str, times: int) -> str:
    """A program whose text is nested."""
    return f"def task(grid):\n    x = {opening * times}{inner}{closing * times}\n    return grid\n"


def blocks(head: str, times: int) -> str:
    """Statements inside each other."""
    lines = [line for n in range(1, times + 1) for line in (" " * n + head).split("\n")]
    lines = [" " * (len(line) - len(line.lstrip())) + line.lstrip() for line in lines]
    return (
        "def task(grid):\n" + "\n".join(lines) + "\n" + " " * (times + 1) + "pass\n return grid\n"
    )


def finallies(times: int) -> str:
    """Each finally is compiled twice, so nested ones grow exponentially."""
    parts = [f"{' ' * n}try: pass\n{' ' * n}finally:\n" for n in range(1, times + 1)]
    return "def task(grid):\n" + "".join(parts) + " " * (times + 1) + "pass\n"


def evil_output(body: str) -> str:
    """A subclass of ndarray that lies, given as the output; nines are what it must not pass as."""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return (
        f"import numpy\nclass Evil(numpy.ndarray):\n{lines}\n"
        "def task(grid):\n    return numpy.full((40, 40), 99).view(Evil)\n"
    )


ATTACKS: list[Attack] = [
    *attacks("memory bomb", [
        ("list", gives("[0] * 10**10")),
        ("zeros", gives("np.zeros((10**5, 10**5), int)")),
        ("touched", gives("np.ones(10**9)")),
        ("string", gives("'a' * 10**11")),
        ("growing", won("x = []\nwhile True:\n    x.append([0] * 10**6)")),
        ("dict", won("x = {}\nwhile True:\n    x[len(x)] = [0] * 10**5")),
        ("shift", gives("1 << (1 << 40)")),
        ("tile", gives("np.tile(grid, (10**5, 10**5))")),
        ("pad", gives("np.pad(grid, 10**5)")),
        ("arange", gives("np.arange(10**12)")),
        ("width", gives("f'{1:>{10**11}}'")),
        ("percent width", gives("'%*d' % (2 * 10**9, 1)")),
        ("repeat", gives("np.repeat(grid, 10**11)")),
        ("outer", gives("np.add.outer(np.arange(10**6), np.arange(10**6))")),
        ("bincount", gives("np.bincount([10**12])")),
        ("doubling", won("x = 'a'\nwhile True:\n    x += x")),
        ("caught", won("x = []\nwhile len(x) < 9**9:\n    try:\n        x.append([0] * 10**6)\n"
                       "    except MemoryError:\n        [0] * 10**9")),
    ], whole=FULL),
    *attacks("decompression", [
        ("zlib", "import zlib\n" + won("x = zlib.compress(bytes(10**7))\nzlib.decompress(x * 1)\n"
                                       "y = [zlib.decompress(x) for _ in range(99)]")),
        ("bz2", "import bz2\n" + won("bz2.decompress(bz2.compress(bytes(3 * 10**8)))")),
        ("lzma", "import lzma\n" + won("lzma.decompress(lzma.compress(bytes(3 * 10**8)))")),
        ("gzip", "import gzip\n" + won("gzip.decompress(gzip.compress(bytes(3 * 10**8)))")),
    ]),
    *attacks("endless loop", [
        ("while", won("while True:\n    pass")),
        ("count", "import itertools\n" + won("for _ in itertools.count():\n    pass")),
        ("in C", "import itertools\n" + won("sum(itertools.repeat(0))")),
        ("deque in C", "import itertools, collections\n"
         + won("collections.deque(itertools.count(), 0)")),
        ("generator", "def f():\n    while True:\n        yield 1\n" + won("max(f())")),
        ("at the top", "while True:\n    pass\n" + gives("grid")),
        ("numpy", won("while True:\n    np.sort(np.arange(10**5)[::-1])")),
    ], whole=(TimedOut,), slow=True),
    *attacks("catching the timeout", [
        ("bare except", won("while True:\n    try:\n        while True:\n            pass\n"
                            "    except:\n        pass")),
        ("finally", won(
            "try:\n    while True:\n        pass\nfinally:\n    while True:\n        pass")),
        ("generator",
         "def f():\n    while True:\n        try:\n            yield\n        except:\n"
         "            pass\n" + won("g = f()\nwhile True:\n    next(g)")),
    ], whole=(TimedOut,), slow=True),
    *attacks("catching the timeout", [
        ("BaseException",
         won("try:\n    while True:\n        pass\nexcept BaseException:\n    pass")),
        ("handler of SIGXCPU", "import signal\n" + won("""
            try:
                for number in range(1, 64):
                    signal.signal(number, signal.SIG_IGN)
            except Exception:
                pass
            while True:
                pass""")),
        ("sleep", "import time\n" + won("while True:\n    try:\n        time.sleep(9)\n"
                                        "    except Exception:\n        pass")),
        ("other threads", "import threading\n" + won("""
            try:
                threading.Thread(target=int).start()
            except RuntimeError:
                while True:
                    pass""")),
    ], slow=True),
    *attacks("regex blow-up", [
        ("plus", "import re\n" + won("re.match('(a+)+$', 'a' * 99 + 'b')")),
        ("alternatives", "import re\n" + won("re.match('(a|a)*$', 'a' * 99 + 'b')")),
    ], slow=True),
    *attacks("recursion", [
        ("plain", "def f(): return f()\n" + won("f()")),
        ("of task", gives("task(grid)")),
        ("mutual", "def f(): return g()\ndef g(): return f()\n" + won("f()")),
        ("comparison", won("x, y = [], []\nfor _ in range(10**5):\n    x, y = [x], [y]\nx == y")),
        ("text of a list", won("x = []\nfor _ in range(10**5):\n    x = [x]\nraise ValueError(x)")),
        ("deep copy", "import copy\n"
         + won("x = []\nfor _ in range(10**5):\n    x = [x]\ncopy.deepcopy(x)")),
        ("isinstance", won("x = ()\nfor _ in range(10**5):\n    x = (x,)\nisinstance(1, x)")),
        ("array", won("x = []\nfor _ in range(10**5):\n    x = [x]\nnp.array(x)")),
        ("lambda", won("f = lambda f: f(f)\nf(f)")),
    ], whole=(Raised,)),
    *attacks("recursion", [
        ("caught again and again", "def f():\n    try:\n        f()\n    except:\n        f()\n"
         + won("f()")),
    ], whole=(TimedOut,), slow=True),
    *attacks("crash", [
        ("chain", "import itertools\n" + won("x = iter([1])\nfor _ in range(3 * 10**5):\n"
                                             "    x = itertools.chain(x)\nnext(x)")),
        ("map", won("x = iter([1])\nfor _ in range(3 * 10**5):\n    x = map(abs, x)\nnext(x)")),
        ("hash", won("x = ()\nfor _ in range(10**6):\n    x = (x,)\nhash(x)")),
    ], whole=(Raised,)),
    *attacks("crash", [
        ("null", "import ctypes\n" + won("ctypes.string_at(0)")),
        ("abort", "import os\n" + won("os.abort()")),
        ("stack", "import sys\n" + won("sys.setrecursionlimit(10**9)\nf = lambda f: f(f)\nf(f)")),
        ("code object", "def f(): pass\n"
         + won("f.__code__ = f.__code__.replace(co_code=b'\\xff' * 99)\nf()")),
        ("exit", "import os\n" + won("os._exit(0)")),
        ("sys.exit", "import sys\n" + won("sys.exit(0)")),
        ("SystemExit", won("raise SystemExit(0)")),
        ("KeyboardInterrupt", won("raise KeyboardInterrupt")),
        ("GeneratorExit", won("raise GeneratorExit")),
    ]),
    *attacks("huge number", [
        ("text", gives("str(10**10**5)")),
        ("parsed", gives("int('9' * 10**5)")),
        ("array", gives("grid * 10**100")),
        ("index", gives("grid[10**100]")),
        ("shape", gives("np.zeros((2**62, 2**62, 0))")),
        ("negative shape", gives("np.zeros((-1, 5), int)")),
        ("float", gives("float(10**400)")),
    ], whole=(Raised, BadOutput)),
    *attacks("huge number", [
        ("power", gives("9 ** 9 ** 9")),
        ("factorial", "import math\n" + gives("math.factorial(10**8)")),
    ], whole=(TimedOut,), slow=True),
    *attacks("output that lies", [
        ("none", gives("None")), ("list", gives("[[9]]")), ("text", gives("'9'")),
        ("generator", "def task(grid):\n    yield grid\n"), ("itself", gives("task")),
        ("objects", gives("np.array([[1]], dtype='O')")), ("float", gives("grid / 1")),
        ("nan", gives("grid * np.nan")), ("bool", gives("grid > 1")),
        ("complex", gives("grid * 1j")), ("letters", gives("np.array([['9']])")),
        ("dates", gives("np.zeros((1, 1), 'M8[s]')")), ("bytes", gives("np.zeros((1, 1), 'V8')")),
        ("record", gives("np.zeros((1, 1), [('a', 'i1')])")), ("scalar", gives("grid[0, 0]")),
        ("0-D", gives("np.array(1)")), ("1-D", gives("grid.ravel()")), ("3-D", gives("grid[None]")),
        ("64-D", gives("np.zeros((1,) * 64, int)")), ("empty", gives("grid[:0]")),
        ("31 rows", gives("np.zeros((31, 1), int)")),
        ("31 columns", gives("np.zeros((1, 31), int)")),
        ("large", gives("np.zeros((3000, 3000), 'i1')")), ("endless view", gives(
            "np.broadcast_to(grid[:1, :1], (10**9, 10**9))")),
        ("10", gives("grid * 0 + 10")), ("-1", gives("grid * 0 - 1")),
        ("wraps to 9", gives("grid.astype(int) * 0 + 265")),
        ("wraps from below", gives("grid.astype(int) * 0 - 247")),
        ("wraps in 64 bits", gives("np.full((3, 3), 2**64 - 247, 'u8')")),
        ("wraps by 2**32", gives("np.full((3, 3), 2**32 + 9)")),
        ("wraps by 2**56", gives("np.full((3, 3), 2**56 + 9)")),
        ("swapped bytes", gives("np.full((3, 3), 9 * 256, '>i2')")),
    ], whole=(BadOutput,)),
    *attacks("output that is odd", [
        ("matrix", gives("np.r_['r', [1]]")), ("strides", gives("grid[::-1, ::-1].T")),
        ("one cell", gives("np.broadcast_to(grid[:1, :1], (5, 5))")),
        ("Fortran", gives("np.asfortranarray(grid)")), ("big endian", gives("grid.astype('>i8')")),
    ], whole=(Grids,)),
    *attacks("subclass of ndarray", [
        ("shape", evil_output("shape = (3, 3)")),
        ("type", evil_output("dtype = numpy.dtype('i1')")),
        ("min and max", evil_output("def min(self): return 0\ndef max(self): return 9")),
        ("everything", evil_output("shape, ndim, dtype = (3, 3), 2, numpy.dtype('i1')\n"
                                   "def min(self): return 0\ndef max(self): return 9")),
        ("endless", evil_output("@property\ndef shape(self):\n    return (1,) * 10**6")),
        ("raises", evil_output("@property\ndef ndim(self): raise SystemExit(0)")),
        ("finalizer", evil_output("def __array_finalize__(self, other): raise SystemExit(0)")),
        ("class", evil_output("__class__ = int")),
    ]),
    *attacks("huge output", [
        ("print", mess("for _ in range(10**4):\n    print('x' * 10**3)")),
        ("warnings", mess("for _ in range(10**3):\n    np.zeros(1) / np.zeros(1)")),
    ], whole=(Grids,)),
    *attacks("huge output", [
        ("message", won("raise ValueError('x' * 10**7)")),
        ("arguments", won("raise ValueError(*range(10**6))")),
        ("assertion", won("assert False, 'x' * 10**7")),
        ("control characters", won("raise ValueError('\\x1b[2J\\0\\r\\n' * 99)")),
        ("surrogates", won("raise ValueError('\\ud800' * 999)")),
        ("exceptions of exceptions", won("""
            def f(n):
                try:
                    1 / 0
                except ZeroDivisionError as error:
                    f(n + 1)
            f(0)""")),
    ], whole=(Raised,)),
    *attacks("huge output", [
        ("type in words", gives("np.zeros((1, 1), [('x' * 10**5, 'i1'), ('y', 'f4')])")),
    ], whole=(BadOutput,)),
    *attacks("exception that lies", [
        ("name", "class M(type):\n    @property\n    def __name__(c): raise KeyError\n"
         "class E(Exception, metaclass=M): pass\n" + won("raise E")),
        ("exits at its name",
         "class M(type):\n    @property\n    def __name__(c): raise SystemExit(0)\n"
         "class E(Exception, metaclass=M): pass\n" + won("raise E")),
        ("text", "class E(Exception):\n    def __str__(s): raise SystemExit(0)\n" + won("raise E")),
        ("text of a text", "class S(str):\n    def __getitem__(s, i): return 9\n"
         "class E(Exception):\n    def __str__(s): return S('x')\n" + won("raise E")),
        ("looping text", "class E(Exception):\n    def __str__(s): raise E\n" + won("raise E")),
        ("not an exception", won("raise 9")),
        ("cause of itself", won("e = ValueError()\ne.__cause__ = e\nraise e")),
    ], whole=(Refused, Raised)),
    *attacks("forged answer", [
        ("other kind", forged("shared[:5] = bytes([1, 0, 0, 0, 200])")),
        ("rubbish", forged("shared[:] = b'\\xff' * len(shared)")),
        ("longer than it is", forged("shared[:4] = (2**32 - 1).to_bytes(4, 'little')")),
        ("full", forged("shared[:4] = (len(shared) - 4).to_bytes(4, 'little')\n"
                        "    shared[4:] = bytes([1, 30]) * (len(shared) // 2 - 2)")),
        ("empty", forged("shared[:4] = bytes(4)")),
        ("one grid too few", forged("shared[:12] = bytes([8, 0, 0, 0, 1, 1, 1, 9, 1, 1, 9, 0])")),
        ("grid of 40",
         forged("shared[:1607] = bytes([67, 6, 0, 0, 1, 40, 40]) + bytes([9]) * 1600")),
        ("value 99", forged("shared[:14] = bytes([10, 0, 0, 0, 1, 1, 1, 99, 1, 1, 99, 1, 1, 99])")),
        ("frames",
         forged("shared[:14] = bytes([10, 0, 0, 0, 1, 0, 0, 0]) + b'\\xff' * 6")),
        ("pickle", forged("shared[:11] = bytes([7, 0, 0, 0]) + b'\\x80\\x04K\\x09.\\0\\0'")),
        ("words cut off", forged("shared[:13] = bytes([9, 0, 0, 0, 4]) + b'\\xff' * 8")),
        ("smaller space", forged("shared.resize(4096)")),
        ("closed space", forged("shared.close()")),
    ]),
    *attacks("forged answer", [
        ("then killed", "import os, sys\n" + f"def task(grid):{SHARED}"
         "    shared[:6] = bytes([2, 0, 0, 0, 1, 1])\n    while True:\n        pass\n"),
    ], slow=True),
    *attacks("nondeterminism", [
        ("counter", "n = [0]\ndef task(grid):\n    n[0] += 1\n    return grid * 0 + n[0] % 9\n"),
        ("global",
         "n = 0\ndef task(grid):\n    global n\n    n = n + 1\n    return grid * 0 + n\n"),
        ("default", "def f(x=[]):\n    x.append(1)\n    return len(x)\n" + gives("grid * 0 + f()")),
        ("iterator", "n = iter(range(9))\n" + gives("grid * 0 + next(n)")),
        ("second shape",
         "n = [1]\ndef task(grid):\n    n.append(1)\n    return np.ones((len(n), 1), int)\n"),
        ("second type", "n = []\ndef task(grid):\n    n.append(1)\n"
         "    return grid if len(n) < 4 else None\n"),
    ], whole=(Nondeterministic,)),
    *attacks("text", [
        ("1 MB", "#" * 10**6 + "\n" + gives("grid")),
        ("many statements", "x = 1\n" * 9000 + gives("grid")),
        ("brackets", nested("[", "", "]", 95)), ("calls", nested("abs(", "1", ")", 95)),
        ("unary", nested("-", "1", "", 60_000)), ("attributes", nested("", "grid", ".T", 5000)),
        ("indices", nested("", "grid", "[0]", 5000)), ("sums", nested("1+", "1", "", 20_000)),
        ("conditions", nested("1 if 1 else ", "1", "", 3000)),
        ("not", nested("not ", "1", "", 9000)),
        ("blocks", blocks("if 1:", 98)), ("loops", blocks("for x in grid:", 30)),
        ("functions", blocks("def f():", 98)), ("names", "x" * 60_000 + " = 1\n" + gives("grid")),
        ("digits", gives("9" * 60_000)), ("constant", gives("'a' * 10**9 * 0")),
        ("tuples", gives("((((1,) * 999) * 999) * 999) * 999")),
        ("lambdas", nested("lambda: ", "1", "", 9000)),
        ("f-strings", nested("f'{", "1", "}'", 9)),
        ("comprehensions", nested("[x for x in ", "grid", "]", 60)),
        ("open brackets", "(" * 60_000), ("open strings", "'''" + "\\" * 60_000),
        ("half a program", "def task(grid):\n    return grid[" ), ("only tabs", "\t" * 60_000),
        ("parameters", "def task(grid" + ", a" * 9 + "): return grid\n"),
        ("binary", bytes(range(1, 256)).decode("latin-1")),
        ("dictionary", gives("{" + "1: {" * 90 + "}" * 91)),
    ], whole=(Refused, SyntaxProblem, BadOutput, OutOfMemory, Grids), modes=("whole",)),
    *attacks("text that compiles long", [
        (f"{times} times finally", finallies(times)) for times in (18, 30, 90)
    ], whole=(Refused, SyntaxProblem), modes=("whole",)),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "attack"), parameters(ATTACKS))
def test_no_harm_by_what_it_uses_or_gives(
    shared: tuple[Sandboxes, World], attack: Attack, mode: str
) -> None:
    assert_stopped(shared, attack, mode)


def test_there_are_many_attacks_of_many_kinds() -> None:
    found = [
        *test_sandbox_attacks_outside.ATTACKS,
        *test_sandbox_attacks_python.ATTACKS,
        *ATTACKS,
    ]
    assert len({attack.program for attack in found}) >= 400
    assert len({(attack.kind, attack.name) for attack in found}) == len(found)
    assert len({attack.kind for attack in found}) >= 40
