"""Running our own programs, and texts made of them, in this process: quickly, but not for ever.

A made text may loop without end, or grow its grids. Work is counted, not timed, so that what
becomes of a text is the same on every machine.
"""

import ast
import functools
import signal
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.omniarc import dsl
from arcflow.sandbox.outputs import FILE

MAX_WORK = 1_000_000
"""Of one run: 1 for a turn of a loop or a call of the program's own functions, 10 and more for a
call of a primitive, by the cells that it is given; about 0.2 s. The program that needs most for
its own task needs half of it, all but three need less than a tenth of that."""

MADE_WORK = 50_000
"""The same for what was made of a program: where it needs more, another one is made sooner."""

MAX_CELLS = 500_000
"""Of an array that a primitive is given or gives."""

MAX_SECONDS = 30.0
"""Of this process's time on the processor for one run: a safety net behind the counted work."""

_KEPT = 1024
_STEP = "_step"
_state = threading.local()


class EndlessError(BaseException):
    """More work than a program may do. No ``except`` of a program catches it."""


class _HangsError(BaseException):
    """More time than a task may take."""


def run(text: str, grid: Grid, work: int = MAX_WORK) -> Grid | None:
    """A program's output; None where it raises, works for too long or gives no grid.

    Args:
        text: defines ``task(grid)``: ours, as it is not held back from anything.
        grid: the input, read-only: a program that writes into it raises.
        work: that it may do at most.
    """
    try:
        found = np.asarray(call(text, grid, work))
    except (Exception, EndlessError):  # noqa: BLE001 (of programs that nobody wrote: any)
        return None
    return _as_grid(found)


def call(text: str, grid: Grid, work: int = MAX_WORK) -> Any:
    """What a program returns; what it raises is passed on.

    Args:
        text: see :func:`run`.
        grid: what it is given.
        work: that it may do at most.

    Raises:
        EndlessError: it would do more.
    """
    _state.left = work
    if getattr(_state, "net", False):  # RE-ARC's generators, which have a net too, end this one
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS)
    return compiled(text)(grid)


@functools.lru_cache(maxsize=_KEPT)
def compiled(text: str) -> Callable[[Grid], Any]:
    """The function ``task`` of a text, its work counted."""
    tree = ast.fix_missing_locations(_Counted().visit(ast.parse(text)))
    space = dict(_names())
    exec(compile(tree, FILE, "exec"), space)
    function: Callable[[Grid], Any] = space["task"]
    return function


@contextmanager
def limits(where: str) -> Iterator[None]:
    """Around the runs of one task: warnings are errors, and what hangs all the same ends.

    Python is stopped; a single call of numpy or a builtin is waited for.

    Args:
        where: names the task, for the message.

    Raises:
        DataError: more than :data:`MAX_SECONDS` of computing. It ends the run instead of another
            try, as tasks that depended on a clock would be others on another machine. Threads
            other than the main one get no signals and have no such net.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGVTALRM, _stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS)
        _state.net = True
        try:
            yield
        except _HangsError:
            raise DataError(
                f"{where}: its program hangs",
                value=f"more than {MAX_SECONDS:g} s of computing",
                expected="an output within seconds",
                next_step="Leave the task out (exclude).",
            ) from None
        finally:
            _state.net = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise _HangsError


def _as_grid(found: Any) -> Grid | None:
    """A copy, frozen; None where it is no grid."""
    if found.ndim != 2 or found.dtype.kind not in "iu" or not found.size:
        return None
    if max(found.shape) > MAX_SIDE or found.min() < 0 or found.max() >= N_COLORS:
        return None
    return freeze(np.array(found, dtype=np.int8, order="C"))


def _step(work: int = 1) -> bool:
    _state.left -= work
    if _state.left < 0:
        raise EndlessError
    return True


class _Counted(ast.NodeTransformer):
    """A step before every turn of a loop, in a comprehension too, and in every function."""

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._body(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._body(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.generic_visit(node)
        node.body = ast.IfExp(_call(), node.body, ast.Constant(None))
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs.insert(0, _call())
        return node

    def _body(self, node: ast.For | ast.While | ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(_call()))
        return node


def _call() -> ast.Call:
    return ast.Call(ast.Name(_STEP, ast.Load()), [], [])


@functools.cache
def _names() -> dict[str, Any]:
    """What a program may use: numpy and the DSL, each call of it counted."""
    names: dict[str, Any] = {"np": np, _STEP: _step}
    for name in dsl.__all__:
        of = getattr(dsl, name)
        names[name] = _counted(of) if isinstance(of, types.FunctionType) else of
    return names


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else None
        # Most take an array first; work grows with its cells.
        _step(10 + _cells(first) // 20)
        result = function(*args, **kwargs)
        _cells(result)
        return result

    return call


def _cells(value: Any) -> int:
    if type(value) is not np.ndarray:
        return 0
    if value.size > MAX_CELLS:
        raise EndlessError
    return value.size
