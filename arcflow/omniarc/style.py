"""The style of programs in the registry: complete in themselves, and a rule, not an answer."""

import ast
import builtins

from arcflow.omniarc import dsl

MAX_LITERAL = 30
"""The largest number of cells in all that a program's lists and tuples of numbers may have.

Mappings and short sequences (colours, directions) are not counted.
"""

ALLOWED_NUMPY = "np"


def style_problems(source: str) -> list[str]:
    """Find what is wrong with the style of a program's text.

    A program uses numpy, the DSL and builtins alone, so that its text runs anywhere. It holds no
    grid: neither an answer nor an input to look an answer up by.

    Args:
        source: The text of a function ``task(grid)``.

    Returns:
        One line for each problem; empty if there is none.
    """
    tree = ast.parse(source)
    problems = [
        f"line {node.lineno}: {name} is neither numpy's, the DSL's nor a builtin"
        for node, name in _unknown_names(tree)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            problems.append(f"line {node.lineno}: imports belong to the module")
        if isinstance(node, ast.List | ast.Tuple) and _numbers(node) > MAX_LITERAL:
            problems.append(f"line {node.lineno}: {_numbers(node)} numbers: a grid written out")
        if isinstance(node, ast.Constant) and _encoded(node.value):
            problems.append(f"line {node.lineno}: a long constant: a grid written out")
    return problems


def _numbers(node: ast.AST) -> int:
    return sum(
        isinstance(leaf, ast.Constant) and isinstance(leaf.value, int) for leaf in ast.walk(node)
    )


def _encoded(value: object) -> bool:
    """Return whether a constant could hold a grid."""
    if isinstance(value, int):
        return abs(value) > 10_000
    return (
        isinstance(value, str | bytes) and len(value) > 40 and not any(c == " " for c in str(value))
    )


def _unknown_names(tree: ast.Module) -> list[tuple[ast.Name, str]]:
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            bound.add(node.name)
    known = bound | set(dsl.__all__) | set(dir(builtins)) | {ALLOWED_NUMPY}
    return [(node, node.id) for node in names if node.id not in known]
