"""The options of the commands that run a model, known without importing torch or Lightning.

They lie in ``option_index.json`` beside this file, made from the real parsers by
``python -m arcflow.cli.option_index``; a test holds the file to the parsers.
"""

import json
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("option_index.json")

VALUE = ""
"""A leaf of the tree of keys: a value about which nothing is known but that it has no keys."""
ANYTHING = "*"
"""A value that may have any keys: a mapping, a list, an object of any class."""
CLASS = "@"
"""An object of a class that is chosen, as ``model`` and ``data`` are."""
LINKED = "="
"""A value that is taken from another option."""

DESCRIBED = ("lightning", "jsonargparse")
"""Distributions whose own options and help texts are in the file."""


@cache
def read_index() -> dict[str, Any]:
    """Return the option index.

    Returns:
        ``commands`` (of each the keys of its ``sections``, and ``keys``, the tree of options),
        ``sections`` (title, options with their help), ``classes`` (class path to tree),
        ``defaults`` (the classes of ``model`` and ``data``), ``tools`` (their options) and
        ``versions``. In a tree a mapping has keys below it; a list names the choices; ``"int"``,
        ``"float"`` and ``"bool"`` are types; the rest are the constants of this module.
    """
    index: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return index


def is_current() -> bool:
    """Return whether the index describes the libraries that are installed.

    Another version of Lightning may have other options: then only its parsers know them.

    Returns:
        True where the versions are those the index was made with.
    """
    try:
        return all(version(name) == made for name, made in read_index()["versions"].items())
    except PackageNotFoundError:
        return False


def write_text(index: dict[str, Any]) -> str:
    """Return the text of the file.

    Args:
        index: As :func:`arcflow.cli.index_builder.build` returns it.

    Returns:
        JSON with a line for each option, so that a change is easy to review.
    """
    return json.dumps(index, indent=0, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(write_text(import_module("arcflow.cli.index_builder").build()), "utf-8")
    print(f"{FILE}: written")
