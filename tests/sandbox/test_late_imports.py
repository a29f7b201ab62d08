"""Whatever a program needs is loaded before the rights are dropped: no program costs a worker."""

import marshal
import subprocess
import sys
import time
from types import CodeType

import numpy as np
import pytest

from arcflow.core.grid import make_grid
from arcflow.omniarc.registry import programs
from arcflow.sandbox import Grids, Limits, Raised, Refused, Sandbox, SyntaxProblem
from tests.helpers.paths import ROOT

GRID = make_grid([[1, 2], [3, 4]])
EXPRESSIONS = r"""
(é := 1) + é
"\N{BULLET}", "é".upper(), "ß".casefold(), "é".isidentifier(), int("٣"), float("٣"), "²".isdigit()
str(b"abc", "utf-8"), str(b"abc", "latin-1"), str(b"abc", "ascii"), str(b"abc", "utf-16-le")
str(b"abc", "cp1252"), str(b"abc", "idna")
str(b"abc", "no such codec")
str(b"\xff", "utf-8")
f"{1.5:n} {1:,} {2**70} {1.5:e} {1j}", "%s %r %d %5.2f %x" % ("a", 1, 2, 3.0, 4)
str(grid / 3), repr(grid * 1j), str(np.array(["a"])), repr(np.array([None])), str(np.ones(2000))
str(np.zeros(1, "M8[s]")), repr(np.zeros(1, "m8[s]")), str(np.zeros(1, [("a", "i4")]))
np.array(["2020-01-01"], "M8[D]").astype(str), np.array(["1.5"]).astype(float)
np.zeros(3, "f2") + 1, np.zeros(3, "c8") * 2, np.array([1.5]).astype("S")
np.mean([]), np.median([]), np.std([])
np.linalg.inv(np.zeros((2, 2)))
np.linalg.solve(np.zeros((2, 2)), np.zeros(2))
np.linalg.det(np.eye(3)), np.linalg.norm(grid, "nuc"), np.linalg.matrix_power(np.eye(2), -2)
np.in1d([1], [1]), np.row_stack([[1], [2]]), np.trapezoid([1, 2]), np.cross([1, 2], [3, 4])
np.einsum("ij,jk,kl->il", grid, grid.T, grid, optimize="greedy")
np.r_["r", [1]], np.r_["0,2", [1]], np.r_[1:5:3j], np.mgrid[0:3:2j]
np.histogram([1, 2], bins="auto"), np.histogram([1, 2], bins="fd"), np.histogram2d([1], [2])
np.percentile(grid, [5, 50], method="nearest"), np.quantile(grid, 0.3, method="weibull")
np.pad(grid, 1, "reflect"), np.pad(grid, 1, "linear_ramp"), np.pad(grid, 1, lambda *a: None)
np.isin(grid, [1], kind="table"), np.unique(["a"]), np.unique(grid, axis=0, return_counts=True)
np.zeros((2, 2)) @ np.zeros((3, 3))
np.concatenate([grid, np.zeros((9, 9))])
np.array([[1], [1, 2]])
np.array([1, 2]) + np.array(["a"])
np.add("a", 1)
np.int8(300)
np.power(np.array([2]), -1)
np.max([])
np.broadcast_to(grid, (9, 9))
np.rot90(grid, axes=(0, 0))
np.array([True]) - np.array([True])
new_grid(99, 99)
repr(find_objects(grid)), shortest_path(grid == 0, (0, 0), (0, 0))
str(10**5000)
int("9" * 5000)
hash([])
1 / 0
nope
grid.nope
{}["é"]
sorted([1, "a"])
10.0 ** 400
isinstance(1, 1)
f"{1:zz}"
f"{grid:d}"
"\ud800".upper()
1 is 1, "\d"
""".strip().splitlines()
TEXTS = (
    "é = 2\ndef task(grid):\n    ñandú = é\n    return grid\n",
    "def task(格子):\n    return 格子\n",
    "def task(ﬁ):\n    return fi\n",
    "# -*- coding: cp1252 -*-\ndef task(grid):\n    return grid\n",
    "from __future__ import annotations\ndef task(grid: é) -> ü:\n    return grid\n",
    "x = 'é\ndef",
    "“a”",
    "a‐b",
    "print 'x'",
    "f'{a b}'",
    "x = 08",
    "'\\N{NOPE}'",
    "b'é'",
    "return 1",
    "nonlocal x",
    "class é: pass",
    "import é",
    "def task(grid): raise ValueError('\\ud800')",
    "from collections import *\ndef task(grid):\n"
    "    repr([Counter('a'), OrderedDict(a=1), defaultdict(int), deque([1])])\n    return grid\n",
    "from functools import lru_cache, partial, reduce\ndef task(grid):\n"
    "    return lru_cache(len)([]) or reduce(partial(max, 1), [])\n",
    "import copy\ndef task(grid):\n    copy.deepcopy([grid, find_objects(grid)])\n"
    "    return grid\n",
    "import copy\ndef task(grid):\n    copy.copy((i for i in [1]))\n",
    "import heapq, bisect, itertools, math\ndef task(grid):\n"
    "    heapq.nlargest(2, [1, 2], key=abs)\n"
    "    bisect.insort([1], 2, key=abs)\n    math.sqrt(-1)\n",
    "from typing import *\ndef task(grid: List[int]) -> Optional[Union[int, str]]:\n"
    "    repr(Callable[[int], str]), Literal[1]\n    return grid\n",
)
ALL = [*(f"def task(grid):\n    {line}\n    return grid\n" for line in EXPRESSIONS), *TEXTS]
_IMPORTS = """
import marshal, sys, warnings
from types import CodeType
from arcflow.sandbox import worker
from arcflow.sandbox.ast_policy import check
from arcflow.sandbox.namespace import ProgramNamespace
from arcflow.sandbox.protocol import unpack_grids
from arcflow.sandbox.results import Limits
from arcflow.sandbox.runner import run_program

warnings.simplefilter("ignore")
namespace = worker.warm_namespace("arcflow.omniarc.dsl")
before = set(sys.modules)
for text in marshal.load(sys.stdin.buffer):
    code = check(text, Limits(), namespace)
    if isinstance(code, CodeType):
        run_program(marshal.dumps(code), unpack_grids(b"\\2\\2\\1\\2\\3\\4", 1), namespace)
    if set(sys.modules) - before:
        print(text.decode(), sorted(set(sys.modules) - before))
        before = set(sys.modules)
"""


