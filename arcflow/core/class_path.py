"""Classes and other objects of a user's own module, named by a dotted path."""

import difflib
import importlib
from collections.abc import Collection
from typing import Any

from arcflow.core.errors import ConfigError


def class_path(cls: type) -> str:
    """Return the dotted path by which :func:`import_class` finds a class again."""
    return f"{cls.__module__}.{cls.__qualname__}"


def import_object(path: str, option: str, expected: str) -> Any:
    """Return the object that a dotted path names.

    Args:
        path: module and name, e.g. ``"my_package.my_module.MyClass"``.
        option: the option that holds the path, for messages.
        expected: what the path should name, for messages.

    Raises:
        ConfigError: there is no such module, or no such name in it.
    """
    module_name, _, name = path.rpartition(".")
    next_step = "Check the spelling, and that the module's folder is on PYTHONPATH."
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"{option}: the module cannot be imported ({error})",
            value=path,
            expected=expected,
            next_step=next_step,
        ) from error
    if not hasattr(module, name):
        raise ConfigError(
            f"{option}: the module {module_name} has no such name{did_you_mean(name, dir(module))}",
            value=path,
            expected=expected,
            next_step=next_step,
        )
    return getattr(module, name)


def import_class(path: str, base: type[Any], option: str) -> type[Any]:
    """Return the class that a dotted path names.

    Args:
        path: module and class, e.g. ``"my_package.my_module.MyClass"``.
        base: the class that it must derive from.
        option: the option that holds the path, for messages.

    Raises:
        ConfigError: there is no such class, or it is not a subclass of ``base``.
    """
    expected = f"the class path of a subclass of {class_path(base)}"
    cls = import_object(path, option, expected)
    # The bases are searched by hand, since issubclass refuses protocols with attributes.
    if not isinstance(cls, type) or base not in cls.__mro__[1:]:
        raise ConfigError(
            f"{option}: not a subclass of {base.__name__}",
            value=path,
            expected=expected,
            next_step=f"Derive the class from {class_path(base)}.",
        )
    return cls


def did_you_mean(name: str, names: Collection[str]) -> str:
    """Return ``" (did you mean ...?)"`` for the most similar of ``names``; "" where none is."""
    close = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
