"""Attacks with Python itself: ways past the policy, and what one program leaves to the next.

Where the policy is off the ways lead on to a file: the secret in it must not come out even so.
"""

import pytest

from arcflow.sandbox import Grids, Raised, Refused, SyntaxProblem
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

WRAP = "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]"
OPEN = "open('$FILE').read()"
READ = "$READ"
"""That, but nothing in the whole sandbox: what is refused there is the way, not ``open``."""
BUILT = "['__builtins__']['open']('$FILE').read()"
FROM = "fromfile')('$FILE', dtype='S17')"
FOUND = "''.join(('80794625', '131908273'))"
"""The secret, in no object of the program that looks for it."""

ATTACKS: list[Attack] = [
    *attacks("dunder walk", [
        ("subclasses", steal(
            f"(lambda g: g['read'](g['open']('$FILE', 0), 99))({WRAP}.__init__.__globals__)")),
        ("popen", steal(f"{WRAP}.__init__.__globals__['popen']('cat $FILE').read()")),
        ("mro", steal("''.__class__.__mro__[1].__subclasses__()[0].__init__." + READ)),
        ("globals of task", steal("task.__globals__" + BUILT)),
        ("builtins of a method", steal("print.__self__." + READ)),
        ("builtins name", steal("__builtins__['open']('$FILE').read()")),
        ("loader of numpy", steal("np.__loader__.get_data('$FILE')")),
        ("dict of numpy", steal("np.__dict__['fromfile']('$FILE', dtype='S17')")),
        ("code object", won("task.__code__ = (lambda grid: " + READ + ").__code__\ntask(grid)")),
        ("closure",
         steal("(lambda x: lambda: x)(open).__closure__[0].cell_contents('$FILE').read()")),
        ("reduce_ex", steal("grid.__reduce_ex__(2)[0].__globals__['os'].open('$FILE', 0)")),
        ("wrapped function", steal("np.rot90.__wrapped__.__globals__" + BUILT)),
        ("of the DSL", steal("rotate.__globals__" + BUILT)),
        ("spec", steal("np.__spec__.loader.get_data('$FILE')")),
    ]),
    *attacks("getattr trick", [
        ("getattr", steal("getattr(np, 'fromfile')('$FILE', dtype='S17')")),
        ("joined name", steal("getattr(np, '__load' + 'er__').get_data('$FILE')")),
        ("vars", steal("vars(np)['fromfile']('$FILE', dtype='S17')")),
        ("globals", steal("globals()['__builtins__']['open']('$FILE').read()")),
        ("locals", steal("locals().get('x') or " + READ)),
        ("dir",
         steal("[getattr(np, n) for n in dir(np) if n == 'fromfile'][0]('$FILE', dtype='S17')")),
        ("object", steal("object.__getattribute__(np, 'fromfile')('$FILE', dtype='S17')")),
        ("map", steal("list(map(getattr, [np], ['fromfile']))[0]('$FILE', dtype='S17')")),
        ("type", steal("type('X', (), {'f': open}).f('$FILE').read()")),
        ("setattr", won("setattr(np, 'x', open)\nnp.x('$FILE').read()")),
        ("attrgetter", "from operator import attrgetter\n"
         + steal("attrgetter('fromfile')(np)('$FILE', dtype='S17')")),
        ("methodcaller", "import operator\n"
         + steal("operator.methodcaller('fromfile', '$FILE', dtype='S17')(np)")),
        ("operator by functools", "import functools\n"
         + steal("functools.operator.attrgetter('x')")),
    ]),
    *attacks("eval", [
        ("eval", steal("eval(\"" + READ + "\")")),
        ("exec", won("exec(\"" + READ + "\")")),
        ("compile", won("exec(compile(\"" + READ + "\", 'x', 'exec'))")),
        ("import", steal("__import__('io')." + READ)),
        ("alias", "f = eval\n" + steal("f(\"" + READ + "\")")),
        ("breakpoint", won("breakpoint()\n" + READ)),
        ("input", won("input()")),
        ("memoryview", won("memoryview(grid).release()\n" + READ)),
        ("code module", "import code\n"
         + won("code.InteractiveInterpreter().runsource('1')\n" + READ)),
        ("timeit", "import timeit\n" + won("timeit.timeit(\"" + READ + "\", number=1)")),
        ("typing", "import typing\n"
         + steal("typing.ForwardRef(\"" + READ + "\")._evaluate({}, {}, set())")),
        ("sympify by numpy", won("np.safe_eval(\"1\")\n" + READ)),
    ]),
    *attacks("format string", [
        ("format", steal("'{0.__globals__[__builtins__][open]}'.format(task) + " + READ)),
        ("format_map", steal("'{x.__class__}'.format_map({'x': grid}) + " + READ)),
        ("unbound", steal("str.format('{0.__class__}', grid) + " + READ)),
        ("Formatter", "import string\n"
         + steal("string.Formatter().format('{0.__class__}', grid) + " + READ)),
        ("format function", steal("format(grid, '') + " + READ)),
        ("f-string", steal("f'{task.__globals__}' + " + READ)),
        ("nested f-string", steal("f'{f\"{().__class__}\"}' + " + READ)),
        ("format spec", steal("f'{1:{().__class__}}' + " + READ)),
    ]),
    *attacks("frame", [
        ("generator", steal("(x for x in [1]).gi_frame.f_globals" + BUILT)),
        ("coroutine", "async def f(): pass\n" + steal("f().cr_frame.f_globals" + BUILT)),
        ("async generator", "async def f(): yield\n" + steal("f().ag_frame.f_back or " + READ)),
        ("sys", "import sys\n" + steal("sys._getframe(1).f_globals['os'].open('$FILE', 0)")),
        ("inspect", "import inspect\n"
         + steal("inspect.currentframe().f_back.f_locals['code'] and " + READ)),
        ("generator's code", steal("(x for x in [1]).gi_code.co_consts or " + READ)),
        ("yield from", "def f():\n    yield from g()\ndef g():\n    yield\n"
         + steal("f().gi_yieldfrom or " + READ)),
    ]),
    *attacks("traceback", [
        ("tb_frame", won("try:\n    1 / 0\nexcept Exception as e:\n"
                         "    e.__traceback__.tb_frame.f_back.f_globals['os'].open('$FILE', 0)")),
        ("with_traceback",
         won("try:\n    1 / 0\nexcept Exception as e:\n    e.with_traceback(None)\n" + READ)),
        ("context", won("try:\n    1 / 0\nexcept Exception as e:\n    e.__context__\n" + READ)),
        ("add_note", won("ValueError().add_note('x')\n" + READ)),
        ("sys.exc_info", "import sys\n" + won("try:\n    1 / 0\nexcept Exception:\n"
                                             "    sys.exc_info()[2].tb_frame\n" + READ)),
        ("group",
         won("\ntry:\n    1 / 0\nexcept* Exception as e:\n    pass\n" + READ)),
        ("object of an AttributeError", won("try:\n    np.x\nexcept AttributeError as e:\n"
                                            "    e.obj.fromfile('$FILE')")),
    ]),
    *attacks("class", [
        ("descriptor", "class D:\n    def __get__(self, a, b): return open\nclass A:\n    d = D()\n"
         + steal("A().d('$FILE').read()")),
        ("metaclass", "class M(type):\n    def __call__(c): return open('$FILE').read()\n"
         "class A(metaclass=M): pass\n" + steal("A()")),
        ("init_subclass", "class A:\n    def __init_subclass__(c): c.x = open('$FILE').read()\n"
         "class B(A): pass\n" + steal("B.x")),
        ("class_getitem", "class A:\n    def __class_getitem__(c, x): return open(x).read()\n"
         + steal("A['$FILE']")),
        ("set_name", "class D:\n    def __set_name__(s, o, n): s.x = open('$FILE').read()\n"
         "class A:\n    d = D()\n" + steal("A.d.x")),
        ("class pattern", won("\nmatch grid:\n    case np.ndarray(ctypes=c):\n        " + READ)),
        ("property", "class A:\n    x = property(lambda s: open('$FILE').read())\n"
         + steal("A().x")),
        ("getattr method", "class A:\n    def __getattr__(s, n): return open('$FILE').read()\n"
         + steal("A().x")),
        ("namedtuple", "from collections import namedtuple\n"
         + steal("namedtuple('A', 'x')._make([" + OPEN + "])")),
        ("dataclass", "import dataclasses\n"
         + steal("dataclasses.make_dataclass('A', ['x'])(" + OPEN + ")")),
        ("with",
         "class A:\n    def __enter__(s): return open('$FILE').read()\n"
         "    def __exit__(s, *a): pass\n"
         + won("with A(): pass")),
        ("del", "class A:\n    def __del__(s): open('$FOLDER/x', 'w')\n" + mess("A()")),
        ("operator", "class A(np.ndarray):\n    def __array_finalize__(s, o): open('$FILE')\n"
         + won("grid.view(A)")),
    ]),
    *attacks("decorator and default", [
        ("eval", "@eval\n@lambda f: \"" + OPEN + "\"\ndef x(): pass\n" + steal("x")),
        ("open", "@open\n@lambda f: '$FILE'\ndef x(): pass\n" + steal("x.read()")),
        ("default", "def f(x=open('$FILE').read()): return x\n" + steal("f()")),
        ("lambda default", steal("(lambda x=open: x('$FILE').read())()")),
        ("annotation", "def f(x: open('$FILE').read()): pass\n" + steal("f.__annotations__")),
        ("walrus", steal("(f := open) and f('$FILE').read()")),
        ("comprehension", steal("[f('$FILE').read() for f in [open]]")),
        ("star", steal("[*open('$FILE')]")),
        ("conditional name", "if False:\n    open = 1\n" + steal(OPEN)),
    ], whole=(Refused, Raised)),
    *attacks("import", [
        (module, f"import {module}\n" + won(READ))
        for module in ("os", "sys", "builtins", "importlib", "ctypes", "numpy.lib",
                       "numpy.ctypeslib", "numpy.testing", "arcflow.sandbox.worker", "posix",
                       "gc", "re")
    ]),
    *attacks("import from", [
        (f"{module} {name}", f"from {module} import {name}\n" + won(READ))
        for module, name in (("numpy", "load"), ("numpy", "lib"), ("copy", "sys"),
                             ("functools", "__builtins__"),
                             ("collections", "_sys"), ("heapq", "__doc__"), ("typing", "sys"),
                             ("numpy", "memmap"), ("arcflow.omniarc.dsl", "np"), (".", "os"))
    ]),
    *attacks("import under another name", [
        ("as builtins", "import numpy as __builtins__\n" + won(READ)),
        ("star", "from os import *\n" + steal("read(open('$FILE', 0), 99)")),
        ("in a function", won("import os as other\nother.open('$FILE', 0)")),
    ]),
    *attacks("unicode name", [
        ("wide underscores", steal("grid.＿＿class＿＿ and " + READ)),
        ("keyword", won("dict(＿＿class＿＿=1)\n" + READ)),
        ("global", won("global ＿＿builtins＿＿\n" + READ)),
    ], whole=(Refused, SyntaxProblem)),
    *attacks("hidden text", [
        ("NUL", won("x = 1\0\n" + READ)),
        ("utf-7", "# -*- coding: utf-7 -*-\n#+AAo-import os\n" + won("os.open('$FILE', 0)")),
        ("raw escapes", "# coding: raw_unicode_escape\n#\\u000aimport os\n"
         + won("os.open('$FILE', 0)")),
        ("carriage return", "# x\rimport os\n" + won(READ)),
        ("form feed", "\x0cimport os\n" + won(READ)),
        ("continued line", "im\\\nport os\n" + won(READ)),
        ("semicolon", "x = 1; import os\n" + won(READ)),
        ("right to left", "# \u202e\n" + won("__import__('os')\n" + READ)),
        ("surrogate", won("x = '\ud800'\n" + READ)),
        ("byte order mark", "\ufeffimport os\n" + won(READ)),
    ], whole=(Refused, SyntaxProblem, Raised)),
    *attacks("numpy route", [
        ("view", won("grid.view('O')\n" + READ)),
        ("setflags", won("grid.setflags(write=True)\n" + READ)),
        ("strides", won("np.lib.stride_tricks.as_strided(grid, (9**9,))\n" + READ)),
        ("ctypes", won("grid.ctypes.data\n" + READ)),
        ("frompyfunc", steal("np.frompyfunc(open, 1, 1)('$FILE').read()")),
        ("vectorize", steal("np.vectorize(open, otypes='O')(['$FILE'])[0].read()")),
        ("piecewise", steal("np.piecewise(np.ones(1, 'O'), [[True]], [lambda x: " + READ + "])")),
        ("fromfunction", steal("np.fromfunction(lambda i: " + READ + ", (1,))")),
        ("random", won("np.random.seed(0)\n" + READ)),
        ("errors call", won("np.seterrcall(open)\n" + READ)),
        ("print options", won("np.set_printoptions(formatter={'all': open})\n" + READ)),
        ("info", won("np.info('x')\n" + READ)),
        ("base", won("grid.base\n" + READ)),
        ("shape", won("grid.shape = (9**9, 9)\n" + READ)),
    ]),
    *attacks("numpy route that stays", [
        ("names of r_", steal("np.r_['__builtins__']")),
        ("overlapping objects",
         won("np.zeros(1, {'names': ['a', 'b'], 'formats': ['O', 'i8'], 'offsets': [0, 0]})")),
        ("object as number", won("np.zeros(1, ('i8', {'a': ('O', 0)}))")),
        ("number as object", won("np.zeros(1, ('O', 'i8'))")),
        ("past a buffer", won("np.ndarray((99,), 'u1', np.ones(1))")),
        ("strides past a buffer", won("np.ndarray((2,), 'u1', np.ones(1), 0, (9**9,))")),

        ("index out of bounds", won("np.take(grid, 9**9)")),
        ("sorter out of bounds",
         won("np.searchsorted(np.arange(3), 1, sorter=np.array([9**9] * 3))")),
        ("kth out of bounds", won("np.partition(np.arange(3), 9**9)")),
        ("codec", won("str(grid.tobytes(), 'os')")),
    ], whole=(Raised,)),
    *attacks("pickle", [
        ("loads", "import pickle\n"
         + won("pickle.loads(b'cos\\nsystem\\n(S\"$FOLDER/tool.sh\"\\ntR.')\n" + READ)),
        ("dumps", won("grid.dumps()\n" + READ)),
        ("marshal", "import marshal\n"
         + won("exec(marshal.loads(marshal.dumps(compile(\"" + READ + "\", '', 'exec'))))")),
        ("copyreg", "import copyreg\n" + won("copyreg.pickle(int, open)\n" + READ)),
        ("reduce", "class A:\n    def __reduce__(s): return open, ('$FILE',)\nimport copy\n"
         + won("copy.copy(A()).read()")),
        ("output", "class A(np.ndarray):\n    def __reduce__(s): return open, ('$FOLDER/x', 'w')\n"
         + mess("grid = grid.view(A)")),
        ("shelve", "import shelve\n" + won("shelve.open('$FOLDER/x')")),
    ]),
    *attacks("tampering with numpy", [
        ("function", mess("np.rot90 = lambda grid: grid")),
        ("by import", "import numpy\n" + mess("numpy.rot90 = numpy.unique = None")),
        ("constant", mess("np.pi = 3")),
        ("all of it", mess("vars(np).clear()")),
        ("deletion", mess("del np.rot90")),
        ("errors", mess("np.seterr(all='raise')")),
        ("printing", mess("np.set_printoptions(precision=0, formatter={'all': lambda x: 'x'})")),
        ("code", mess("np.flip.__wrapped__.__code__ = (lambda m, axis=None: m).__code__")),
        ("cast table", mess("np._core.numerictypes.sctypeDict.clear()")),
        ("random state", mess("np.random.seed(7)")),
    ]),
    *attacks("poisoning the worker", [
        ("builtins", "import builtins\n" + mess("builtins.len = builtins.sorted = lambda x: 0")),
        ("own builtins", mess("__builtins__['len'] = lambda x: 0")),
        ("modules", "import sys\n" + mess("sys.modules.clear()")),
        ("function of the DSL", mess("recolor.__code__ = (lambda grid, colors: grid).__code__")),
        ("globals of the DSL", mess("rotate.__globals__.clear()")),
        ("defaults of the DSL", mess("rotate.__defaults__ = (2,)")),
        ("checks", "from arcflow.sandbox import runner\n"
         + mess("runner.check_output = lambda output: grid")),
        ("the zygote's loop", "from arcflow.sandbox import worker\n"
         + mess("worker._answer = worker.run_program = worker.read_frame = None")),
        ("what is offered", "import gc\n" + mess("""
            for found in gc.get_objects():
                if isinstance(found, dict) and 'rot90' in found:
                    found['rot90'] = None""")),
        ("recursion limit", "import sys\n" + mess("sys.setrecursionlimit(50)")),
        ("trace", "import sys\n" + mess("sys.settrace(lambda *a: 1 / 0)")),
        ("profile", "import sys\n" + mess("sys.setprofile(lambda *a: None)")),
        ("exit", "import atexit\n" + mess("atexit.register(lambda: open('$FOLDER/x', 'w'))")),
        ("warnings", "import warnings\n" + mess("warnings.simplefilter('error')")),
        ("environment", "import os\n" + mess("os.environ['PATH'] = '.'")),
        ("hooks", "import sys\n" + mess("sys.meta_path[:] = []\nsys.path[:] = ['$FOLDER']")),
        ("random state", "import random\n" + mess("random.seed(0)")),
        ("collector", "import gc\n" + mess("gc.enable()\ngc.unfreeze()\ngc.collect()")),
        ("small numbers", "import ctypes\n" + mess(
            "ctypes.memmove(id(2) + 24, ctypes.byref(ctypes.c_int(3)), 4)")),
        ("None",
         "import ctypes\n" + mess("""
            for _ in range(99999):
                ctypes.pythonapi.Py_DecRef(ctypes.py_object(None))""")),
        ("input", mess("grid.setflags(write=True)\ngrid[:] = 0")),
    ]),
    *attacks("poisoning within the policy", [
        ("rebound names", "np = len = rotate = ORTHOGONAL = 1\n" + mess("pass")),
        ("constants of the DSL", mess("ORTHOGONAL[0] = 1")),
        ("input", mess("grid[:] = 9\ngrid.fill(0)\ngrid.sort()")),
        ("global", mess("global np, task\nnp = task = None")),
        ("caches", "from functools import cache\n" + mess("cache(rotate)(UP)")),
        ("iterator that is left", mess("global left\nleft = (i for i in range(9))\nnext(left)")),
        ("flat", mess("grid.flat[:] = 3")),
    ], whole=(Grids, Raised)),
    *attacks("expected answers", [
        ("objects", "import gc\n" + won(f"""
            small = [o for o in gc.get_objects() if isinstance(o, (dict, list)) and len(o) < 20]
            assert any({FOUND} in str(o) for o in small)""")),
        ("frames", "import sys\n" + won(f"""
            frames = [sys._getframe(n).f_locals for n in range(7)]
            assert any({FOUND} in str(found) for found in frames)""")),
        ("memory", "import ctypes\n" + won(
            f"assert ctypes.string_at($ADDRESS, 17) == {FOUND}.encode()")),
        ("buffered requests", "import sys\n" + mess("""
            frame = sys._getframe()
            while 'inner' not in frame.f_locals:
                frame = frame.f_back
            frame.f_locals['inner'].read1(4096)""")),
    ], whole=(Refused,)),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "attack"), parameters(ATTACKS))
def test_no_way_out_of_python(shared: tuple[Sandboxes, World], attack: Attack, mode: str) -> None:
    assert_stopped(shared, attack, mode)
