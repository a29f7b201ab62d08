"""Ids of tasks that say of which other task they are a variation."""

import re
from collections import defaultdict
from collections.abc import Iterator

from arcflow.core.task import family_of

TWINS = (
    ("070dd51e", "40853293"),
    ("50a16a69", "caa06a1f"),
    ("55783887", "db695cfb"),
    ("27a28665", "44f52bb0"),
    ("8be77c9e", "c9e6f938"),
)
"""Pairs of published tasks that follow one rule up to turns and colours.

A variation of one of them counts as a variation of the other.
"""

_PUBLISHED = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{8}(?![0-9A-Za-z])")
_NUMBERED = re.compile(r"(.+?)[-_.](?:v|var|aug|copy)?[0-9]+")


def names_in(task_id: str) -> set[str]:
    """Return the ids of the tasks that a task's own id suggests it may be a variation of.

    For ``"a/b/3"`` these are the id itself, ``"a/b"`` and ``"a"``. Further ones are the part after
    the last ``/``, if it is more than a number; ``"a"`` for ids such as ``"a_v2"``, ``"a-3"`` or
    ``"a.1"``; and a published task's id (eight hexadecimal digits) anywhere, as in
    ``"re-arc-00d62c1b-17"``.
    """
    return _family_names(task_id) | _loose_names(task_id)


def _family_names(task_id: str) -> set[str]:
    """Return the related ids that cannot be a chance likeness."""
    found = {task_id, family_of(task_id), *_PUBLISHED.findall(task_id)}
    if "/" in task_id[1:]:
        parts = task_id.split("/")
        found.update("/".join(parts[:n]) for n in range(2, len(parts)))
    return found


def _loose_names(task_id: str) -> set[str]:
    """Return the ids that are related only if the other task's whole id is exactly this."""
    found = set()
    numbered = _NUMBERED.fullmatch(task_id)
    if numbered:
        found.add(numbered[1])
    last = task_id.rpartition("/")[2]
    if last != task_id and not last.isdigit():
        found.add(last)
    return found


class Families:
    """An index of evaluation tasks by the ids of their possible variations."""

    def __init__(self) -> None:
        self._sure: defaultdict[str, list[str]] = defaultdict(list)
        self._loose: defaultdict[str, list[str]] = defaultdict(list)

    @property
    def names(self) -> set[str]:
        """All ids by which an evaluation task can be found."""
        return {*self._sure, *self._loose}

    def add(self, task_id: str) -> None:
        """Add an evaluation task."""
        names = _family_names(task_id)
        for twins in TWINS:
            if not names.isdisjoint(twins):
                names.update(twins)
        for name in names:
            self._sure[name].append(task_id)
        for name in _loose_names(task_id):
            self._loose[name].append(task_id)

    def find(self, task_id: str) -> Iterator[str]:
        """Yield the evaluation tasks of which a task may be a variation, or the other way round."""
        for name in _family_names(task_id):
            yield from self._sure.get(name, ())
            yield from self._loose.get(name, ())
        for name in _loose_names(task_id):
            yield from self._sure.get(name, ())
