"""How far sets of grids are from the ones they should be like, task by task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError
from arcflow.core.features import NAMES, distance, feature_matrix
from arcflow.core.grid import Grid

Sets = Mapping[str, Mapping[str, Sequence[Grid]]]
"""Name of a set -> task id -> its grids."""


@dataclass(frozen=True)
class Comparison:
    """Sets of grids beside the reference.

    Attributes:
        reference: the set that the others should be like.
        sets: names of all sets, the reference first.
        ids: tasks that every set has.
        features: set -> task -> (n, features), columns as :data:`arcflow.core.features.NAMES`.
        distances: set -> (tasks, features): first Wasserstein distance to the reference's grids
            of the same task, in standard deviations of the reference over all tasks.
    """

    reference: str
    sets: tuple[str, ...]
    ids: tuple[str, ...]
    features: dict[str, dict[str, NDArray[np.float64]]]
    distances: dict[str, NDArray[np.float64]]

    def worst(self, name: str, most: int) -> list[str]:
        """Tasks of a set that are farthest from the reference, the farthest first."""
        totals = self.distances[name].mean(axis=1)
        return [self.ids[i] for i in np.argsort(-totals, kind="stable")[:most]]

    def medians(self, name: str) -> NDArray[np.float64]:
        """Over tasks, of each task's mean of each feature; shape (features,)."""
        means = [self.features[name][task_id].mean(axis=0) for task_id in self.ids]
        middle: NDArray[np.float64] = np.median(means, axis=0)
        return middle

    def token_ratio(self, name: str) -> float:
        """Median over tasks of the ratio of mean tokens to the reference's."""
        column = NAMES.index("tokens")
        ratios = [
            self.features[name][task_id][:, column].mean()
            / self.features[self.reference][task_id][:, column].mean()
            for task_id in self.ids
        ]
        return float(np.median(ratios))


def compare(sets: Sets, reference: str) -> Comparison:
    """Compare every set with ``reference``, over the tasks that all of them have.

    Raises:
        DataError: no task is in all sets.
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
