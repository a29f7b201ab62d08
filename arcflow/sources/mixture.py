"""Mixed: several sources as one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.interleave import VERSION, Interleave
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.sources.base import Source

COLDEST = 0.1
"""Lowest temperature; a part of half the size has a thousandth of the weight then."""


class Mixed(Source):
    """Tasks of several sources by weight; a source of it may be mixed itself.

    Args:
        sources: name to source.
        weights: name to weight, 0 or more; a source that is not named has weight 1.
        temperature: null takes the weights as they are; a number T multiplies each with the
            source's size to the power 1 / T (its tasks, or its generators): 1 draws every task
            equally often, a large T every source.
        name: for tables and messages.

    Raises:
        ConfigError: no sources, or weights that are negative, all zero, or of no source.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        weights: dict[str, float] | None = None,
        temperature: float | None = None,
        name: str = "mixed",
    ) -> None:
        self.name = name
        sizes = {key: len(source) for key, source in sources.items()}
        wanted = dict.fromkeys(sources, 1.0) | dict(weights or {})
        unknown = [key for key in wanted if key not in sources]
        if unknown:
            raise ConfigError(
                f"{name}: weights of no source",
                value=unknown,
                expected=f"some of {', '.join(sources) or 'none'}",
                next_step="Correct the names under weights.",
            )
        self._weights = sized_weights(name, wanted, sizes, temperature)
        self._take({key: source for key, source in sources.items() if self._weights[key]})

    def _take(self, sources: Mapping[str, Source]) -> None:
        self._sources = {key: source for key, source in sources.items() if len(source)}
        self._keys = list(self._sources)
        weights = [self._weights[key] for key in self._keys]
        self._interleave = Interleave(weights) if weights else None

    def __len__(self) -> int:
        return sum(map(len, self._sources.values()))

    def task(self, seed: int, index: int) -> Task:
        """The next task of the source whose turn it is."""
        key, own = self._at(seed, index)
        return self._sources[key].task(derive(seed, f"source {key}"), own)

    def origin(self, seed: int, index: int) -> str:
        """The source whose turn it is."""
        key, own = self._at(seed, index)
        return self._sources[key].origin(derive(seed, f"source {key}"), own)

    def base_tasks(self) -> Sequence[Task]:
        """Those of all sources, each id once for each of its versions."""
        return [task for source in self._sources.values() for task in source.base_tasks()]

    def exclude(self, ids: Collection[str]) -> "Mixed":
        """All sources without them; one that is left empty is left out."""
        other = Mixed.__new__(Mixed)
        other.name, other._weights = self.name, self._weights
        other._take({key: source.exclude(ids) for key, source in self._sources.items()})
        return other

    def fingerprint(self) -> dict[str, str]:
        """The order's version, weights, and what each source says."""
        found = {"order of the sources": f"version {VERSION}"}
        for key, source in self._sources.items():
            found[f"{key} weight"] = repr(self._weights[key])
            found |= {f"{key} {name}": value for name, value in source.fingerprint().items()}
        return found

    def _at(self, seed: int, index: int) -> tuple[str, int]:
        if self._interleave is None:
            raise DataError(
                f"{self.name}: no task is left",
                value=0,
                expected="at least one task in one of the sources",
                next_step="Loosen the sources' selections.",
            )
        place, own = self._interleave.at(seed, index)
        return self._keys[place], own


def sized_weights(
    where: str,
    weights: Mapping[str, float],
    sizes: Mapping[str, int],
    temperature: float | None,
) -> dict[str, float]:
    """Each weight times its part's size to the power 1 / ``temperature``.

    Raises:
        ConfigError: no weights, negative ones, or nothing but zeros; a bad temperature.
    """
    bad: dict[str, Any] = {key: w for key, w in weights.items() if not 0 <= w < float("inf")}
    if bad or not any(weights.values()):
        raise ConfigError(
            f"{where}: weights that cannot be drawn by",
            value=bad or dict(weights),
            expected="numbers of 0 or more, at least one of them over 0",
            next_step="Correct the weights.",
        )
    check_temperature(where, temperature)
    if temperature is None:
        return dict(weights)
    return {key: w * sizes[key] ** (1 / temperature) for key, w in weights.items()}


def check_temperature(where: str, temperature: float | None) -> None:
    """Refuse what sizes cannot be weighed by.

    Raises:
        ConfigError: it is under :data:`COLDEST`, at which the largest part has all the weight.
    """
    if temperature is not None and not temperature >= COLDEST:
        raise ConfigError(
            f"{where}: bad temperature",
            value=temperature,
            expected=f"a number of {COLDEST} or more, or null to take the weights as they are",
            next_step="Correct temperature.",
        )
