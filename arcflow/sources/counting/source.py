"""Counting: a source of generated tasks that teach one prior each."""

import difflib
import hashlib
from collections.abc import Collection, Sequence

import numpy as np

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import MAX_SIDE, Grid, freeze
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.sources.base import Passes, Source
from arcflow.sources.counting.draw import Cells, Draw, NoRoomError
from arcflow.sources.counting.registry import FAMILIES, Family

_VERSION = "1"
"""The version of the families, to be raised when a (seed, index) gives other tasks."""

_DRAWS = 500
"""The number of pairs that are tried for one task before a family is given up."""


class Counting(Source):
    """Generated tasks with simple rules on black grids, which teach one prior each.

    The priors are count, compare, sort, copy, move, mirror, fill, connect, inside and same; each
    has five or six families, and a family's tasks differ in colours, directions and the like. The
    train pairs of a task tell its rule from the likeliest other ones. Every pass over the families
    gives one task of each. A task has one test pair.

    Args:
        families: The only families and priors to use; empty takes all. docs/counting.md has the
            names.
        exclude: The families and priors to leave out.
        pairs: The fewest and the most train pairs of a task, 2 to 20.
        sides: The shortest and the longest side, in cells, 3 to 30, of a grid whose size a family
            chooses freely. Some families need larger grids; if the output is several times the
            input, inputs are smaller.
        difficulty: The lower and upper end of a scale, 0 to 1, with which numbers of objects grow;
            a task's place on it is random between them.

    Raises:
        ConfigError: An option is out of its range, or a name is of no family.
    """

    name = "counting"

    def __init__(
        self,
        families: Sequence[str] = (),
        exclude: Sequence[str] = (),
        pairs: tuple[int, int] = (3, 4),
        sides: tuple[int, int] = (6, 15),
        difficulty: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        for option, value, least, most in (
            ("pairs", pairs, 2, 20),
            ("sides", sides, 3, MAX_SIDE),
            ("difficulty", difficulty, 0, 1),
        ):
            low, high = value
            if not least <= low <= high <= most:
                raise ConfigError(
                    f"counting: bad {option}",
                    value=value,
                    expected=f"{least} <= lower <= upper <= {most}",
                    next_step=f"Correct {option}, or leave it out.",
                )
        wanted, unwanted = _names("families", families), _names("exclude", exclude)
        self._families = tuple(
            name for name in FAMILIES if (not families or name in wanted) and name not in unwanted
        )
        self._pairs, self._sides, self._difficulty = pairs, sides, difficulty
        self._passes = Passes(max(1, len(self._families)))

    @property
    def families(self) -> tuple[str, ...]:
        """The names of the families in use."""
        return self._families

    def __len__(self) -> int:
        return len(self._families)

    def task(self, seed: int, index: int) -> Task:
        """Return a new task of one family, whose id is ``counting/<family>/<index>``.

        Raises:
            DataError: There is no family, or it fails to make a task.
        """
        if not self._families:
            raise DataError(
                "counting: no family is left",
                value=0,
                expected="at least one family",
                next_step="Loosen families or exclude.",
            )
        family = FAMILIES[self._families[self._passes.at(seed, index)]]
        draws = rng(seed, self.name, index)
        low, high = self._difficulty
        draw = Draw(draws, self._sides, low + (high - low) * float(draws.random()))
        pairs = _pairs(family, draw, draw.between(*self._pairs) + 1)
        return Task(
            id=f"{self.name}/{family.name}/{index}",
            train=tuple(pairs[:-1]),
            test=tuple(pairs[-1:]),
            source=self.name,
        )

    def base_tasks(self) -> Sequence[Task]:
        """Return an empty sequence, as nothing published is behind these tasks."""
        return ()

    def exclude(self, ids: Collection[str]) -> "Counting":
        """Return the same source, as nothing published is behind these tasks."""
        return self

    def fingerprint(self) -> dict[str, str]:
        """Return the families, their version and the options."""
        return {
            "source": self.name,
            "version": _VERSION,
            "number of families": str(len(self._families)),
            "families": hashlib.sha256(" ".join(self._families).encode()).hexdigest(),
            "pairs": "{} to {}".format(*self._pairs),
            "sides": "{} to {}".format(*self._sides),
            "difficulty": "{} to {}".format(*self._difficulty),
        }


def named_task(name: str) -> Task:
    """Return the task of an id, ``counting/<family>/<index>``, with default options and seed 0.

    Args:
        name: The id; without an index it means number 0.

    Raises:
        ConfigError: There is no such family.
        DataError: The id has another form.
    """
    source, family, number = (*name.split("/", 2), "0", "0")[:3]
    if source != Counting.name or not (number.isascii() and number.isdigit()):
        raise DataError(
            "counting: not the id of a task",
            value=name,
            expected="counting/<family>/<number>, such as counting/sort-bars/0",
            next_step="Correct the id; docs/counting.md lists the families.",
        )
    return Counting([family]).task(0, int(number))


def _names(option: str, given: Sequence[str]) -> set[str]:
    """Return the families that names of families and priors mean."""
    priors = {family.prior for family in FAMILIES.values()}
    for name in given:
        if name not in FAMILIES and name not in priors:
            near = difflib.get_close_matches(name, [*FAMILIES, *priors], n=3) or sorted(priors)
            raise ConfigError(
                f"counting: {option} has no family or prior of this name",
                value=name,
                expected=f"names such as {', '.join(near)}",
                next_step=f"Correct {option}; docs/counting.md lists the names.",
            )
    return {name for name, family in FAMILIES.items() if {name, family.prior} & set(given)}


def _pairs(family: Family, draw: Draw, n: int) -> list[Pair]:
    """Return ``n`` pairs of one rule, of which the last is for the test.

    Raises:
        DataError: Too many attempts failed.
    """
    left = _DRAWS
    while left > 0:
        # The choices of the whole task are made anew as well, as its palette may make pairs fail.
        left -= 1
        make, made = family.start(draw), list[tuple[Cells, ...]]()
        for _ in range(20 * n):
            if len(made) == n:
                break
            left -= 1
            try:
                grids = make()
            except NoRoomError:
                continue
            if _usable(grids[0], grids[1], made):
                made.append(grids)
        if len(made) == n and _telling(made[:-1]):
            return [Pair(_frozen(grids[0]), _frozen(grids[1])) for grids in made]
    raise DataError(
        f"counting: {family.name} gives no task",
        value=f"{_DRAWS} draws",
        expected="pairs that differ and tell the rule",
        next_step="Widen sides or raise the upper end of difficulty, or exclude the family.",
    )


def _usable(cells: Cells, out: Cells, made: Sequence[tuple[Cells, ...]]) -> bool:
    """Return whether a pair is within bounds, changes its input and has a new input."""
    return (
        max(*cells.shape, *out.shape) <= MAX_SIDE
        and min(*cells.shape, *out.shape) >= 1
        and not np.array_equal(cells, out)
        and not any(np.array_equal(cells, other[0]) for other in made)
    )


def _telling(train: Sequence[tuple[Cells, ...]]) -> bool:
    """Return whether the outputs vary and each rival is wrong at least once."""
    first = train[0][1]
    if all(np.array_equal(first, grids[1]) for grids in train):
        return False
    return all(
        any(not np.array_equal(grids[1], grids[rival]) for grids in train)
        for rival in range(2, len(train[0]))
    )


def _frozen(cells: Cells) -> Grid:
    return freeze(np.array(cells, dtype=np.int8, order="C"))
