import json
import math
from pathlib import Path
from random import Random
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from arcflow.core.errors import DataError
from arcflow.core.grid import grid_key, make_grid
from arcflow.scoring.voting import (
    LOWEST_SCORE,
    Candidate,
    candidate_from_json,
    candidate_to_json,
    rank_votes,
    read_candidates,
)

GRIDS = [make_grid([[0]]), make_grid([[1]]), make_grid([[1, 1]]), make_grid([[1], [1]])]
FIELDS = ("task_id", "test_index", "log_prob", "n_tokens", "view", "text", "weight")

candidates = st.builds(
    Candidate,
    task_id=st.text(max_size=3),
    test_index=st.integers(0, 3),
    grid=st.sampled_from([None, *GRIDS]),
    log_prob=st.floats(),
    n_tokens=st.integers(0, 1000),
    view=st.text(max_size=3),
    text=st.text(max_size=3),
    weight=st.floats(0, 1) | st.just(1.0),
    rescored=st.none() | st.floats(-99, 0),
    rescore_views=st.integers(0, 9),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=8,
)


def answer(grid: int | None, log_prob: float = -1.0, n_tokens: int = 1) -> Candidate:
    return Candidate("t", 0, None if grid is None else GRIDS[grid], log_prob, n_tokens)


def test_more_votes_win_over_a_better_log_probability() -> None:
    votes = rank_votes([answer(0, -0.01), answer(1, -9.0), answer(1, -7.0), answer(None, -0.001)])
    assert [vote.grid.tolist() for vote in votes] == [[[1]], [[0]]]
    assert [(vote.count, vote.score) for vote in votes] == [(2, -8.0), (1, -0.01)]


def test_answers_of_a_search_vote_with_their_probability() -> None:
    found = [(0, 0.2), (1, 0.5), (0, 0.2), (0, 0.15), (2, 0.1), (2, 0.3)]
    votes = rank_votes(Candidate("t", 0, GRIDS[g], -1.0, 1, weight=w) for g, w in found)
    assert [grid_key(vote.grid) for vote in votes] == [grid_key(GRIDS[i]) for i in (0, 1, 2)]
    assert [vote.count for vote in votes] == [3, 1, 2]
    assert [vote.weight for vote in votes] == pytest.approx([0.55, 0.5, 0.4])


@pytest.mark.parametrize("weight", ["1", True, -0.1, 1.5, math.nan, None, [1]])
def test_a_bad_weight_is_refused(weight: object) -> None:
    line = json.dumps({**json.loads(candidate_to_json(answer(0))), "weight": weight})
    with pytest.raises(DataError, match="bad weight"):
        candidate_from_json(line)


def test_a_tie_goes_to_the_better_mean_per_token() -> None:
    # Summed log-probability would prefer grid 0, per token grid 1 is better.
    votes = rank_votes([answer(0, -2.0, 2), answer(1, -3.0, 30)])
    assert votes[0].grid.tolist() == [[1]]
    assert votes[0].score == pytest.approx(-0.1)


def test_a_full_tie_goes_to_the_answer_seen_first() -> None:
    assert [grid_key(v.grid) for v in rank_votes([answer(2), answer(0), answer(1)])] == [
        grid_key(GRIDS[i]) for i in (2, 0, 1)
    ]


def test_grids_of_equal_bytes_and_other_shape_are_other_answers() -> None:
    assert len(rank_votes([answer(2), answer(3)])) == 2


def test_equal_grids_count_as_one_whatever_their_memory_layout() -> None:
    grid = make_grid([[1, 2], [3, 4]])
    turned = np.rot90(make_grid([[3, 1], [4, 2]]))
    assert not turned.flags.c_contiguous
    votes = rank_votes([Candidate("t", 0, g, -1.0, 1) for g in (grid, turned)])
    assert [vote.count for vote in votes] == [2]


@pytest.mark.parametrize("log_prob", [math.nan, -math.inf, math.inf, -1e300])
def test_a_broken_log_probability_keeps_its_vote_and_loses_ties(log_prob: float) -> None:
    votes = rank_votes([answer(0, log_prob), answer(1, -50.0)])
    assert votes[0].grid.tolist() == [[1]]
    assert votes[1].score == LOWEST_SCORE


