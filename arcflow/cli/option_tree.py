"""The tree of a command's options: is there one of this name, and which one was meant?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from arcflow.cli.option_index import ANYTHING, CLASS, LINKED, VALUE, read_index

OBJECT_KEYS = ("class_path", "init_args", "dict_kwargs")
"""The keys of an object in a config file, as jsonargparse reads them."""


def command_tree(command: str, chosen: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Return the options of a command, with those of the classes that may be meant.

    Args:
        command: ``"fit"``, ``"validate"``, ``"test"``, ``"predict"`` or ``"generate"``.
        chosen: For ``"model"`` and ``"data"`` the classes that words and files name.

    Returns:
        Nested keys, as the index has them. Anything is allowed below an option that has a class
        of the user's own.
    """
    index = read_index()
    tree: dict[str, Any] = {}
    for key, node in index["commands"][command]["keys"].items():
        if node == CLASS:
            default = index["defaults"][key]
            inside = class_tree({default, *chosen.get(key, ())})
            node = object_tree(inside)
        tree[key] = node
    return tree


def class_tree(names: Iterable[str]) -> Any:
    """Return the options of classes, together.

    Args:
        names: Class paths or bare names.

    Returns:
        Nested keys; :data:`~arcflow.cli.option_index.ANYTHING` if a class is not arcflow's own.
    """
    classes = read_index()["classes"]
    by_name = {path.rpartition(".")[2]: tree["keys"] for path, tree in classes.items()}
    found: Any = {}
    for name in sorted(names):
        tree = classes[name]["keys"] if name in classes else by_name.get(name)
        if tree is None:
            return ANYTHING
        found = _merged(found, tree)
    return found


def object_tree(inside: Any) -> Any:
    """Return the keys of an object whose class has these options.

    Args:
        inside: The class's options.

    Returns:
        They, the same below ``init_args``, and jsonargparse's other keys.
    """
    if inside == ANYTHING:
        return ANYTHING
    return {"class_path": VALUE, "init_args": inside, "dict_kwargs": ANYTHING, **inside}


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        both = {key: _merged(one[key], other[key]) for key in one.keys() & other.keys()}
        return {**one, **other, **both}
    if one == other:
        return one
    return ANYTHING if isinstance(one, dict) or isinstance(other, dict) else VALUE


def find(tree: Any, name: str) -> Any:
    """Return the node of an option, or None.

    Args:
        tree: As :func:`command_tree` returns it.
        name: With dots, without dashes; ``".help"`` at its end asks for help.

    Returns:
        The node; ``ANYTHING`` where only the real parser knows; None if there is no such option.
    """
    node = tree
    for key in name.split("."):
        if node in (ANYTHING, LINKED):
            return ANYTHING
        if not isinstance(node, dict):
            return None
        if key not in node:
            return ANYTHING if node is not tree and key in ("help", *OBJECT_KEYS) else None
        node = node[key]
    return node


def meant(tree: Any, name: str) -> list[str]:
    """Return the options that a misspelt name may stand for.

    Args:
        tree: As :func:`command_tree` returns it.
        name: What was written, with dots.

    Returns:
        At most three names: one spelt alike beside it, else the shortest whose last part is the
        same, else one spelt alike anywhere.
    """
    parts, node = name.split("."), tree
    known: list[str] = []
    while isinstance(node, dict) and parts[len(known)] in node and len(known) + 1 < len(parts):
        known.append(parts[len(known)])
        node = node[known[-1]]
    if isinstance(node, dict):
        wrong, rest = parts[len(known)], parts[len(known) + 1 :]
        beside = [key for key, value in node.items() if value != LINKED]
        for near in get_close_matches(wrong, beside, 3, 0.7):
            whole = ".".join([*known, near, *rest])
            if find(tree, whole) is not None:
                return [whole]
    names = list(_names(tree))
    same = [one for one in names if one.rpartition(".")[2] == parts[-1]]
    depth = min((one.count(".") for one in same), default=0)
    same = [one for one in same if one.count(".") == depth]
    return same[:3] or get_close_matches(name, names, 1)


def _names(tree: Any, above: Sequence[str] = ()) -> Iterator[str]:
    """Every option by its short name, without ``init_args``."""
    for key, node in tree.items():
        if key in OBJECT_KEYS or node == LINKED:
            continue
        yield ".".join((*above, key))
        if isinstance(node, dict):
            yield from _names(node, (*above, key))


def option_names(command: str) -> list[str]:
    """Return all options of a command, with those of the default classes.

    Args:
        command: ``"fit"``, ``"validate"``, ``"test"``, ``"predict"`` or ``"generate"``.

    Returns:
        With dashes, sorted.
    """
    words = ["--help"] if command == "generate" else ["--dry-run", "--help"]
    return sorted([*words, *(f"--{name}" for name in _names(command_tree(command, {})))])
