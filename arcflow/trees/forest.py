"""Extremely randomised trees over cells: learning from some pairs, predicting another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from arcflow.trees.roles import KEEP

Rows = NDArray[np.float32]
"""The features of the cells of one output, shape (cells, features)."""

_SHARE = 0.5  # of the features, drawn anew for each split


@dataclass(frozen=True, slots=True)
class Guess:
    """What a forest predicts for the cells of one output.

    Attributes:
        names: The most probable name of each cell's colour, shape (cells,).
        sure: The probability of that name, in [0, 1], shape (cells,).
    """

    names: NDArray[np.int16]
    sure: NDArray[np.float64]


def targets(rows: Rows, output: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return what is to be learnt: the output's colour, or :data:`KEEP` where it does not change.

    Args:
        rows: The features; the first one is the colour that does not change.
        output: The colours of the output's cells, shape (H, W).
    """
    flat = output.ravel()
    return np.where(flat == rows[:, 0], KEEP, flat).astype(np.int16)


def predict(
    rows: Sequence[Rows],
    names: Sequence[NDArray[np.int16]],
    asked: Sequence[Rows],
    trees: int,
    seed: int,
) -> list[Guess]:
    """Learn from some outputs, and predict others.

    Args:
        rows: The features of the outputs to learn from.
        names: Their targets, as :func:`targets` makes them.
        asked: The features of the outputs to predict.
        trees: The number of trees.
        seed: The seed of the forest.
    """
    forest = ExtraTreesClassifier(
        trees, max_features=_SHARE, random_state=seed & 0xFFFFFFFF, n_jobs=1
    )
    forest.fit(np.concatenate(rows), np.concatenate(names))
    guesses = []
    for cells in asked:
        shares = forest.predict_proba(cells)
        best = shares.argmax(axis=1)
        found = forest.classes_[best].astype(np.int16)
        kept = np.where(found == KEEP, cells[:, 0].astype(np.int16), found)
        guesses.append(Guess(kept, shares[np.arange(len(best)), best]))
    return guesses