@settings(deadline=None)
@given(st.lists(candidates, max_size=12), st.randoms(use_true_random=False))
def test_ranking_laws(given_candidates: list[Candidate], random: Random) -> None:
    votes = rank_votes(given_candidates)
    answered = [c for c in given_candidates if c.grid is not None]
    assert sum(vote.count for vote in votes) == len(answered)
    assert len({grid_key(vote.grid) for vote in votes}) == len(votes)
    order = [
        (vote.rescored is None, -(vote.rescored or 0.0), -vote.weight, -vote.score)
        for vote in votes
    ]
    assert order == sorted(order)
    random.shuffle(given_candidates)
    again = {grid_key(v.grid): (v.count, v.score, v.weight) for v in rank_votes(given_candidates)}
    assert again == {grid_key(v.grid): (v.count, v.score, v.weight) for v in votes}


@settings(deadline=None)
@given(candidates)
def test_json_round_trip(candidate: Candidate) -> None:
    line = candidate_to_json(candidate)
    assert "\n" not in line
    back = candidate_from_json(line)
    assert (back.grid is None) == (candidate.grid is None)
    if back.grid is not None and candidate.grid is not None:
        assert grid_key(back.grid) == grid_key(candidate.grid)
    for name in FIELDS:
        if name != "log_prob" or math.isfinite(candidate.log_prob):
            assert getattr(back, name) == getattr(candidate, name)
    assert back.score == candidate.score
    assert back.rescored == candidate.rescored
    if candidate.rescored is not None:
        assert back.rescore_views == candidate.rescore_views


@settings(deadline=None)
@given(json_values, st.sampled_from([*FIELDS, "grid"]), st.booleans())
def test_any_json_is_a_candidate_or_a_data_error(value: object, key: str, whole: bool) -> None:
    obj = value if whole else json.loads(candidate_to_json(answer(0))) | {key: value}
    try:
        candidate = candidate_from_json(json.dumps(obj))
    except DataError:
        return
    assert math.isfinite(candidate.score)
    assert candidate_from_json(candidate_to_json(candidate)).score == candidate.score


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_index": True}, "c.jsonl, line 2: bad test_index: got True. Expected an integer"),
        ({"test_index": -1}, "bad test_index: got -1. Expected an integer 0..999"),
        ({"n_tokens": 1.5}, "bad n_tokens: got 1.5"),
        ({"log_prob": "x"}, "bad log_prob: got 'x'. Expected a number of nats, or null"),
        ({"log_prob": 10**400}, "Expected a number of nats that a float can hold"),
        ({"rescored": "x"}, "bad rescored: got 'x'. Expected a finite number of nats, or null"),
        ({"rescored": True}, "bad rescored: got True"),
        ({"rescored": math.inf}, "bad rescored: got inf"),
        ({"rescored": 10**400}, "bad rescored: got 1000"),
        ({"rescored": -1.0, "rescore_views": -1}, "bad rescore_views: got -1"),
        ({"task_id": 7}, "bad task_id: got 7. Expected a string"),
        ({"grid": [[0], [0, 1]]}, "line 2, grid: ragged rows, row 1"),
        ({"grid": []}, "line 2, grid: not a grid: got []"),
    ],
)
def test_bad_fields_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    good = candidate_to_json(answer(0))
    path = tmp_path / "c.jsonl"
    path.write_text(good + "\n" + json.dumps(json.loads(good) | change) + "\n")
    with pytest.raises(DataError) as caught:
        read_candidates(path)
    assert message in str(caught.value)


def test_other_bad_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    for line, message in [
        ("{}", "line 1: missing key 'task_id': got []. Expected keys task_id, test_index"),
        ("[1]", "line 1: wrong type: got [1]. Expected an object"),
        ("{nope", "line 1: not JSON, at column 2: got 'nope'. Expected valid JSON"),
        ("[" * 100_000, "line 1: cannot be read as JSON"),
        ("\udcff", "line 1: not UTF-8 text"),
        ('{"grid": null, "grid": [[1]]}', "line 1: a key occurs twice in one object: got 'grid'"),
    ]:
        path.write_bytes(line.encode(errors="surrogateescape") + b"\n")
        with pytest.raises(DataError) as caught:
            read_candidates(path)
        assert message in str(caught.value)
    with pytest.raises(DataError, match=r"no such file: got .*Check the path"):
        read_candidates(tmp_path / "none.jsonl")


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_killed_writers_half_line_is_left_out(tmp_path: Path, cut: int) -> None:
    lines = "".join(candidate_to_json(answer(i)) + "\n" for i in (0, 1))
    path = tmp_path / "c.jsonl"
    path.write_text("\n" + lines[:-cut])
    assert [c.grid.tolist() for c in read_candidates(path) if c.grid is not None] == [[[0]]]
    path.write_text(lines)
    assert len(read_candidates(path)) == 2
