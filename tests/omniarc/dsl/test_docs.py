"""The DSL's exported names: documented with examples that hold, few, and without side effects."""

import ast
import copy
import doctest
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from arcflow.omniarc import dsl

MOST = 80
TYPES = {"Direction", "Grid", "Mask"}
DIRECTIONS = {"UP", "DOWN", "LEFT", "RIGHT", "ORTHOGONAL", "DIAGONAL", "ALL_DIRECTIONS"}
DOCUMENTED = sorted(set(dsl.__all__) - TYPES - DIRECTIONS)
FUNCTIONS = [name for name in DOCUMENTED if inspect.isfunction(getattr(dsl, name))]


def examples(name: str, space: dict[str, Any]) -> list[doctest.DocTest]:
    """The examples of a name's docstring, and of a class's methods."""
    finder = doctest.DocTestFinder(recurse=inspect.isclass(getattr(dsl, name)))
    return [t for t in finder.find(getattr(dsl, name), name, globs=space) if t.examples]


def space() -> dict[str, Any]:
    return {"np": np, **{name: getattr(dsl, name) for name in dsl.__all__}}


def wrong(tests: list[doctest.DocTest]) -> str:
    """What the examples give where it is not what they say."""
    told: list[str] = []
    for test in tests:
        doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    return "".join(told)


def arrays(value: Any, inside_objects: bool) -> Iterator[np.ndarray[Any, Any]]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from arrays(part, inside_objects)
    elif inside_objects and is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from arrays(getattr(value, field.name), inside_objects)


def overlap(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return bool(np.shares_memory(a, b))


def content(value: Any) -> Any:
    """Plain data that is equal for what holds the same."""
    if isinstance(value, np.ndarray):
        return ("array", value.dtype.str, value.tolist())
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(content, value)]
    if isinstance(value, dict):
        return [(key, content(part)) for key, part in value.items()]
    if is_dataclass(value) and not isinstance(value, type):
        return [content(getattr(value, field.name)) for field in fields(value)]
    return copy.copy(value)


def watched(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which has to leave its arguments and return arrays of its own."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        before = content(given)
        try:
            result = function(*args, **kwargs)
        finally:
            assert content(given) == before, f"{function.__name__} altered an argument"
        # Objects are never written to, so that results may hold theirs.
        for array in arrays(result, inside_objects=True):
            shared = [one for one in arrays(given, inside_objects=False) if overlap(one, array)]
            assert not shared or function.__module__.endswith(".choose"), function.__name__
        return result

    return call


def test_no_more_names_than_one_page_holds() -> None:
    assert len(dsl.__all__) <= MOST
    assert len(dsl.__all__) == len(set(dsl.__all__))
    assert all(hasattr(dsl, name) for name in dsl.__all__)


def test_nothing_public_is_left_out() -> None:
    """Every function that is documented as a primitive, by an example, is exported."""
    ours = {
        name
        for module in vars(dsl).values()
        if inspect.ismodule(module)
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and ">>> " in (inspect.getdoc(value) or "")
    }
    assert ours == set(FUNCTIONS)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_with_an_example_that_holds(name: str) -> None:
    assert inspect.getdoc(getattr(dsl, name))
    found = examples(name, space())
    assert sum(bool(e.want) for test in found for e in test.examples) >= 1, "no example"
    assert wrong(found) == ""


def test_a_wrong_example_is_noticed() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "sum", None, 0)
    assert "Got:\n    2" in wrong([test])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_stay_and_results_are_new(name: str) -> None:
    inside = space()
    inside.update({one: watched(getattr(dsl, one)) for one in FUNCTIONS})
    assert wrong(examples(name, inside)) == ""


def test_an_altered_argument_is_noticed() -> None:
    def spoil(grid: Any) -> None:
        grid[0, 0] = 9

    with pytest.raises(AssertionError, match="spoil altered an argument"):
        watched(spoil)(np.zeros((2, 2), np.int8))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_name_every_argument_and_error(name: str) -> None:
    function = getattr(dsl, name)
    doc = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    listed = set(re.findall(r"^    \*{0,2}(\w+):", doc, re.MULTILINE))
    assert set(signature.parameters) <= listed
    assert signature.return_annotation is not inspect.Signature.empty
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(tree))
    assert not raises or "Raises:\n    DslError: " in doc


def test_directions() -> None:
    assert {*dsl.ORTHOGONAL, *dsl.DIAGONAL} == set(dsl.ALL_DIRECTIONS)
    assert (dsl.UP, dsl.DOWN, dsl.LEFT, dsl.RIGHT) == dsl.ORTHOGONAL
    assert len(dsl.ALL_DIRECTIONS) == 8
    assert tuple(np.add(dsl.UP, dsl.LEFT)) in dsl.DIAGONAL
