"""The syntax-tree policy, which decides what a program may consist of before any of it runs."""

import ast
import builtins
from collections.abc import Iterator
from types import CodeType

from arcflow.sandbox.allowlist import BUILTINS
from arcflow.sandbox.namespace import ProgramNamespace
from arcflow.sandbox.outputs import FILE
from arcflow.sandbox.results import Limits, Refused, SyntaxProblem

_NODES: tuple[type[ast.AST], ...] = (
    # Module and definitions
    ast.Module, ast.FunctionDef, ast.Lambda, ast.arguments, ast.arg, ast.Return, ast.Yield,
    ast.YieldFrom, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.alias,
    # Statements
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete, ast.Expr, ast.Pass, ast.For, ast.While,
    ast.If, ast.Break, ast.Continue, ast.Raise, ast.Try, ast.ExceptHandler, ast.Assert,
    ast.Match, ast.match_case, ast.MatchValue, ast.MatchSingleton, ast.MatchSequence,
    ast.MatchMapping, ast.MatchStar, ast.MatchAs, ast.MatchOr,
    # Expressions
    ast.BoolOp, ast.NamedExpr, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Dict, ast.Set, ast.ListComp,
    ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Compare, ast.Call,
    ast.keyword, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute, ast.Subscript,
    ast.Starred, ast.Name, ast.List, ast.Tuple, ast.Slice,
    ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip

_BINDING = frozenset(
    (ast.Name, ast.arg, ast.FunctionDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar,
     ast.MatchMapping)
)  # fmt: skip
"""The kinds of nodes that can bind a name."""
_CHECKED = _BINDING | frozenset(
    (ast.Attribute, ast.Import, ast.ImportFrom, ast.keyword, ast.Global, ast.Nonlocal)
)
_UNCHECKED = frozenset(
    kind
    for base in _NODES
    for kind in (base, *base.__subclasses__())
    if kind not in _CHECKED and not (base.__subclasses__() and kind is base)
)
"""Nodes that are allowed whatever they contain; their children are checked by themselves."""

_CONSTRUCT_NAMES = {
    "ClassDef": "a class",
    "AsyncFunctionDef": "an async function",
    "AsyncFor": "async for",
    "AsyncWith": "async with",
    "Await": "await",
    "With": "with",
    "TryStar": "except*",
    "MatchClass": "a class pattern",
}
_UNAVAILABLE = frozenset(dir(builtins)) - BUILTINS


def check(
    text: bytes, limits: Limits, namespace: ProgramNamespace
) -> CodeType | SyntaxProblem | Refused:
    """Parse a program, check it against the policy and compile it.

    This runs in the parser's process, where a crash of the compiler does no harm.

    Args:
        text: The program's text in UTF-8.
        limits: The bounds of the text's syntax tree.
        namespace: The names that the program may use.

    Returns:
        The compiled code, or the reason why there is none.
    """
    try:
        source = text.decode("utf-8")
        tree = ast.parse(source, FILE)
        problem = _problem(tree, limits, namespace)
        if problem is not None:
            return problem
        return compile(tree, FILE, "exec", dont_inherit=True, optimize=0)
    except SyntaxError as error:
        return SyntaxProblem(error.msg, error.lineno or 0)
    except (ValueError, RecursionError, MemoryError) as error:
        # The text is not UTF-8, has a NUL or a number with too many digits, or is nested too deep.
        return SyntaxProblem(str(error) or "nested too deep for the parser")
    except Exception as error:  # noqa: BLE001 - whatever else the parser does, the worker goes on
        return SyntaxProblem(f"the parser failed: {type(error).__name__}: {error}")


def _problem(tree: ast.Module, limits: Limits, namespace: ProgramNamespace) -> Refused | None:
    """Return the first violation of the policy in reading order, or None if there is none."""
    nodes: list[ast.AST] = []
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        nodes += level
        depth += 1
        if len(nodes) > limits.nodes:
            return Refused(f"a syntax tree of more than {limits.nodes} nodes")
        if depth > limits.depth:
            line = max(getattr(node, "lineno", 0) for node in level)
            return Refused(f"nesting of more than {limits.depth} levels", line)
        level = _children(level)
    stored = {name for node in nodes if type(node) in _BINDING for name in _stores(node)}
    numpy_names = _numpy_names(nodes, stored)
    found = [
        Refused(construct, getattr(node, "lineno", 0))
        for node in nodes
        if type(node) not in _UNCHECKED
        and (construct := _refusal(node, stored, numpy_names, namespace)) is not None
    ]
    if found:
        return min(found, key=lambda refused: refused.line)
    return _signature(tree)


def _children(level: list[ast.AST]) -> list[ast.AST]:
    """Return the direct children of some nodes.

    It takes a third of the time that ``ast.iter_child_nodes`` takes.
    """
    found: list[ast.AST] = []
    for node in level:
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                found.append(value)
            elif type(value) is list:
                found += [item for item in value if isinstance(item, ast.AST)]
    return found


def _stores(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node binds."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef) or (
        isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name
    ):
        yield str(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _hidden(name: str) -> bool:
    return name.startswith("__") or name.endswith("__")


def _numpy_names(nodes: list[ast.AST], stored: set[str]) -> set[str]:
    """Return the names that can mean nothing but numpy anywhere in a program."""
    numpy, other = {"np"}, set(stored)
    for node in nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            top = alias.name.partition(".")[0]
            meant = alias.name if alias.asname else top  # "import a.b" binds a, "as c" binds b
            is_numpy = isinstance(node, ast.Import) and meant == "numpy"
            (numpy if is_numpy else other).add(alias.asname or top)
    return numpy - other


def _refusal(
    node: ast.AST, stored: set[str], numpy_names: set[str], namespace: ProgramNamespace
) -> str | None:
    """Return what is forbidden about one node, or None if it is allowed."""
    if not isinstance(node, _NODES):
        kind = type(node).__name__
        return _CONSTRUCT_NAMES.get(kind, kind)
    if isinstance(node, ast.Name):
        if node.id == "__name__" and isinstance(node.ctx, ast.Load):
            return None
        if _hidden(node.id) or (node.id in _UNAVAILABLE and node.id not in stored):
            return f"the name {node.id}"
    elif isinstance(node, ast.Attribute):
        return _attribute(node, numpy_names, namespace)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name not in namespace.modules:
                return f"import {alias.name}"
            if _hidden(alias.asname or ""):
                return f"the name {alias.asname}"
    elif isinstance(node, ast.ImportFrom):
        return _import_from(node, namespace)
    elif isinstance(node, ast.keyword):
        if node.arg is not None and _hidden(node.arg):
            return f"the name {node.arg}"
    elif isinstance(node, ast.Global | ast.Nonlocal):
        return next((f"the name {name}" for name in node.names if _hidden(name)), None)
    else:
        return next((f"the name {name}" for name in _stores(node) if _hidden(name)), None)
    return None


def _attribute(
    node: ast.Attribute, numpy_names: set[str], namespace: ProgramNamespace
) -> str | None:
    if not isinstance(node.ctx, ast.Load):
        return f"setting the attribute {node.attr}"
    if isinstance(node.value, ast.Name) and node.value.id in numpy_names:
        if node.attr not in vars(namespace.modules["numpy"]) or _hidden(node.attr):
            return f"numpy.{node.attr}"
        return None
    if _hidden(node.attr) or node.attr not in namespace.attributes:
        return f"the attribute {node.attr}"
    return None


def _import_from(node: ast.ImportFrom, namespace: ProgramNamespace) -> str | None:
    name = "." * node.level + (node.module or "")
    if node.level or name not in namespace.modules:
        return f"import of {name}"
    for alias in node.names:
        if alias.name != "*" and (
            alias.name not in vars(namespace.modules[name]) or _hidden(alias.name)
        ):
            return f"{name}.{alias.name}"
        if _hidden(alias.asname or ""):
            return f"the name {alias.asname}"
    return None


def _signature(tree: ast.Module) -> Refused | None:
    """Return a refusal unless the text defines ``task(grid)`` at its top level."""
    tasks = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "task"
    ]
    if not tasks:
        return Refused("no function task(grid)")
    arguments = tasks[-1].args
    names = [arg.arg for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    if arguments.vararg or arguments.kwarg or len(names) != 1 or arguments.kwonlyargs:
        shown = ast.unparse(arguments)[:100]
        return Refused(f"task({shown}) where task(grid) is expected", tasks[-1].lineno)
    return None
