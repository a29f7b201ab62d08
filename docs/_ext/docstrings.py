"""Make what autodoc reads from the package fit the reference: signatures, attributes, names."""

import re
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

from docutils import nodes
from numpy.typing import ArrayLike
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import stringify_annotation

ATTRIBUTES = ("attribute", "data", "property")

_UNREADABLE_DEFAULT = re.compile(r"= ?<[^<>]*>")
"""A default that has no text, such as a dataclass's ``<factory>``."""

_ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[[^]]*\], ~?numpy\.dtype\[((?:[^][]|\[[^]]*\])*)\]\]")
"""What ``NDArray[...]`` stands for, spelled out."""

_ARRAY_LIKE = stringify_annotation(ArrayLike, "smart")


def shorten(text: str) -> str:
    """Return a signature or annotation as the source writes it.

    Args:
        text: As autodoc writes it.
    """
    text = _UNREADABLE_DEFAULT.sub("=...", text.replace(_ARRAY_LIKE, "~numpy.typing.ArrayLike"))
    return _ARRAY.sub(r"~numpy.typing.NDArray[\1]", text)


def shorten_signature(
    app: Sphinx, what: str, name: str, obj: object, options: Any, args: str | None, ret: str | None
) -> tuple[str | None, str | None]:
    """Shorten both halves of a signature; Sphinx cannot parse one with an unreadable default."""
    return (args and shorten(args), ret and shorten(ret))


def skip_tuple_fields(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: Any
) -> bool | None:
    """Leave out a named tuple's own words on its fields: the class's docstring describes them."""
    if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number"):
        return True
    return None


_RETURNS = re.compile(r"\s*(Returns|Yields):\s*")

_kept: list[str] = []


def protect_text(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """Keep napoleon from taking the words before a colon for a type, and fences for markup.

    Types are in the annotations here. An attribute's docstring is hidden for a moment; the text
    under ``Returns:`` gets a colon of its own, with nothing before it.
    """
    lines[:] = [line.replace("```", r"\`\`\`") for line in lines]
    if what in ATTRIBUTES:
        _kept[:] = lines
        lines.clear()
    for i in range(len(lines) - 1):
        if _RETURNS.fullmatch(lines[i]) and lines[i + 1].strip():
            text = lines[i + 1].lstrip()
            lines[i + 1] = f"{lines[i + 1][: -len(text)]}: {text}"


def tidy_types(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """Put an attribute's docstring back as it was, and shorten the types that napoleon wrote."""
    if what in ATTRIBUTES:
        lines[:] = _kept
    lines[:] = [shorten(x) if x.lstrip().startswith(":type:") else x for x in lines]


def hide_object(app: Sphinx, doctree: nodes.document) -> None:
    """Say nothing of the base that every class has."""
    for paragraph in list(doctree.findall(nodes.paragraph)):
        if paragraph.astext() == "Bases: object":
            paragraph.parent.remove(paragraph)


def list_exports(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """List the names that a package offers from its modules, where they are described."""
    if what != "module" or not isinstance(obj, ModuleType) or not hasattr(obj, "__path__"):
        return
    found = [(export, _home(getattr(obj, export, None))) for export in _exports(obj)]
    links = [
        f":py:obj:`{export} <{home}>`"
        for export, home in found
        if home.startswith("arcflow.") and home.rpartition(".")[0] != name
    ]
    if links:
        lines.extend(["", f"Names of this package: {', '.join(links)}.", ""])


def _exports(module: ModuleType) -> Sequence[str]:
    """Return what ``from module import *`` gives."""
    named: Sequence[str] = getattr(module, "__all__", ())
    return named


def _home(obj: object) -> str:
    """Return where a class or function is defined, as a dotted name; empty for anything else."""
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    return f"{module}.{name}" if module and name else ""


def find_imported(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.TextElement
) -> nodes.Element | None:
    """Resolve a name that is imported from elsewhere to the place where it is described."""
    if node.get("refdomain") != "py":
        return None
    target, module = node["reftarget"].lstrip("."), node.get("py:module") or "arcflow"
    python = env.get_domain("py")
    for place, path in ((module, target), *_splits(target)):
        found = _look_up(place, path)
        if isinstance(found, TypeVar):
            return contnode  # the text alone: nobody describes a variable
        home = _place_of(found, path, list(python.objects))
        if home.startswith("arcflow.") and home != target:
            link = pending_xref("", **node.attributes)
            return python.resolve_xref(
                env, node["refdoc"], app.builder, "obj", home, link, contnode
            )
    return None


def _place_of(found: object, path: str, described: Sequence[str]) -> str:
    """Return under which name an object is described; empty if it is not.

    Args:
        found: The object.
        path: A name that leads to it.
        described: All names that are described.
    """
    if found is None or _home(found):
        return _home(found)
    # Constants and aliases of types do not know where they are defined.
    last = path.rpartition(".")[2]
    same = [name for name in described if name.rpartition(".")[2] == last]
    return next((name for name in same if _look_up(*name.rsplit(".", 1)) is found), "")


def _splits(target: str) -> list[tuple[str, str]]:
    """Return all ways to split a dotted name into a module of the package and a path in it."""
    parts = target.split(".")
    if parts[0] != "arcflow":
        return []
    return [(".".join(parts[:i]), ".".join(parts[i:])) for i in range(len(parts) - 1, 0, -1)]


def _look_up(module: str, path: str) -> object:
    try:
        found: object = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (AttributeError, ImportError):
        return None
    return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to what autodoc and napoleon do; napoleon's own priority is 500."""
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.connect("autodoc-process-docstring", protect_text, priority=400)
    app.connect("autodoc-process-docstring", tidy_types, priority=600)
    app.connect("autodoc-process-docstring", list_exports, priority=700)
    app.connect("doctree-read", hide_object)
    app.connect("missing-reference", find_imported)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
