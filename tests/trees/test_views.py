"""Views: the sizes they promise, and the tables that they make."""

import numpy as np
import pytest

from arcflow.sources.arc import load_split
from arcflow.trees.boxes import CHOOSERS, split_panels
from arcflow.trees.roles import KEEP, Names
from arcflow.trees.views import (
    Crop,
    Enlarged,
    Fixed,
    Padded,
    PerPanel,
    Same,
    Stacked,
    Turned,
    View,
    views_of,
)

PANELS = np.array(
    [[1, 0, 5, 0, 0, 5, 2, 0], [0, 1, 5, 0, 0, 5, 0, 0], [5] * 8, [0, 0, 5, 3, 3, 5, 4, 4],
     [0, 7, 5, 0, 0, 5, 4, 4]],
    dtype=np.int16,
)  # fmt: skip
PLAIN = np.arange(12, dtype=np.int16).reshape(3, 4) % 10


@pytest.mark.parametrize(
    ("view", "cells", "shape"),
    [
        (Same(), PLAIN, (3, 4)),
        (Turned(), PLAIN, (4, 3)),
        (Padded(2, 1), PLAIN, (5, 5)),
        (Padded(-1, -2), PLAIN, (2, 2)),
        (Enlarged(2, 3), PLAIN, (6, 12)),
        (Stacked((3, 2)), PLAIN, (1, 2)),
        (Stacked(None), PANELS, (2, 2)),
        (PerPanel(), PANELS, (2, 3)),
        (Fixed(2, 2, 12), PLAIN, (2, 2)),
        (Crop("the box of colour 4", CHOOSERS["the box of colour 4"]), PANELS, (2, 2)),
        (Stacked((2, 1)), PLAIN, None),
        (Stacked(None), PLAIN, None),
        (Padded(-3, 0), PLAIN, None),
        (Enlarged(8, 8), PLAIN, None),
        (Crop("", CHOOSERS["the box of colour 9"]), PANELS, None),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_table_has_the_promised_size(
    view: View, cells: np.ndarray, shape: tuple[int, int] | None
) -> None:
    assert view.shape(cells) == shape
    if shape is not None:
        table = view.table(cells)
        assert table.shape[:2] == shape
        assert table.dtype == np.int16


def test_the_first_feature_is_the_colour_that_stays() -> None:
    assert (Enlarged(2, 2).table(PLAIN)[..., 0] == np.tile(PLAIN, (2, 2))).all()
    assert (Turned().table(PLAIN)[..., 0] == PLAIN.T).all()
    assert (Padded(2, 2).table(PLAIN)[1:-1, 1:-1, 0] == PLAIN).all()


def test_panels_are_split_at_lines() -> None:
    panels = split_panels(PANELS)
    assert panels is not None
    assert panels[0][0].tolist() == [[1, 0], [0, 1]]
    assert split_panels(PANELS[:, :-1]) is None  # a panel of another width


def test_views_fit_every_train_pair_of_real_tasks() -> None:
    for task in load_split("arc-agi-1/training")[::40]:
        pairs = [
            (pair.input.astype(np.int16), pair.output.astype(np.int16))
            for pair in task.train
            if pair.output is not None
        ]
        for view in views_of(pairs):
            widths = {view.table(before).shape[2] for before, _ in pairs}
            assert len(widths) == 1, (task.id, view.name)
            assert all(view.shape(before) == after.shape for before, after in pairs)


def test_names_by_role_are_undone() -> None:
    names = Names(PANELS, by_role=True)
    hidden = names.hide(PANELS)
    assert (names.show(hidden) == PANELS).all()
    assert (hidden == 0).sum() == (PANELS == 5).sum() + (PANELS == 0).sum() - min(
        (PANELS == 5).sum(), (PANELS == 0).sum()
    )
    absent = np.array([[9, 6]], dtype=np.int16)
    assert (names.hide(absent) >= 10).all()
    assert (names.show(names.hide(absent)) == absent).all()
    assert names.hide(PANELS).max() < KEEP
