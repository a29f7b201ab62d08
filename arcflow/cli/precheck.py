"""What is wrong with words and config files, found before torch and Lightning are imported.

Only what the real parser would refuse too is refused here; it has the last word on all else.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from arcflow.cli.config_names import FLAGS, is_file_name, read_config
from arcflow.cli.early_values import check_folder, check_values
from arcflow.cli.final_values import final_values, read_value
from arcflow.cli.option_index import ANYTHING, LINKED, VALUE
from arcflow.cli.option_tree import class_tree, command_tree, find, meant, object_tree
from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.tools.run import did_you_mean

_CLASSES = ("model", "data")
_NUMBERS = {"int": "a whole number", "float": "a number"}
_BOOLEANS = ("true", "false", "yes", "no", "on", "off", "1", "0", "null", "none")


def check(command: str, words: Sequence[str], known: bool) -> None:
    """Check the options of a command that runs a model.

    Args:
        command: ``"fit"``, ``"validate"``, ``"test"``, ``"predict"`` or ``"generate"``.
        words: What follows it, with the files of configs.
        known: Whether the option index describes the installed libraries; else only the files
            and the run's folder are looked at.

    Raises:
        ConfigError: A config that cannot be read, an option that does not exist, a value that
            cannot be its option's, or a folder that cannot be made.
        CheckpointError: ``ckpt_path`` names a file that does not exist.
        DataError: A selection of tasks names neither a published set nor a file.
    """
    options = list(_options(words))
    files = {
        value: read_config(value)
        for name, value in options
        if name == "config" and value is not None and is_file_name(value)
    }
    if known:
        chosen = {group: set(_classes(group, options, files)) for group in _CLASSES}
        checker = _Checker(command, command_tree(command, chosen))
        for name, value in options:
            checker.word(name, value)
        for file, content in files.items():
            checker.mapping(content, checker.tree, (), file)
    if any(name == "print_config" for name, _ in options):
        return
    values = final_values(options, files)
    if known:
        check_values(command, values)
    root = values.get("trainer.default_root_dir")
    if isinstance(root, str):
        check_folder(root)
    checkpoint = values.get("ckpt_path")
    if isinstance(checkpoint, str):
        check_checkpoint(checkpoint)


def _options(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """The options among the words, without dashes, and their values."""
    for i, word in enumerate(words):
        if word == "--":
            return
        name, equals, value = word.partition("=")
        if name in FLAGS:
            name = "--config"
        if not name.startswith("--") or " " in name:
            continue
        follows = i + 1 < len(words) and not words[i + 1].startswith("--")
        yield name[2:], value if equals else words[i + 1] if follows else None


def _classes(
    group: str,
    options: Sequence[tuple[str, str | None]],
    files: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """Every class that is named for a group; what stands for one that cannot be told is empty."""
    for name, value in options:
        if name in (group, f"{group}.class_path") and value is not None:
            yield from _class_of(read_value(value))
    for content in files.values():
        if group in content:
            yield from _class_of(content[group])


def _class_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "class_path" in value:
            yield str(value["class_path"])
    elif value is not None:
        yield str(value)  # a class, or a file that says which


class _Checker:
    """The options of one run."""

    def __init__(self, command: str, tree: dict[str, Any]) -> None:
        self.command = "generate inputs" if command == "generate" else command
        self.tree = tree

    def word(self, name: str, text: str | None) -> None:
        """Check one option of the command line."""
        node = find(self.tree, name.removesuffix("+"))
        if node is None:
            self._refuse("no such option", f"--{name}", name, dashes="--")
        if text is not None:
            self.value(read_value(text), node, name, "")

    def mapping(
        self, content: Mapping[Any, Any], node: Any, path: Sequence[str], file: str
    ) -> None:
        """Check the keys of a config file, or of a value written as one."""
        if "class_path" in content and path and path[-1] in _CLASSES and len(path) == 1:
            node = object_tree(class_tree([str(content["class_path"])]))
        elif "class_path" in content and not (isinstance(node, dict) and "class_path" in node):
            return  # a class of the user's own choice
        for key, value in content.items():
            *above, last = str(key).removesuffix("+").split(".")
            name = ".".join((*path, *above, last))
            below = find(node, ".".join((*above, last))) if node != ANYTHING else ANYTHING
            if below is None:
                self._refuse(f"{file}: no such option" if file else "no such option", name, name)
            self.value(value, below, name, file)

    def value(self, value: Any, node: Any, name: str, file: str) -> None:
        """Check what can be told from an option's type."""
        if isinstance(node, dict):
            if isinstance(value, dict):
                self.mapping(value, node, name.split("."), file)
            return
        if not isinstance(value, str) or node in (ANYTHING, LINKED, VALUE):
            return
        near = ""
        if isinstance(node, list):
            if value in node:
                return
            expected = f"one of {', '.join(node)}"
            near = did_you_mean(value, node)
        elif node == "bool":
            if value.lower() in _BOOLEANS:
                return
            expected = "true or false"
        elif node in _NUMBERS:
            if _is_number(value):
                return
            expected = _NUMBERS[node]
        else:
            return
        raise ConfigError(
            f"{file}: option {name}" if file else f"option {name}",
            value=value,
            expected=expected,
            next_step=f"{near}See `arcflow {self.command} --help`.",
        )

    def _refuse(self, what: str, value: str, name: str, dashes: str = "") -> None:
        plain = name.removesuffix("+")
        names = [f"{dashes}{one}" for one in meant(self.tree, plain)]
        if not dashes:
            # In a file the options of a class stand below init_args.
            names = [_in_file(one) for one in names]
        near = f"Did you mean {' or '.join(names)}? " if names else ""
        raise ConfigError(
            what,
            value=value,
            expected=f"an option of `arcflow {self.command}`",
            next_step=f"{near}See `arcflow {self.command} --help`.",
        )


def _in_file(name: str) -> str:
    group, dot, rest = name.partition(".")
    if group in _CLASSES and dot and rest.split(".")[0] not in ("class_path", "init_args"):
        return f"{group}.init_args.{rest}"
    return name


def _is_number(text: str) -> bool:
    if text.lower() in ("null", "none"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_checkpoint(name: str) -> None:
    """Check that the file of ``--ckpt_path`` exists; ``last`` is looked for by the run itself.

    Args:
        name: The value of the option.

    Raises:
        CheckpointError: There is no such file.
    """
    if name != "last" and not Path(name).is_file():
        raise CheckpointError(
            f"--ckpt_path {name}: no checkpoint there",
            value=name,
            expected="a checkpoint file",
            next_step="Give the --trainer.default_root_dir of the run to continue, or a path; "
            "leave --ckpt_path out to start from scratch.",
        )
