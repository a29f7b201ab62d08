"""Failed programs: right programs with a mistake, and feedback, to learn corrections from."""

import ast
import builtins
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from arcflow.core.grid import GridKey, grid_key
from arcflow.core.seeds import rng
from arcflow.core.task import FailedProgram, Pair, Task
from arcflow.omniarc import dsl
from arcflow.omniarc.edits import Edit, Text
from arcflow.omniarc.execute import WORDS
from arcflow.omniarc.feedback import result_feedback
from arcflow.omniarc.in_process import run_in_process
from arcflow.omniarc.signatures import primitives
from arcflow.omniarc.variations import change
from arcflow.text.recent import Recent

VARIANTS = 32
"""The number of broken versions of each program."""

_COMPARED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
}

T = TypeVar("T")
Break = Callable[[str, np.random.Generator], str | None]
"""A function that breaks a program in one way, or returns None if that way does not apply to it."""


def broken(text: str, random: np.random.Generator) -> str:
    """Return a program with one mistake of the kind that people and models make.

    The mistake is one of these: a constant with another meaning
    (:func:`~arcflow.omniarc.variations.change`), a number that is off by one, another primitive of
    the same type, a missing statement, two exchanged arguments, a name that does not exist. The
    program may still be right.

    Args:
        text: A text that defines ``task(grid)``.
        random: The generator that chooses the mistake.

    Returns:
        The changed text.
    """
    shares = np.array([share for _, share in _BREAKS])
    order = random.choice(len(_BREAKS), size=len(_BREAKS), replace=False, p=shares / shares.sum())
    for index in order.tolist():
        found = _BREAKS[index][0](text, random)
        if found is not None and found != text:
            return found
    raise AssertionError(f"a program without any name: {text!r}")


class FailedPrograms:
    """Broken versions of programs with feedback, which are equal for equal arguments.

    The broken texts and the feedback on each pair are cached, since they take time to make. The
    cache does not travel to other processes.

    Args:
        variants: The number of broken versions of each program, at least 1.
        words: The module whose words the programs use.
    """

    def __init__(self, variants: int = VARIANTS, words: str = WORDS) -> None:
        self._variants, self._words = variants, words
        self._texts: Recent[tuple[str, int], str] = Recent(16_384)
        self._feedback: Recent[tuple[str, GridKey, GridKey], str] = Recent(65_536)

    def attempt(self, task: Task, random: np.random.Generator) -> FailedProgram | None:
        """Choose a broken version of a task's program that fails one of its train pairs.

        The feedback is about the first train pair that it fails, as in an evaluation.

        Args:
            task: A task with a program, whose train pairs the program solves.
            random: The generator that chooses the version.

        Returns:
            The broken program with its feedback, or None if no version fails a pair.
        """
        assert task.code is not None
        code = task.code
        for version in random.permutation(self._variants).tolist():
            key = code, version
            text = self._texts.get(key, lambda key: broken(key[0], rng(key[1], "broken program")))
            for pair in task.train:
                feedback = self._feedback_on(text, pair)
                if feedback:
                    return FailedProgram(text, feedback)
        return None

    def _feedback_on(self, text: str, pair: Pair) -> str:
        assert pair.output is not None
        wanted = pair.output
        key = text, grid_key(pair.input), grid_key(wanted)
        return self._feedback.get(
            key,
            lambda key: result_feedback(run_in_process(text, pair.input, self._words), [wanted]),
        )


def _removed(text: str, random: np.random.Generator) -> str | None:
    """Return the program without one of its statements."""
    program = Text(text)
    found = [
        statement
        for body in _bodies(program.tree)
        if len(body) > 1
        for statement in body
        if _may_be_missing(statement)
    ]
    if not found:
        return None
    return program.with_edits([program.remove_lines(_drawn(found, random))])


