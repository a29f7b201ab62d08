"""A weighted mixture of several sources."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.interleave import VERSION, Interleave
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.sources.base import Source

COLDEST = 0.1
"""The lowest temperature, at which a part of half the size has a thousandth of the weight."""


class Mixed(Source):
    """A weighted mixture of sources, which may be mixtures themselves.

    Args:
        sources: The sources by name.
        weights: The weights by source name, 0 or more; a source that is not named has weight 1.
        temperature: A number T multiplies each weight by the source's size (its number of tasks or
            generators) to the power 1 / T: 1 samples every task equally often, a large T every
            source. Null takes the weights as they are.
        name: The name of the mixture, for tables and messages.

    Raises:
        ConfigError: There are no sources, or weights are negative, all zero, or of unknown sources.
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
        """Return the next task of the source whose turn it is.

        Raises:
            DataError: No source has a task, or the source cannot make this one.
        """
        key, own = self._at(seed, index)
        return self._sources[key].task(derive(seed, f"source {key}"), own)

    def origin(self, seed: int, index: int) -> str:
        """Return the name of the source whose turn it is."""
        key, own = self._at(seed, index)
        return self._sources[key].origin(derive(seed, f"source {key}"), own)

    def base_tasks(self) -> Sequence[Task]:
        """Return the base tasks of all sources, one source after the other."""
        return [task for source in self._sources.values() for task in source.base_tasks()]

    def exclude(self, ids: Collection[str]) -> "Mixed":
        """Return the mixture with these tasks excluded from all sources, empty ones dropped."""
        other = Mixed.__new__(Mixed)
        other.name, other._weights = self.name, self._weights
        other._take({key: source.exclude(ids) for key, source in self._sources.items()})
        return other

    def fingerprint(self) -> dict[str, str]:
        """Return the version of the order, and the weight and fingerprint of each source."""
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
    """Return each weight times its part's size to the power 1 / ``temperature``.

    Args:
        where: What has the weights, for error messages.
        weights: The weights by name, 0 or more.
        sizes: The sizes by name.
        temperature: The temperature, or None to return the weights as they are.

    Raises:
        ConfigError: There are no weights, some are negative or all are zero, or the temperature is
            too low.
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
    """Refuse a temperature below :data:`COLDEST`, where the largest part would have all the weight.

    Raises:
        ConfigError: The temperature is too low.
    """
    if temperature is not None and not temperature >= COLDEST:
        raise ConfigError(
            f"{where}: bad temperature",
            value=temperature,
            expected=f"a number of {COLDEST} or more, or null to take the weights as they are",
            next_step="Correct temperature.",
        )
