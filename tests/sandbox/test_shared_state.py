"""After each program, what it shares with others is as it was, or its process runs no other one."""

import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import pytest

from arcflow.core.grid import make_grid
from arcflow.sandbox import Grids, Refused
from arcflow.sandbox.namespace import ProgramNamespace
from arcflow.sandbox.shared_state import SharedState
from tests.helpers.attacks import CANARY, LIMITS, assert_right, mess, sandbox_of

GRIDS = [make_grid([[1, 2], [3, 4]]), make_grid([[5]]), make_grid([[0, 0, 7]])]
API = """
import numpy as np
__all__ = ["KERNEL", "STEPS", "near", "Shape"]
KERNEL, STEPS, _seen = np.ones((3, 3), np.int8), [1, 2], {"a": 1}
def near(grid, steps=(1,), *, kernel=KERNEL, times=1): return grid
class Shape:
    size = 1
    def area(self): return 1
"""


@pytest.fixture
def own_api() -> Iterator[ModuleType]:
    module = ModuleType("own_shared_api")
    exec(API, vars(module))
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@contextmanager
def restored(space: object, name: str) -> Iterator[None]:
    before = getattr(space, name)
    yield
    setattr(space, name, before)


def test_each_part_that_is_shared_is_compared(own_api: ModuleType) -> None:
    namespace = ProgramNamespace("own_shared_api")
    state = SharedState(namespace)
    state.begin()
    assert state.change() == ""
    own_api._seen["b"] = 2
    assert state.change() == "a list, a dictionary or a set"
    del own_api._seen["b"]
    own_api.STEPS.append(3)
    assert state.change() == "a list, a dictionary or a set"
    own_api.STEPS.pop()
    own_api.KERNEL[0, 0] = 9
    assert state.change() == "an array"
    own_api.KERNEL[0, 0] = 1
    own_api.KERNEL.setflags(write=False)
    assert state.change() == "an array"
    own_api.KERNEL.setflags(write=True)
    with restored(own_api.near, "__code__"):
        own_api.near.__code__ = (lambda grid, steps=1, *, kernel=1, times=1: 1).__code__
        assert state.change() == "the code of a function"
    with restored(own_api.near, "__defaults__"):
        own_api.near.__defaults__ = (2,)
        assert state.change() == "the defaults of a function"
    own_api.near.__kwdefaults__["times"] = 2
    assert state.change() == "a list, a dictionary or a set"
    own_api.near.__kwdefaults__["times"] = 1
    with restored(own_api.Shape, "size"):
        own_api.Shape.size = 2
        assert state.change() == "the class Shape"
    with restored(own_api.Shape.area, "__code__"):
        own_api.Shape.area.__code__ = (lambda self: 2).__code__
        assert state.change() == "the code of a function"
    with restored(own_api, "near"):
        own_api.near = None
        assert state.change() == "the module own_shared_api"
    own_api.left = 1
    assert state.change() == "the module own_shared_api"
    del own_api.left
    assert state.change() == ""


def test_settings_are_compared() -> None:
    state = SharedState(ProgramNamespace(""))
    state.begin()
    with np.errstate(divide="raise"):
        assert state.change() == "numpy's error state"
    with np.printoptions(precision=2):
        assert state.change() == "numpy's print options"
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 1)
    assert state.change() == "the recursion limit"
    sys.setrecursionlimit(limit)
    before = random.getstate()
    random.random()
    assert state.change() == "Python's random state"
    random.setstate(before)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert state.change() == "the filters of warnings"
    sys.modules["left_behind"] = sys
    assert state.change() == "the loaded modules"
    del sys.modules["left_behind"]
    assert state.change() == ""


def test_what_cannot_be_compared_counts_as_changed() -> None:
    state = SharedState(ProgramNamespace(""))
    state.begin()
    state._containers = [([np.ones(2)], [np.zeros(2)])]
    assert state.change() == "what cannot be compared"


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ("np.rot90 = np.flip", "the module numpy"),
        ("np.seterr(all='raise')", "numpy's error state"),
        ("np.set_printoptions(precision=0)", "numpy's print options"),
        ("np.flip._implementation.__defaults__ = (1,)", "the defaults of a function"),
        ("rotate.__defaults__ = (3,)", "the defaults of a function"),
        ("rotate.__code__ = (lambda grid, times=1: grid).__code__", "the code of a function"),
        ("Object.height = 1", "the class Object"),
        ("import sys\nsys.setrecursionlimit(900)", "the recursion limit"),
        ("import sys\nsys.setprofile(lambda *a: None)", "a hook of Python"),
        ("import random\nrandom.seed(3)", "Python's random state"),
        ("import builtins\nbuiltins.sorted = list", "the builtins of programs"),
        ("import os\nos.environ['A'] = 'B'", "the environment"),
    ],
)
def test_the_program_that_changed_something_is_refused_and_no_other(
    statements: str, found: str
) -> None:
    program = mess(statements)
    with sandbox_of("no policy") as bare:
        worker = bare.workers[0].process.pid
        before, changed, after, again = bare.run(
            [CANARY, program, CANARY, program], [GRIDS] * 4, LIMITS, per_process=16
        )
        assert bare.workers[0].process.pid == worker
    assert_right(before)
    assert_right(after)
    assert changed == again == Refused(f"changing what programs share: {found}")


def test_what_a_program_may_do_is_no_change() -> None:
    programs = [
        CANARY,
        "def task(grid):\n    np.zeros(1) / 0\n    np.mean([])\n    str(np.ones(3))\n"
        "    return grid\n",
        "from functools import cache\nfrom typing import List\ndef task(grid: List[int]):\n"
        "    cache(rotate)(UP) if False else None\n    find_objects(grid)\n    return grid\n",
        "import copy\ndef task(grid):\n    copy.deepcopy(find_objects(grid))\n    return grid\n",
        "def task(grid):\n    np.in1d([1], [2])\n    return grid + np.int8(0)\n",
    ]
    with sandbox_of("whole") as whole:
        results = whole.run(programs * 3, [GRIDS] * 15)
    assert [type(result) for result in results] == [Grids] * 15
