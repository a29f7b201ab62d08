"""How the option index is made: from the real parsers, with everything imported."""

import dataclasses
import os
import re
import types
from argparse import SUPPRESS, Action, _ArgumentGroup
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout, suppress
from importlib import import_module
from importlib.metadata import version
from io import StringIO
from typing import Any, Literal, Union, get_args, get_origin
from unittest.mock import patch

from jsonargparse import ArgumentParser
from jsonargparse._common import parser_context
from lightning.pytorch import LightningDataModule, LightningModule

from arcflow.cli import lightning
from arcflow.cli.generate import GenerateCLI
from arcflow.cli.lightning import DEFAULT_CLASSES, ArcflowCLI
from arcflow.cli.main import HOMES, TOOLS
from arcflow.cli.option_index import ANYTHING, CLASS, DESCRIBED, LINKED, VALUE

_TITLES = {"--model": "The model", "--data": "The tasks"}
"""Instead of the first lines of Lightning's own docstrings."""


def build() -> dict[str, Any]:
    """Describe the options of every command and of every class that comes with arcflow.

    Returns:
        What :mod:`arcflow.cli.option_index` keeps in its file.
    """
    # The width of a terminal must not show in what is kept.
    with patch.dict(os.environ, {"COLUMNS": "10000"}):
        parsers = dict(_parsers(ArcflowCLI))
        parsers["generate"] = _parsers(GenerateCLI)["predict"]
        sections: dict[str, dict[str, Any]] = {}
        commands = {
            command: {"sections": _sections(sections, parser, command), "keys": _tree(parser)}
            for command, parser in parsers.items()
        }
        classes = {f"{kind.__module__}.{kind.__name__}": _class(kind) for kind in _shipped()}
    return {
        "versions": {name: version(name) for name in DESCRIBED},
        "defaults": DEFAULT_CLASSES,
        "commands": commands,
        "sections": sections,
        "classes": classes,
        "tools": {tool: _tool_options(tool) for tool in TOOLS},
    }


def _parsers(cli: type[ArcflowCLI]) -> dict[str, ArgumentParser]:
    """The parsers of the subcommands, as a run of the command line builds them."""
    found: dict[str, ArgumentParser] = {}

    class Built(Exception):  # noqa: N818 - it says that the work is done
        pass

    class Parsers(cli):  # type: ignore[valid-type, misc]
        def parse_arguments(self, parser: ArgumentParser, args: Any) -> None:
            found.update(self._subcommand_parsers)
            raise Built

    try:
        lightning.run(["fit"], Parsers)
    except Built:
        return found
    raise RuntimeError("the command line built no parsers")


def _sections(known: dict[str, Any], parser: ArgumentParser, command: str) -> list[str]:
    """The keys of the sections of a help page, which commands share where they are the same."""
    keys = []
    for group in parser._action_groups:
        section = _section(group, parser)
        if section["options"]:
            key = section["options"][0][0].split()[0]
            if known.setdefault(key, section) != section:
                key = f"{command} {key}"
                known[key] = section
            keys.append(key)
    return keys


def _section(group: _ArgumentGroup, parser: ArgumentParser) -> dict[str, Any]:
    formatter = parser._get_formatter()
    with parser_context(parent_parser=parser):
        options = [
            [
                formatter._format_action_invocation(action),
                " ".join((formatter._expand_help(action) if action.help else "").split()),
            ]
            for action in group._group_actions
            if action.help != SUPPRESS
        ]
    title = str(group.title or "")
    for name, own in _TITLES.items():
        if any(invocation.split()[0] == name for invocation, _ in options):
            title = own
    return {"title": " ".join(title.split()), "options": options}


def _class(kind: type) -> dict[str, Any]:
    parser = ArgumentParser()
    parser.add_class_arguments(kind)
    return {"keys": _tree(parser)}


def _shipped() -> list[type]:
    named: Iterable[Any] = (getattr(lightning, name) for name in lightning.__all__)
    kinds = (LightningModule, LightningDataModule)
    return [one for one in named if isinstance(one, type) and issubclass(one, kinds)]


def _tree(parser: ArgumentParser) -> dict[str, Any]:
    """Nested keys, as in a config file; option_index describes the leaves."""
    tree: dict[str, Any] = {}
    for action in parser._actions:
        if action.dest == "help" or action.dest.endswith(".help"):
            continue
        inner = tree
        *path, last = action.dest.split(".")
        for key in path:
            if not isinstance(inner.get(key), dict):
                break
            inner = inner[key]
        else:
            inner[last] = _node(action)
    return tree


def _node(action: Action) -> Any:
    name = type(action).__name__
    if name == "ActionLink":
        return LINKED
    if name == "_ActionConfigLoad":
        return {}
    hint = getattr(action, "_typehint", None)
    return VALUE if hint is None else _of_type(hint)


def _of_type(hint: Any) -> Any:
    """The node of a type: choices, a scalar's name, the keys of a dataclass, or anything."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return list(args) if all(isinstance(arg, str) for arg in args) else VALUE
    if origin in (Union, types.UnionType):
        rest = [arg for arg in args if arg is not type(None)]
        if len(rest) == 1:
            return _of_type(rest[0])
        if all(get_origin(arg) is Literal for arg in rest):
            choices = (str(choice) for arg in rest for choice in get_args(arg))
            return list(dict.fromkeys(choices))
        # A scalar has no keys; of anything else the user's choice decides which.
        scalars = (VALUE, "bool", "int", "float")
        nodes = [_of_type(arg) for arg in rest]
        plain = all(isinstance(node, list) or node in scalars for node in nodes)
        return VALUE if plain else ANYTHING
    if not isinstance(hint, type):
        return ANYTHING
    if issubclass(hint, LightningModule | LightningDataModule):
        return CLASS
    if dataclasses.is_dataclass(hint):
        return _class(hint)["keys"]
    for kind in (bool, int, float):
        if issubclass(hint, kind):
            return kind.__name__
    return VALUE if issubclass(hint, str | os.PathLike) else ANYTHING


def _tool_options(tool: str) -> list[str]:
    """The long options in a light tool's help."""
    home: Callable[[list[str]], int] = import_module(HOMES.get(tool, f"arcflow.tools.{tool}")).main
    page = StringIO()
    with redirect_stdout(page), suppress(SystemExit):
        home(["--help"])
    return sorted(set(re.findall(r"(?<![\w`-])--[a-z][\w-]*", page.getvalue())))
