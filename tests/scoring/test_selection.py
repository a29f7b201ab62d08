"""Rules of selection against the ranking and the metrics of an evaluation."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from arcflow.core.grid import Grid, grid_key, make_grid
from arcflow.scoring.metrics import mean_metrics, task_metrics
from arcflow.scoring.selection import (
    ORACLE,
    RULES,
    Rule,
    first_answers,
    measure,
    solved_inputs,
    without_log_probs,
)
from arcflow.scoring.voting import Candidate, rank_votes, without_value

RIGHT = make_grid([[4, 3]])
BY_NAME = {rule.name: rule for rule in RULES}


def answer(
    color: int | None,
    log_prob: float = -1.0,
    rescored: float | None = None,
    task: str = "x",
    index: int = 0,
    weight: float = 1.0,
) -> Candidate:
    """An answer to a test input; colour 0 is the right one."""
    grid = None if color is None else RIGHT if color == 0 else make_grid([[color]])
    return Candidate(task, index, grid, log_prob, 3, rescored=rescored, weight=weight)


answers = st.lists(
    st.builds(
        answer,
        st.sampled_from([None, 0, 1, 2, 3]),
        st.sampled_from([-0.5, -1.0, -2.0, -3.0]),
        st.sampled_from([None, -0.5, -1.0, -2.0]),
        weight=st.sampled_from([1.0, 1.0, 0.5, 0.25]),
    ),
    max_size=12,
)


def order(rule: Rule, candidates: list[Candidate]) -> list[object]:
    groups: dict[object, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.grid is not None:
            groups.setdefault(grid_key(candidate.grid), []).append(candidate)
    return sorted(groups, key=lambda key: rule.key(groups[key]))


@settings(deadline=None)
@given(answers)
def test_the_defaults_are_those_of_evaluations(candidates: list[Candidate]) -> None:
    plain = [without_value(candidate) for candidate in candidates]
    for name, given_ in (("votes_token", plain), ("rescored", candidates)):
        ranked = [grid_key(vote.grid) for vote in rank_votes(given_)]
        assert order(BY_NAME[name], candidates) == ranked


@settings(deadline=None)
@given(st.lists(st.lists(answers, min_size=1, max_size=2), min_size=1, max_size=4))
def test_values_are_those_of_the_metrics(tasks: list[list[list[Candidate]]]) -> None:
    found = {
        f"task{t}": [
            Candidate(f"task{t}", i, c.grid, c.log_prob, c.n_tokens, weight=c.weight)
            for i, of_input in enumerate(inputs)
            for c in of_input
        ]
        for t, inputs in enumerate(tasks)
    }
    outputs: dict[str, list[Grid]] = {f"task{t}": [RIGHT] * len(of) for t, of in enumerate(tasks)}
    rows = [task_metrics(found[t], outputs[t], t) for t in found]
    expected = mean_metrics(rows, [len(of) for of in outputs.values()])
    oracle = solved_inputs(ORACLE, found, outputs)
    solved = solved_inputs(BY_NAME["votes_token"], found, outputs)
    chosen = measure(BY_NAME["votes_token"], solved, oracle, solved)
    for name in ("vote_1", "vote_2", "kaggle"):
        assert getattr(chosen, name).value == pytest.approx(expected[name])
    assert measure(ORACLE, oracle, oracle, solved).vote_2.value == pytest.approx(expected["pass_n"])
    assert (chosen.gain.value, chosen.gain.low, chosen.gain.high) == (0.0, 0.0, 0.0)
    if expected["pass_n"]:
        assert chosen.share.value == pytest.approx(expected["vote_2"] / expected["pass_n"])
        assert 0 <= chosen.share.low <= chosen.share.value <= chosen.share.high <= 1
    else:
        assert math.isnan(chosen.share.value)


def test_each_rule_decides_by_what_it_says() -> None:
    few, many = [answer(1, -9.0, -5.0)], [answer(2, -30.0, -6.0), answer(2, -30.0, -6.0)]
    assert [order(rule, few + many)[0] == grid_key(make_grid([[1]])) for rule in RULES] == [
        rule.name in ("log_prob", "rescored") for rule in RULES
    ]
    tied = [answer(1, -9.0, -9.0), answer(2, -3.0, -5.0), answer(3, -6.0, None)]
    firsts = {rule.name: order(rule, tied)[0] for rule in RULES}
    assert firsts.pop("votes") == grid_key(make_grid([[1]]))  # the first that was seen
    assert set(firsts.values()) == {grid_key(make_grid([[2]]))}
    assert order(BY_NAME["rescored"], tied)[-1] == grid_key(make_grid([[3]]))


def test_intervals_are_those_of_a_mean_of_so_many_tasks() -> None:
    n = 400
    ones = {f"{i:03}": (np.array([float(i % 2)]),) * 2 for i in range(n)}
    all_right = {task: (np.ones(1),) * 2 for task in ones}
    chosen = measure(RULES[0], ones, all_right, all_right)
    for found, center in ((chosen.vote_2, 0.5), (chosen.share, 0.5), (chosen.gain, -0.5)):
        assert found.value == center
        assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(n), rel=0.1)
    assert measure(RULES[0], ones, all_right, all_right) == chosen
    assert measure(RULES[0], ones, all_right, all_right, seed=1) != chosen


def test_first_answers_and_missing_log_probabilities() -> None:
    given_ = [answer(1), answer(2, index=1), answer(None, -math.inf), answer(3), answer(4, index=1)]
    assert first_answers(given_, 2) == [given_[0], given_[1], given_[2], given_[4]]
    assert first_answers(given_, None) == given_
    assert without_log_probs(given_) == 0
    assert without_log_probs([answer(1, -math.inf), answer(2, math.nan)]) == 2
