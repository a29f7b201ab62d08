"""Deadlines as a user writes them, and what they leave of steps and views."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError
from arcflow.evaluation.time_budget import TimeBudget, read_deadline


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("11h30m", 41_400), ("90m", 5_400), ("3600", 3_600), ("45s", 45), ("1.5 h", 5_400)],
)
def test_durations_count_from_the_start(text: str, seconds: float) -> None:
    assert read_deadline(text, started=100.0) == 100.0 + seconds


def test_no_deadline_and_a_time_of_day() -> None:
    assert read_deadline("") is None
    expected = datetime(2026, 11, 21, 18, tzinfo=UTC).timestamp()
    assert read_deadline("2026-11-21T18:00+00:00") == expected


@pytest.mark.parametrize("text", ["soon", "11x", "1h-3m", "2026-13-01"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"pass_n.deadline: neither a duration nor a time: got"):
        read_deadline(text)


def test_without_limits_everything_is_done() -> None:
    plan = TimeBudget(clock=Clock()).plan(tasks=4, left=400, steps=120, views=16, work=1e9)
    assert (plan.steps, plan.views, plan.until, plan.probing) == (120, 16, None, False)


def test_before_anything_is_measured_tuning_has_half_of_the_share() -> None:
    clock = Clock()
    plan = TimeBudget(1100.0, clock=clock).plan(tasks=1, left=7, steps=120, views=16, work=10)
    assert plan.probing
    # 100 s less a fiftieth in reserve, among 7.
    assert plan.until == pytest.approx(1014.0)
    assert plan.tune_until == pytest.approx(1007.0)


def test_a_task_batch_that_fits_is_whole_and_one_that_does_not_shrinks_evenly() -> None:
    clock = Clock()
    pace = TimeBudget(task_seconds=10, clock=clock)
    pace.tuned(steps=100, seconds=5)
    pace.answered(work=50, seconds=4)
    whole = pace.plan(tasks=1, left=1, steps=100, views=16, work=50)
    assert (whole.steps, whole.views) == (100, 16)
    half = pace.plan(tasks=2, left=2, steps=360, views=16, work=90)
    # 36 s of tuning and 7.2 s of answers in nine tenths of 20 s.
    assert (half.steps, half.views) == (150, 6)
    assert half.until == 1020.0


@given(
    st.floats(1, 1e5),
    st.floats(1e-4, 10),
    st.floats(1e-6, 1),
    st.integers(1, 50),
    st.integers(1, 400),
    st.integers(0, 500),
    st.integers(1, 64),
)
def test_what_is_planned_fits(
    seconds: float, step: float, cost: float, tasks: int, task_batches: int, steps: int, views: int
) -> None:
    pace = TimeBudget(1000.0 + seconds, clock=Clock())
    pace.tuned(1, step)
    pace.answered(1, cost)
    work = 100.0 * tasks * views
    plan = pace.plan(tasks, tasks * task_batches, steps, views, work)
    assert plan.until is not None
    share = plan.until - 1000.0
    assert share * task_batches <= seconds
    assert 0 <= plan.steps <= steps
    assert 1 <= plan.views <= views
    planned = plan.steps * tasks * step + 100.0 * tasks * plan.views * cost
    # The one view that is always asked may be too much; it is cut off at the limit.
    assert planned <= share or plan.views == 1


def test_views_stay_where_fewer_would_save_no_time() -> None:
    pace = TimeBudget(task_seconds=5, clock=Clock())
    pace.tuned(steps=10, seconds=2)
    for work in (20, 160):  # a batch takes its time, whatever is in it
        pace.answered(work, seconds=4)
    plan = pace.plan(tasks=1, left=1, steps=10, views=16, work=160)
    assert (plan.steps, plan.views) == (2, 16)


def test_probing_tells_how_many_more_views_fit() -> None:
    clock = Clock()
    pace = TimeBudget(task_seconds=20, clock=clock)
    plan = pace.plan(1, 1, 0, 16, 10)
    assert plan.probing
    clock.now += 4  # two views
    assert pace.more_views(plan, done=2, views=16, seconds=4) == 7
    assert pace.more_views(plan, done=2, views=4, seconds=4) == 2
    clock.now += 100
    assert pace.more_views(plan, done=2, views=16, seconds=4) == 0


def test_the_reserve_is_at_most_a_minute() -> None:
    clock = Clock()
    assert TimeBudget(1000.0 + 12 * 3600, clock=clock).end == 1000.0 + 12 * 3600 - 60
    past = TimeBudget(900.0, clock=clock)
    assert past.over


def test_rescoring_has_time_of_its_own_behind_the_answers() -> None:
    clock = Clock()
    pace = TimeBudget(task_seconds=10, clock=clock)
    guess = pace.plan(tasks=1, left=1, steps=10, views=16, work=10, rescore_views=8)
    assert (guess.until, guess.rescore_until) == (1009.0, 1010.0)  # a tenth while nothing is known
    assert pace.plan(1, 1, 10, 16, 10).until == 1010.0  # nothing to score, nothing to keep free
    pace.rescored(views=8, seconds=1.8)
    known = pace.plan(tasks=2, left=2, steps=10, views=16, work=10, rescore_views=8)
    assert known.until == pytest.approx(1020.0 - 4.0)
    pace.rescored(views=1, seconds=1000.0)
    long = pace.plan(tasks=2, left=2, steps=10, views=16, work=10, rescore_views=8)
    assert long.until == pytest.approx(1020.0 - 20.0 / 3)

    seconds = pace.rescore_seconds(long, in_background=False)
    clock.now = 1012.0  # the answers were early: their time is re-scoring's too
    assert seconds() == pytest.approx(8.0)
    clock.now = 1050.0
    assert seconds() == 0.0
    # The next task batch was tuned meanwhile, in its own time.
    assert pace.rescore_seconds(long, in_background=True)() == pytest.approx(20.0 / 3)
    assert TimeBudget(1051.0, clock=clock).rescore_seconds(long, True)() <= 1.0


def test_without_limits_rescoring_has_none() -> None:
    pace = TimeBudget(clock=Clock())
    plan = pace.plan(tasks=1, left=1, steps=10, views=16, work=10, rescore_views=8)
    assert pace.rescore_seconds(plan, in_background=True)() is None
