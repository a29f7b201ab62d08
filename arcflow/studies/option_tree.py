"""Options as the files after ``-c`` nest them, looked up by their names on the command line."""

from collections.abc import Mapping
from typing import Any

Tree = dict[str, Any]


def merge(tree: Tree, more: Mapping[str, Any]) -> None:
    """Put ``more`` over ``tree``, key by key, as later files go over earlier ones."""
    for key, value in more.items():
        if isinstance(value, Mapping):
            kept = tree.get(key)
            tree[key] = kept if isinstance(kept, dict) else {}
            merge(tree[key], value)
        else:
            tree[key] = value


def copied(tree: Mapping[str, Any]) -> Tree:
    """A copy whose branches are its own."""
    copy: Tree = {}
    merge(copy, tree)
    return copy


def get(tree: Mapping[str, Any], option: str) -> Any:
    """The value of ``a.b.c``; None where nothing is set."""
    found: Any = tree
    for name in option.split("."):
        if not isinstance(found, Mapping):
            return None
        found = _inner(found, name).get(name)
    return found


def put(tree: Tree, option: str, value: Any) -> None:
    """Set ``a.b.c``; a name set where a class stands is the class's."""
    *path, last = option.split(".")
    for name in path:
        tree = _inner(tree, name)
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    inner = _inner(tree, last)
    kept = inner.get(last)
    if isinstance(kept, dict) and "class_path" in kept and isinstance(value, str):
        kept["class_path"] = value
    else:
        inner[last] = value


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every leaf under its name on the command line."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix if key == "init_args" else f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            found |= flat(value, name)
        else:
            found[name] = value
    return found


def _inner(tree: Any, name: str) -> Any:
    """Where ``name`` is looked up: the options of a class lie in its ``init_args``."""
    arguments = tree.get("init_args")
    return arguments if name not in tree and isinstance(arguments, dict) else tree
