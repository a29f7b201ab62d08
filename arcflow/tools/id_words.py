"""Ids of tasks on the command line, which YAML would read as numbers."""

from collections.abc import Sequence

from arcflow.core.yaml_text import ID_KEYS, quote_ids


def keep_ids(words: Sequence[str]) -> list[str]:
    """Return the words of a command with ids in lists put in quotes, so that they stay text.

    Args:
        words: Options and their values, e.g. ``["--data.val.ids", "[13e47133, 00576224]"]``, or
            ``["--data.val.ids=[13e47133]"]``.
    """
    found = list(words)
    for i, word in enumerate(found):
        name, equals, value = word.partition("=")
        if not name.startswith("--") or name.removesuffix("+").rpartition(".")[2] not in ID_KEYS:
            continue
        if equals and _is_list(value):
            found[i] = f"{name}={quote_ids(value)}"
        elif not equals and i + 1 < len(found) and _is_list(found[i + 1]):
            found[i + 1] = quote_ids(found[i + 1])
    return found


def _is_list(value: str) -> bool:
    return value.lstrip().startswith("[")
