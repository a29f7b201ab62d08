"""What options come to in the end: words and config files, put over each other in order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from arcflow.cli.config_names import YAML_LOADER
from arcflow.core.yaml_text import prepare_yaml

Options = Sequence[tuple[str, str | None]]
"""Names of options without dashes, and their texts."""
Files = Mapping[str, Mapping[str, Any]]
"""What config files say, by the word after ``-c``."""

_IN_OBJECTS = ("init_args", "dict_kwargs")


def read_value(text: str) -> Any:
    """Return what the text of an option says as YAML; the text itself if it says nothing."""
    text = prepare_yaml(text)
    try:
        return yaml.load(text, Loader=YAML_LOADER)
    except (yaml.YAMLError, ValueError):
        return text


def final_values(options: Options, files: Files) -> dict[str, Any]:
    """Return the last value of each option.

    Args:
        options: The options among the words, in order.
        files: The files that they name.

    Returns:
        Values by dotted name, e.g. ``"data.val.max_side"``, whichever way they were given. A value
        given whole takes the place of all that was below its name before.
    """
    found: dict[str, Any] = {}
    for name, text in options:
        if text is None:
            continue
        if name == "config":
            for key, value in files.get(text, {}).items():
                _put(found, str(key), value, whole=False)
        else:
            _put(found, name, read_value(text), whole=True)
    return found


def class_names(value: Any) -> Iterator[str]:
    """Yield the classes that the value of an option names: one, or those of a list.

    Args:
        value: A name, a mapping with ``class_path``, or a list of these.
    """
    for one in value if isinstance(value, list) else (value,):
        name = one.get("class_path") if isinstance(one, dict) else one
        if isinstance(name, str):
            yield name


def _put(found: dict[str, Any], name: str, value: Any, whole: bool) -> None:
    *path, last = (part for part in name.split(".") if part not in _IN_OBJECTS)
    name = ".".join((*path, last))
    if last.endswith("+"):
        name = name.removesuffix("+")
        before = found.get(name, [])
        before = before if isinstance(before, list) else [before]
        found[name] = [*before, *(value if isinstance(value, list) else [value])]
        return
    if isinstance(value, dict):
        if whole and name not in ("trainer", "model", "data"):
            _forget(found, name)
        if "class_path" in value:
            found[name] = value["class_path"]
        for key, inner in value.items():
            if key in _IN_OBJECTS and isinstance(inner, dict):
                _put(found, name, inner, whole=False)
            elif key not in ("class_path", *_IN_OBJECTS):
                _put(found, f"{name}.{key}", inner, whole=False)
        return
    if last == "class_path":
        name = ".".join(path)
    elif name not in ("model", "data"):
        _forget(found, name)
    found[name] = value


def _forget(found: dict[str, Any], name: str) -> None:
    for key in [key for key in found if key == name or key.startswith(f"{name}.")]:
        del found[key]
