"""Options as nested in config files, accessed by their names on the command line."""

from collections.abc import Mapping
from typing import Any

Tree = dict[str, Any]


def merge(tree: Tree, more: Mapping[str, Any]) -> None:
    """Merge ``more`` into ``tree`` in place, key by key, as later config files override earlier."""
    for key, value in more.items():
        if isinstance(value, Mapping):
            kept = tree.get(key)
            tree[key] = kept if isinstance(kept, dict) else {}
            merge(tree[key], value)
        else:
            tree[key] = value


def copied(tree: Mapping[str, Any]) -> Tree:
    """Return a deep copy of the tree's mappings."""
    copy: Tree = {}
    merge(copy, tree)
    return copy


def get(tree: Mapping[str, Any], option: str) -> Any:
    """Return the value of an option such as ``a.b.c``, or None if it is not set."""
    found: Any = tree
    for name in option.split("."):
        if not isinstance(found, Mapping):
            return None
        found = _inner(found, name).get(name)
    return found


def put(tree: Tree, option: str, value: Any) -> None:
    """Set an option in place.

    Text given for an option that holds a class replaces the class's name and keeps its options.

    Args:
        tree: The options.
        option: The name on the command line, such as ``a.b.c``.
        value: The new value.
    """
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
    """Return every leaf of the tree by its name on the command line.

    Args:
        tree: The options.
        prefix: The name of the tree itself, without a trailing dot.
    """
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix if key == "init_args" else f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            found |= flat(value, name)
        else:
            found[name] = value
    return found


def _inner(tree: Any, name: str) -> Any:
    """Return the mapping that holds ``name``: the options of a class are in its ``init_args``."""
    arguments = tree.get("init_args")
    return arguments if name not in tree and isinstance(arguments, dict) else tree
