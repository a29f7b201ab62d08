"""Losses of fine-tuning, thinned out for the journal."""

import json
import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from arcflow.ttft.loss_curve import MOST, thin_out


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=400))
def test_evenly_spaced_steps_with_the_first_and_the_last(losses: list[float]) -> None:
    points = thin_out(losses)
    steps = [step for step, _ in points]
    assert len(points) == min(len(losses), MOST)
    assert steps[:1] == [1][: len(losses)]
    assert steps[-1:] == [len(losses)][: len(losses)]
    gaps = [b - a for a, b in pairwise(steps)]
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)
    for step, loss in points:
        assert math.isclose(loss, losses[step - 1], rel_tol=5e-4)
    # A line of a journal grows by less than 0.6 KB.
    assert len(json.dumps(points, separators=(",", ":"))) < 600


def test_what_is_no_number_is_left_out() -> None:
    assert thin_out([2.0, math.nan, math.inf]) == [(1, 2.0)]
    assert thin_out([]) == []