def _may_be_missing(statement: ast.stmt) -> bool:
    """Return whether a program may still run without a statement.

    It may not without a statement that binds a new name or returns the result.
    """
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(value))
        case ast.Assign(targets=[target]):
            return isinstance(target, ast.Subscript)
        case ast.Expr(value=value):
            return not isinstance(value, ast.Constant)
    kinds = ast.AugAssign | ast.For | ast.While | ast.If | ast.Continue | ast.Break
    return isinstance(statement, kinds)


def _swapped(text: str, random: np.random.Generator) -> str | None:
    """Return the program with two arguments exchanged."""
    program = Text(text)
    found = [
        (one, other)
        for call in ast.walk(program.tree)
        if isinstance(call, ast.Call)
        for one, other in zip(call.args, call.args[1:], strict=False)
        if not isinstance(one, ast.Starred) and not isinstance(other, ast.Starred)
    ]
    if not found:
        return None
    one, other = _drawn(found, random)
    return program.with_edits(
        [program.replace(one, program.source(other)), program.replace(other, program.source(one))]
    )


def _misnamed(text: str, random: np.random.Generator) -> str | None:
    """Return the program with a name that does not exist."""
    program = Text(text)
    names = [node for node in ast.walk(program.tree) if isinstance(node, ast.Name)]
    known = {node.id for node in names} | {*dsl.__all__, *dir(builtins), "np"}
    found = [
        (node, wrong)
        for node in names
        if isinstance(node.ctx, ast.Load) and node.id != "np"
        for wrong in _misspelt(node.id)
        if wrong not in known
    ]
    if not found:
        return None
    node, wrong = _drawn(found, random)
    return program.with_edits([program.replace(node, wrong)])


def _misspelt(name: str) -> list[str]:
    """Return names that somebody might use in mistake for the right one."""
    parts = name.split("_")
    shorter = ["_".join(parts[:i] + parts[i + 1 :]) for i in range(len(parts)) if len(parts) > 1]
    number = name[:-1] if name.endswith("s") else f"{name}s"
    return [one for one in (number, *shorter) if one.isidentifier()]


def _mistaken(text: str, random: np.random.Generator) -> str | None:
    """Return the program with one primitive replaced by another of the same type."""
    program = Text(text)
    found: list[Edit] = []
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Name) and node.id in primitives():
            others = _SAME_KIND[primitives()[node.id].kind]
            found += [program.replace(node, other) for other in others if other != node.id]
    return program.with_edits([_drawn(found, random)]) if found else None


def _off_by_one(text: str, random: np.random.Generator) -> str | None:
    """Return the program with a number that is one more or less, or with a shifted comparison."""
    program = Text(text)
    found: list[Edit] = []
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            found += [
                program.replace(node, str(node.value + step))
                for step in (-1, 1)
                if node.value + step >= 0
            ]
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
            now, instead = _COMPARED[type(node.ops[0])]
            left, right = node.left, node.comparators[0]
            between = Edit(program.span(left)[1], program.span(right)[0], "")
            sign = program.between(between).replace(now, instead, 1)
            found.append(Edit(between.start, between.end, sign))
    return program.with_edits([_drawn(found, random)]) if found else None


def _bodies(tree: ast.Module) -> list[list[ast.stmt]]:
    """Return the blocks of statements within the functions."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module):
            found += [
                body
                for body in (getattr(node, "body", None), getattr(node, "orelse", None))
                if isinstance(body, list)
            ]
    return found


def _drawn(found: list[T], random: np.random.Generator) -> T:
    return found[int(random.integers(len(found)))]


def _same_kind() -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, primitive in primitives().items():
        found[primitive.kind].append(name)
    return dict(found)


_SAME_KIND = _same_kind()
_BREAKS: tuple[tuple[Break, float], ...] = (
    (change, 3.0),
    (_off_by_one, 2.0),
    (_mistaken, 2.0),
    (_removed, 2.0),
    (_swapped, 1.0),
    (_misnamed, 1.0),
)
"""The ways to break a program, and how often each of them is tried first."""
