"""Comparison of sets of grids with a reference set, task by task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError
from arcflow.core.features import NAMES, distance, feature_matrix
from arcflow.core.grid import Grid

Sets = Mapping[str, Mapping[str, Sequence[Grid]]]
"""A mapping of set names to a mapping of task ids to grids."""


@dataclass(frozen=True)
class Comparison:
    """Sets of grids beside the reference set.

    Attributes:
        reference: The name of the set that the others should resemble.
        sets: The names of all sets, the reference first.
        ids: The ids of the tasks that every set has.
        features: The features of each set and task, as arrays of shape (n, features), whose columns
            are those of :data:`arcflow.core.features.NAMES`.
        distances: For each set an array of shape (tasks, features): the first Wasserstein distance
            to the reference's grids of the same task, in standard deviations of the reference over
            all tasks.
    """

    reference: str
    sets: tuple[str, ...]
    ids: tuple[str, ...]
    features: dict[str, dict[str, NDArray[np.float64]]]
    distances: dict[str, NDArray[np.float64]]

    def worst(self, name: str, most: int) -> list[str]:
        """Return the ids of up to ``most`` tasks farthest from the reference, farthest first."""
        totals = self.distances[name].mean(axis=1)
        return [self.ids[i] for i in np.argsort(-totals, kind="stable")[:most]]

    def medians(self, name: str) -> NDArray[np.float64]:
        """Return the median over tasks of each task's mean feature values, of shape (features,)."""
        means = [self.features[name][task_id].mean(axis=0) for task_id in self.ids]
        middle: NDArray[np.float64] = np.median(means, axis=0)
        return middle

    def token_ratio(self, name: str) -> float:
        """Return the median over tasks of the mean number of tokens divided by the reference's."""
        column = NAMES.index("tokens")
        ratios = [
            self.features[name][task_id][:, column].mean()
            / self.features[self.reference][task_id][:, column].mean()
            for task_id in self.ids
        ]
        return float(np.median(ratios))


def compare(sets: Sets, reference: str) -> Comparison:
    """Return the comparison of every set with ``reference``, over the tasks that all sets have.

    Args:
        sets: The grids of each set by task id.
        reference: The name of the set that the others should resemble.

    Raises:
        DataError: No task is in all sets.
    """
    ids = [i for i in sets[reference] if all(sets[name].get(i) for name in sets)]
    if not ids:
        raise DataError(
            "comparison of grids: no task is in all sets",
            value={name: len(found) for name, found in sets.items()},
            expected="tasks of the same ids",
            next_step="Compare sets that come from the same tasks.",
        )
    features = {
        name: {task_id: feature_matrix(found[task_id]) for task_id in ids}
        for name, found in sets.items()
    }
    spread = np.concatenate([features[reference][i] for i in ids]).std(axis=0)
    spread[spread == 0] = 1.0
    distances = {}
    for name in sets:
        rows = [
            [
                distance(features[name][i][:, j], features[reference][i][:, j]) / spread[j]
                for j in range(len(NAMES))
            ]
            for i in ids
        ]
        distances[name] = np.array(rows)
    names = (reference, *(name for name in sets if name != reference))
    return Comparison(reference, names, tuple(ids), features, distances)
