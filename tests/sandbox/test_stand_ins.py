"""Names of numpy that programs may mention but not call, and methods that they do not get."""

from collections.abc import Iterator

import numpy as np
import pytest

from arcflow.core.grid import make_grid
from arcflow.sandbox import Grids, Limits, Raised, Refused, Sandbox
from arcflow.sandbox.allowlist import FORBIDDEN
from arcflow.sandbox.namespace import ProgramNamespace

GRID = make_grid([[1, 2], [3, 4]])
API = """
import numpy as np
from numpy.typing import NDArray
__all__ = ["Grid", "Plain", "Sized", "size_of"]
Grid, Plain = NDArray[np.int8], np.ndarray
class Sized:
    def resize(self, grid): return grid
def size_of(grid): return grid.size
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, Limits(seconds=5.0)) as running:
        yield running


@pytest.mark.parametrize(
    "call",
    [
        "np.ndarray((1, 1), np.int8)",
        "np.ndarray((1, 1), np.int8, np.zeros(1, np.int8))",
        "np.ndarray((1, 1), 'O')",
        "np.ndarray(shape=(1, 1), dtype=np.int8)",
        "np.ndarray[int]((1, 1))",
        "Grid((1, 1))",
        "Mask((1, 1), 'O')",
        "list(map(np.ndarray, [(1, 1)]))",
        "partial(np.ndarray, (1, 1))()",
        "array_class((1, 1))",
        "copy(np.ndarray)((1, 1))",
    ],
)
def test_the_array_class_cannot_be_called(sandbox: Sandbox, call: str) -> None:
    program = (
        "from copy import copy\nfrom functools import partial\nfrom numpy import ndarray as "
        f"array_class\ndef task(grid):\n    {call}\n    return grid\n"
    )
    assert sandbox.run([program], [[GRID]]) == [
        Raised(
            "TypeError",
            "programs cannot call the array class: use np.array, np.zeros or np.full",
            5,
        )
    ]


@pytest.mark.parametrize(
    ("program", "construct"),
    [
        ("grid.resize((1, 1))", "the attribute resize"),
        ("grid.resize((1, 1), refcheck=False)", "the attribute resize"),
        ("np.array([1]).resize(2)", "the attribute resize"),
        ("np.ndarray.resize(grid, 1)", "the attribute resize"),
        ("np = grid\n    np.resize(1)", "the attribute resize"),
        ("for np in [grid]:\n        np.resize(1)", "the attribute resize"),
        ("xp = grid\n    import numpy as xp\n    xp.resize(1)", "the attribute resize"),
        ("from itertools import chain as np\n    np.resize", "the attribute resize"),
        ("grid.view(int)", "the attribute view"),
        ("grid.setflags(write=True)", "the attribute setflags"),
        ("grid.strides", "the attribute strides"),
        ("grid.data", "the attribute data"),
        ("grid.base", "the attribute base"),
        ("grid.ctypes", "the attribute ctypes"),
        ("grid.getfield(int)", "the attribute getfield"),
        ("grid.byteswap(True)", "the attribute byteswap"),
        ("grid.__array_interface__", "the attribute __array_interface__"),
        ("grid.__array_struct__", "the attribute __array_struct__"),
        ("grid.__setstate__", "the attribute __setstate__"),
        ("np.frombuffer(b'1')", "numpy.frombuffer"),
        ("np.fromstring('1')", "numpy.fromstring"),
        ("np.lib", "numpy.lib"),
        ("np.nditer(grid)", "numpy.nditer"),
        ("np.memmap", "numpy.memmap"),
        ("np.dtype('O')", "numpy.dtype"),
        ("np.void(1)", "numpy.void"),
        ("np.from_dlpack(grid)", "numpy.from_dlpack"),
        ("np.matrix([[1]])", "numpy.matrix"),
        ("np.recarray", "numpy.recarray"),
        ("np.seterr(all='raise')", "numpy.seterr"),
        ("np.errstate(all='raise')", "numpy.errstate"),
        ("memoryview(grid)", "the name memoryview"),
        ("bytearray(1)", "the name bytearray"),
        ("from functools import cmp_to_key", "functools.cmp_to_key"),
    ],
)
def test_ways_to_memory_are_refused(sandbox: Sandbox, program: str, construct: str) -> None:
    (result,) = sandbox.run([f"def task(grid):\n    {program}\n    return grid\n"], [[GRID]])
    assert isinstance(result, Refused)
    assert result.construct == construct


@pytest.mark.parametrize(
    "program",
    [
        "def task(grid: np.ndarray) -> np.ndarray:\n    return grid\n",
        "def task(grid: Grid) -> 'np.ndarray[int] | None':\n    x: Mask = grid\n    return x\n",
        "def task(a: np.ndarray | None):\n    return a if isinstance(a, np.ndarray) else 0\n",
        "def task(grid):\n    assert not isinstance([grid], (np.ndarray, int))\n    return grid\n",
        "def task(grid):\n    assert isinstance(grid, np.ndarray | int)\n    return grid\n",
        "def task(grid):\n    assert not isinstance(1, Grid)\n    return grid\n",
        "from typing import List, Optional\ndef task(grid: Optional[np.ndarray]):\n"
        "    found: List[np.ndarray] = [grid]\n    return found[0]\n",
        "def task(grid):\n    assert np.resize(grid, (1, 1)).shape == (1, 1)\n    return grid\n",
        "import numpy\nimport numpy as xp\nimport numpy.linalg\nfrom numpy import resize\n"
        "def task(grid):\n    assert (numpy.resize(grid, 2) == xp.resize(grid, 2)).all()\n"
        "    assert resize(grid, 1).size == 1\n    return grid\n",
    ],
)
def test_programs_may_name_the_array_class(sandbox: Sandbox, program: str) -> None:
    (result,) = sandbox.run([program], [[GRID]])
    assert isinstance(result, Grids), result
    np.testing.assert_array_equal(result.outputs[0], GRID)


def test_an_api_module_cannot_hand_the_array_class_out(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_api.py").write_text(API)  # type: ignore[operator]
    monkeypatch.syspath_prepend(tmp_path)
    programs = ["Grid((1, 1))", "Plain((1, 1))", "grid.resize(1)", "size_of(grid)"]
    texts = [f"def task(grid):\n    {program}\n    return grid\n" for program in programs]
    with Sandbox(1, api="own_api") as own:
        grid, plain, resized, sized = own.run(texts, [[GRID]] * 4)
    assert isinstance(grid, Raised)
    assert grid == plain
    assert resized == Refused("the attribute resize", 2)
    assert isinstance(sized, Grids)


def test_no_name_that_is_offered_is_an_array_class() -> None:
    namespace = ProgramNamespace("arcflow.omniarc.dsl")
    spaces = [namespace.names, namespace.builtins, *map(vars, namespace.modules.values())]
    for space in spaces:
        for name, value in space.items():
            # A classmethod of the array class would reach it as well as the class itself.
            assert value is not np.ndarray, name
            assert not issubclass(getattr(value, "__origin__", int), np.ndarray), name
    assert not namespace.attributes & FORBIDDEN
