"""Configs after ``-c``: a file, or the name of one that comes with arcflow; and what it says."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from arcflow.core.errors import ConfigError
from arcflow.core.shipped_configs import config_names, find_config
from arcflow.core.yaml_text import prepare_yaml
from arcflow.tools.run import did_you_mean

FLAGS = ("-c", "--config")
YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Of plain data only; the one in C where PyYAML has it."""


def resolve_configs(words: Sequence[str]) -> list[str]:
    """Return the words with the names of shipped configs replaced by their files.

    Args:
        words: Options of a command, e.g. ``["-c", "quickstart", "--threads=2"]``.

    Returns:
        As many words, those after ``-c`` and ``--config`` as paths. What is no name of a file
        (an address, YAML itself) stays as it is.

    Raises:
        ConfigError: There is no such file and no shipped config of that name.
    """
    found = list(words)
    for i, word in enumerate(found):
        flag, equals, value = word.partition("=")
        if flag not in FLAGS:
            continue
        if equals:
            found[i] = f"{flag}={_path(value)}"
        elif i + 1 < len(found):
            found[i + 1] = _path(found[i + 1])
    return found


def is_file_name(value: str) -> bool:
    """Return whether a value after ``-c`` names a file.

    Args:
        value: The word.

    Returns:
        False for an address, standard input and YAML itself.
    """
    return value not in ("", "-") and not any(mark in value for mark in ("://", "{", "\n", ": "))


def _path(value: str) -> str:
    if not is_file_name(value) or Path(value).expanduser().exists():
        return value
    shipped = find_config(value)
    if shipped is not None:
        return str(shipped)
    names = run_configs()
    raise ConfigError(
        "-c: no such config",
        value=value,
        expected=f"a YAML file, or a config that comes with arcflow ({', '.join(names)})",
        next_step=f"{_near(value, names)}`arcflow init DIR` copies the shipped ones.",
    )


def read_config(path: str) -> dict[str, Any]:
    """Return what a config file says.

    Args:
        path: Of a YAML file.

    Returns:
        The mapping in it; an empty one if the file is empty.

    Raises:
        ConfigError: It is a folder, unreadable, no text, no YAML or no mapping, or it is refused by
            :func:`~arcflow.core.yaml_text.prepare_yaml`.
    """
    try:
        text = Path(path).expanduser().read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            f"-c: the config cannot be read ({error.strerror})",
            value=path,
            expected="a YAML file",
            next_step="Check the path and its permissions.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: a config file is not text",
            value=error.object[error.start : error.start + 4],
            expected="YAML in UTF-8",
            next_step="Check the files after -c.",
        ) from error
    text = prepare_yaml(text, path)
    try:
        content = yaml.load(text, Loader=YAML_LOADER)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ConfigError(
            f"{path}: a config file is not YAML{where}",
            value=getattr(error, "problem", None) or str(error),
            expected="YAML such as `trainer: {max_steps: 100}`",
            next_step="Correct the file there.",
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: a config file without options",
            value=content,
            expected="options by name, such as `trainer: {max_steps: 100}`",
            next_step="Correct the file.",
        )
    return content


def _near(value: str, names: Sequence[str]) -> str:
    """A file beside the one that is missing, or a shipped config, written as the user did."""
    path = Path(value).expanduser()
    beside = {one.stem: one.name for one in path.parent.glob("*.y*ml")}
    for stem in get_close_matches(path.stem, beside, 1):
        return f"Did you mean {value.removesuffix(path.name)}{beside[stem]}? "
    name = value.removeprefix("./").removeprefix("configs/").removesuffix(".yaml")
    # Only the last part may have been written, as in `-c vllm`.
    whole = [known for known in names if known.split("/")[-1] == name]
    return f"Did you mean {whole[0]}? " if whole else did_you_mean(name, names)


def run_configs() -> list[str]:
    """Return the names of the shipped configs that a run can take.

    Returns:
        All but the studies, sorted.
    """
    return [name for name in config_names() if not name.startswith("studies/")]
