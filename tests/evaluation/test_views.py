"""Evaluation views: undone exactly, different, even over the eight turns."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.augment import IDENTITY, Chain, Dihedral
from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.grid import grid_key
from arcflow.core.task import Task
from arcflow.evaluation.views import evaluation_views
from tests.ttft.test_tuner import make_task

tasks = st.builds(
    lambda n, m, side: make_task("views", n, m, side),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 4),
)
configs = st.builds(
    AugmentConfig,
    dihedral=st.booleans(),
    recolor=st.booleans(),
    move_background=st.sampled_from([0.0, 1.0]),
    reorder=st.booleans(),
    swap_train_test=st.sampled_from([0.0, 1.0]),
)


@settings(deadline=None, max_examples=80)
@given(tasks, configs, st.integers(1, 20), st.integers(0, 3))
def test_views_can_be_undone_and_differ(
    task: Task, config: AugmentConfig, n: int, seed: int
) -> None:
    views = evaluation_views(task, n, config, seed)
    hidden = task.without_answers()
    assert views[0] == IDENTITY
    assert 1 <= len(views) <= n
    assert len({view.apply(hidden) for view in views}) == len(views)
    assert evaluation_views(hidden, n, config, seed) == views
    longer = evaluation_views(task, n + 5, config, seed)
    assert longer[: len(views)] == views
    for view in views:
        shown = view.apply(task)
        assert len(shown.train) == len(task.train)
        for pair, own in zip(shown.test, task.test, strict=True):
            assert grid_key(view.invert(pair.output)) == grid_key(own.output)


def test_views_cover_the_eight_turns_evenly() -> None:
    views = evaluation_views(make_task(), 24, seed=5)
    assert len(views) == 24

    def turn(view: Any) -> Dihedral:
        found = [part for part in view.parts if isinstance(part, Dihedral)]
        return found[0] if found else Dihedral()

    for block in range(3):
        assert len({turn(view) for view in views[8 * block : 8 * block + 8]}) == 8
    assert all(isinstance(view, Chain) for view in views)
    orders = [[turn(view) for view in views[8 * block : 8 * block + 8]] for block in (1, 2)]
    assert orders[0] != orders[1]
    other = evaluation_views(replace(make_task(), id="another"), 24, seed=5)
    assert other[1:] != views[1:]