def test_no_program_imports_a_module_of_python_or_numpy() -> None:
    """Seen in a process that keeps its rights, where a late import would succeed."""
    texts = [text.encode() for text in (*ALL, *(one.source for one in programs().values()))]
    found = subprocess.run(
        [sys.executable, "-c", _IMPORTS],
        input=marshal.dumps(texts),
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert found.stderr.decode() == ""
    assert found.stdout.decode() == ""


def test_no_program_costs_a_worker() -> None:
    with Sandbox(1, Limits(seconds=5.0)) as sandbox:
        worker = sandbox.workers[0].process.pid
        results = sandbox.run(ALL, [[GRID]] * len(ALL))
        assert sandbox.workers[0].process.pid == worker
    kinds = {type(result) for result in results}
    assert kinds == {Grids, Raised, Refused, SyntaxProblem}
    assert not [r for r in results if isinstance(r, Raised) and r.type == "Crash"]
    for text, result in zip(TEXTS[:5], results[len(EXPRESSIONS) :], strict=False):
        assert isinstance(result, Grids), text
        np.testing.assert_array_equal(result.outputs[0], GRID)


def test_names_beyond_ascii_take_no_longer_than_others() -> None:
    plain = "def task(grid):\n    name = grid\n    return name\n"
    with Sandbox(1, Limits(seconds=5.0)) as sandbox:
        start = time.monotonic()
        results = sandbox.run([plain.replace("name", "größe"), *[plain] * 7] * 8, [[GRID]] * 64)
        seconds = time.monotonic() - start
    assert [type(result) for result in results] == [Grids] * 64
    assert seconds < 3.0, "a worker was replaced"


def test_a_parser_that_fails_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    from arcflow.sandbox import ast_policy
    from arcflow.sandbox.namespace import ProgramNamespace

    def fail(*values: object) -> CodeType:
        raise ImportError("no module named unicodedata")

    monkeypatch.setattr(ast_policy.ast, "parse", fail)
    assert ast_policy.check(b"", Limits(), ProgramNamespace("")) == SyntaxProblem(
        "the parser failed: ImportError: no module named unicodedata"
    )
