"""Checks of YAML text before it is read: keys given twice, hostile nesting, ids that look numeric.

They read the stream of events, in which nothing is nested and nothing is copied, so that a text
takes time and memory in proportion to its length whatever is in it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from arcflow.core.errors import ConfigError

MOST_LEVELS = 50
"""The number of mappings and lists that may be inside each other."""

MOST_NODES = 100_000
"""The number of values that a text may have after every alias is replaced by what it stands for."""

ID_KEYS = frozenset(
    ("ids", "exclude", "only", "allow_contaminated", "families", "tasks", "solutions")
)
"""Options whose values are names of tasks, which stay text whatever they look like."""

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMERIC = re.compile(r"[-+.0-9][-+.:_0-9A-Za-z]*")
_NEXT = "Correct the YAML there."


def prepare_yaml(text: str, where: str = "") -> str:
    """Return YAML text with the ids of tasks in quotes, after checking that it is safe to load.

    YAML reads 00576224 as an octal number and 13e47133 as infinity. Under :data:`ID_KEYS` both are
    put in quotes.

    Args:
        text: The text; what is wrong with its syntax is left to whoever loads it.
        where: The file that it is from, for error messages; "" for an option's value.

    Raises:
        ConfigError: A mapping has a key twice, of which YAML would silently keep the last; values
            are nested more than :data:`MOST_LEVELS` deep, stand for more than :data:`MOST_NODES`
            values, or contain themselves.
    """
    if not any(mark in text for mark in "{[&*:\n"):
        return text  # a single value
    scan = _Scan(where)
    try:
        for event in _events(text):
            scan.take(event)
    except yaml.YAMLError:
        return text
    return _quoted(text, scan.ids)


def quote_ids(text: str) -> str:
    """Return the YAML text of an option whose values are ids, with each of them in quotes."""
    scan = _Scan("", is_ids=True)
    try:
        for event in _events(text):
            scan.take(event)
    except yaml.YAMLError:
        return text
    return _quoted(text, scan.ids)


def _events(text: str) -> Iterator[Any]:
    loader = _Parser(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _quoted(text: str, ids: list[tuple[int, int]]) -> str:
    for start, end in reversed(ids):
        text = f"{text[:start]}'{text[start:end]}'{text[end:]}"
    return text


@dataclass
class _Level:
    """A mapping or list that is being read."""

    is_mapping: bool
    is_ids: bool
    anchor: str | None
    before: int
    keys: set[str] = field(default_factory=set)
    at_key: bool = True
    key: str | None = None


class _Scan:
    """What is known at a place in the stream of events."""

    def __init__(self, where: str, is_ids: bool = False) -> None:
        self.ids: list[tuple[int, int]] = []
        self._where, self._is_ids = where, is_ids
        self._levels: list[_Level] = []
        self._sizes: dict[str, int] = {}
        self._nodes = 0

    def take(self, event: Any) -> None:
        """Take the next event."""
        if isinstance(event, yaml.ScalarEvent):
            self._count(1, event)
            self._scalar(event)
            if event.anchor:
                self._sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
            self._next(None)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            level = self._levels.pop()
            if level.anchor:
                self._sizes[level.anchor] = self._nodes - level.before
            self._next(None)

    def _open(self, event: Any) -> None:
        self._count(1, event)
        if len(self._levels) == MOST_LEVELS:
            self._refuse("values nested too deep", MOST_LEVELS + 1, f"{MOST_LEVELS} levels", event)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        before = self._nodes - 1
        self._levels.append(_Level(is_mapping, self._in_ids(), event.anchor, before))
        if event.anchor:
            self._sizes.pop(event.anchor, None)  # open: an alias in it would contain itself

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._sizes:
            if any(level.anchor == event.anchor for level in self._levels):
                self._refuse("a value that contains itself", f"*{event.anchor}", "none", event)
            return  # an alias of nothing: the loader says so
        self._count(self._sizes[event.anchor], event)

    def _in_ids(self) -> bool:
        """Return whether the next value is among ids: of such an option, or in a list of such."""
        if not self._levels:
            return self._is_ids
        level = self._levels[-1]
        if level.is_mapping:
            return not level.at_key and (level.key or "").rpartition(".")[2] in ID_KEYS
        return level.is_ids

    def _scalar(self, event: Any) -> None:
        level = self._levels[-1] if self._levels else None
        if level is not None and level.is_mapping and level.at_key:
            key = event.value
            if key in level.keys and key != "<<":
                self._refuse("a key that occurs twice", key, "every key once", event)
            level.keys.add(key)
        elif self._in_ids() and event.implicit[0] and _NUMERIC.fullmatch(event.value):
            self.ids.append((event.start_mark.index, event.end_mark.index))
        self._next(event.value)

    def _next(self, key: str | None) -> None:
        level = self._levels[-1] if self._levels else None
        if level is not None and level.is_mapping:
            level.key = key.removesuffix("+") if level.at_key and key is not None else None
            level.at_key = not level.at_key

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            self._refuse(
                "too many values, with aliases replaced by what they stand for",
                f"over {MOST_NODES}",
                f"at most {MOST_NODES}",
                event,
            )

    def _refuse(self, what: str, value: object, expected: str, event: Any) -> None:
        mark = event.start_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}"
        raise ConfigError(
            f"{self._where or 'YAML'}, {place}: {what}",
            value=value,
            expected=expected,
            next_step=_NEXT,
        )
