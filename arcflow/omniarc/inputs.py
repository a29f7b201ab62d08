"""Inputs for programs: the original ones with other symmetries and colours, or RE-ARC's."""

import ast
import functools
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from arcflow.core.augment import Augmentation, Chain, Dihedral, Recolor
from arcflow.core.grid import N_COLORS, Grid, grid_key
from arcflow.core.options import check_weights
from arcflow.core.task import Task
from arcflow.omniarc.own_inputs import OWN_INPUTS, own_input
from arcflow.sources.arc import load_split
from arcflow.sources.base import Source
from arcflow.sources.pool.source import PoolSource
from arcflow.sources.rearc.source import ReARC
from arcflow.text.recent import Recent

Augment = Literal["task", "pair", "none"]


@dataclass(frozen=True)
class InputWeights:
    """How often the inputs of a task come from each origin; only the proportions count.

    Attributes:
        original: The weight of the published task's own inputs.
        rearc: The weight of RE-ARC's generator of the task, adapted, or of the pool if there is
            one; arcflow's own generator takes its place if RE-ARC's inputs do not fit the rule.

    Raises:
        ConfigError: If a weight is negative, or if all of them are 0.
    """

    original: float = 1.0
    rearc: float = 0.0

    def __post_init__(self) -> None:
        check_weights("Omni-ARC: inputs", vars(self))


class Inputs:
    """A generator of the inputs of tasks.

    Args:
        weights: How often inputs come from each origin.
        augment: The change of the original inputs: one for each task, one for each pair, or none.
        pairs: The number of train pairs of a task, or "original" for as many as the original has.
        pool: The path of a file of RE-ARC tasks; with "" RE-ARC's generators are run.
    """

    def __init__(
        self,
        weights: InputWeights,
        augment: Augment,
        pairs: int | Literal["original"],
        pool: str = "",
    ) -> None:
        self._rearc_share = weights.rearc / (weights.original + weights.rearc)
        self._augment, self._pairs, self._path = augment, pairs, pool
        self._pool = PoolSource(pool) if pool and weights.rearc else None
        self._generators: dict[str, Source] = {}
        self._recent: Recent[tuple[int, str, int], list[Grid]] = Recent(64)

    def draw(
        self,
        task_id: str,
        named: Set[int],
        seed: int,
        visit: int,
        random: np.random.Generator,
        exchange: tuple[int, int] | None = None,
    ) -> list[Grid]:
        """Draw different inputs of one task.

        Args:
            task_id: The id of the task.
            named: The colours that the program names, which stay as they are; see
                :func:`named_colors`.
            seed: The seed of RE-ARC's generator.
            visit: The index of the sample of RE-ARC's generator, from 0.
            random: The generator of all other choices.
            exchange: Two colours that may be exchanged nevertheless, in half of the tasks; None for
                none.

        Returns:
            The inputs, each of shape (H, W), at most one more than the number of train pairs.
        """
        if self._rearc_share and random.random() < self._rearc_share:
            if task_id in OWN_INPUTS:
                drawn = [own_input(task_id, random) for _ in range(self._wanted(task_id))]
            else:
                drawn = self._rearc(task_id, seed, visit)
            drawn = _different(drawn)
            if len(drawn) > 2:
                return drawn
        known = original_inputs()[task_id]
        n = self._wanted(task_id)
        order = random.permutation(len(known))
        if self._augment == "none":
            return [known[i] for i in order[:n]]
        if self._augment == "task":
            view = _view(named, exchange, random)
            return [view.apply_grid(known[i]) for i in order[:n]]
        # In rotation, so that no input repeats before all have been used.
        drawn = [
            _view(named, exchange, random).apply_grid(known[order[i % len(known)]])
            for i in range(n)
        ]
        return _different(drawn)

    def plain(self, task_id: str) -> list[Grid]:
        """Return the original inputs of a task unchanged.

        Args:
            task_id: The id of the task.

        Returns:
            The inputs, those of the train pairs first, each of shape (H, W).
        """
        return list(original_inputs()[task_id][: self._wanted(task_id)])

    def fingerprint(self, ids: Collection[str]) -> dict[str, str]:
        """Return what the inputs depend on, as plain strings by name.

        The hash of the original tasks is left out, since the source adds it.

        Args:
            ids: The ids of the tasks in use.

        Returns:
            The value of each entry by its name.
        """
        found = {"augment": self._augment, "RE-ARC's share of inputs": repr(self._rearc_share)}
        if self._rearc_share:
            source = self._pool or ReARC(ids=sorted(ids), pairs=self._pairs)
            found |= {f"RE-ARC {name}": value for name, value in source.fingerprint().items()}
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_generators": {}}

    def _wanted(self, task_id: str) -> int:
        n = len(base_tasks()[task_id].train) if self._pairs == "original" else self._pairs
        return n + 1

    def _rearc(self, task_id: str, seed: int, visit: int) -> list[Grid]:
        def make(key: tuple[int, str, int]) -> list[Grid]:
            source = self._generators.get(task_id)
            if source is None:
                source = self._generators[task_id] = self._source(task_id)
            if not len(source):
                return []
            task = source.task(seed, visit)
            return [p.input for p in (*task.train, *task.test)][: self._wanted(task_id)]

        return self._recent.get((seed, task_id, visit), make)

    def _source(self, task_id: str) -> Source:
        if self._pool is None:
            return ReARC(ids=[task_id], pairs=self._pairs)
        return self._pool.exclude([i for i in base_tasks() if i != task_id])


@functools.cache
def base_tasks() -> dict[str, Task]:
    """Return the ARC-AGI-1 training tasks by id."""
    return {task.id: task for task in load_split("arc-agi-1/training")}


@functools.cache
def original_inputs() -> dict[str, list[Grid]]:
    """Return the different inputs of each training task by id, those of the train pairs first."""
    return {
        task.id: _different([p.input for p in (*task.train, *task.test)])
        for task in base_tasks().values()
    }


@functools.lru_cache(maxsize=4096)
def named_colors(text: str) -> frozenset[int]:
    """Return the numbers 0 to 9 in a program's text, each of which may stand for a colour.

    Args:
        text: The program's text.

    Returns:
        The numbers.
    """
    constants = {n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)}
    return frozenset(c for c in constants if type(c) is int and 0 <= c < N_COLORS)


def _different(grids: Sequence[Grid]) -> list[Grid]:
    return list({grid_key(grid): grid for grid in grids}.values())


def _view(
    named: Set[int], exchange: tuple[int, int] | None, random: np.random.Generator
) -> Augmentation:
    """Return a random symmetry and a permutation of the colours that the program does not name.

    Black stays black.
    """
    flip, turns = divmod(int(random.integers(8)), 4)
    parts: list[Augmentation] = [Dihedral(bool(flip), turns)]
    if exchange is not None and random.random() < 0.5:
        one, other = exchange
        parts.append(_recolor({one: other, other: one}))
    free = [color for color in range(1, N_COLORS) if color not in named]
    if len(free) > 1:
        moved = random.permutation(free).tolist()
        parts.append(_recolor(dict(zip(free, moved, strict=True))))
    return Chain(tuple(parts))


def _recolor(mapping: dict[int, int]) -> Recolor:
    return Recolor(tuple(mapping.get(color, color) for color in range(N_COLORS)))
