"""One ranking of the answers of search, trees, models and submissions."""

import math
from dataclasses import replace
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from arcflow.core.errors import DataError
from arcflow.core.grid import grid_key, make_grid
from arcflow.scoring.merge import rank_answers
from arcflow.scoring.voting import (
    Candidate,
    candidate_from_json,
    candidate_to_dict,
    candidate_to_json,
    rank_votes,
)

A, B, C, D, E = (make_grid([[i]]) for i in range(5))


def model(grid: object, score: float = -1.0) -> Candidate:
    return Candidate("t", 0, grid, score, 1)  # type: ignore[arg-type]


def solver(source: str, grid: object, confidence: float, fits: bool = False) -> Candidate:
    score = math.log(confidence) if confidence else -math.inf
    return Candidate(
        "t",
        0,
        grid,
        score,
        1,
        source=source,
        confidence=confidence,
        fits=fits,  # type: ignore[arg-type]
    )


def submitted(source: str, *grids: object) -> list[Candidate]:
    return [
        Candidate("t", 0, grid, -float(i), 1, source=source)  # type: ignore[arg-type]
        for i, grid in enumerate(grids)
    ]


def ranking(*candidates: Candidate) -> list[int]:
    return [int(vote.grid[0, 0]) for vote in rank_answers(candidates)]


SEARCH, TREES = solver("search", A, 0.8, True), solver("trees", B, 0.9, True)
PARTIAL = solver("search", D, 0.2)


@pytest.mark.parametrize(
    ("candidates", "first_two"),
    [
        ([SEARCH, TREES, model(C), PARTIAL], [0, 1]),  # search fits, then trees fit
        ([SEARCH, model(C), model(C), PARTIAL], [0, 2]),  # then the model's top vote
        ([TREES, model(C), PARTIAL], [1, 2]),
        ([model(C), model(C), model(E), PARTIAL], [2, 3]),  # then the best partial answer
        ([PARTIAL, solver("trees", B, 0.3)], [1, 3]),
        ([SEARCH, PARTIAL], [0, 3]),
        ([SEARCH, solver("search", E, 0.5, True), PARTIAL], [0, 4]),  # no other source: its second
        ([SEARCH, solver("trees", A, 0.9, True), model(A), PARTIAL], [0, 3]),  # all agree
        ([SEARCH, solver("search", B, 0.9, True)], [1, 0]),  # within a source by confidence
        ([solver("search", A, 0.0), model(C)], [2, 0]),
        ([SEARCH, model(None)], [0]),
    ],
)
def test_the_two_attempts(candidates: list[Candidate], first_two: list[int]) -> None:
    assert ranking(*candidates)[:2] == first_two
    Random(1).shuffle(candidates)
    assert ranking(*candidates)[:2] == first_two


def test_agreement_of_solvers_counts() -> None:
    alone, agreed = solver("search", A, 0.5), [solver(s, B, 0.4) for s in ("search", "trees")]
    assert ranking(alone, *agreed) == [1, 0]
    # The same solver twice, as in two journals, agrees with nobody.
    assert ranking(alone, agreed[0], agreed[0]) == [0, 1]


def test_submissions_vote_by_place() -> None:
    assert ranking(*submitted("x.json", A, B), *submitted("y.json", C, B)) == [0, 1, 2]
    both = [*submitted("x.json", A, B), *submitted("y.json", B, C), *submitted("z.json", B, A)]
    assert ranking(*both)[0] == 1
    # A model's votes are one system, however many they are.
    assert ranking(*[model(C)] * 16, *submitted("x.json", A, B), *submitted("y.json", A, B))[0] == 0


@given(
    st.lists(
        st.builds(
            lambda grid, source, confidence, fits: replace(
                solver(source, grid, confidence, fits),
                confidence=None if source == "" else confidence,
            ),
            st.sampled_from([None, A, B, C, D, E]),
            st.sampled_from(["", "search", "trees", "mine"]),
            st.floats(0, 1),
            st.booleans(),
        )
    )
)
def test_every_answer_is_ranked_once(candidates: list[Candidate]) -> None:
    keys = [grid_key(vote.grid) for vote in rank_answers(candidates)]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {grid_key(c.grid) for c in candidates if c.grid is not None}


def rescored(candidate: Candidate, value: float) -> Candidate:
    return replace(candidate, rescored=value, rescore_views=4)


@pytest.mark.parametrize(
    ("candidates", "ranked"),
    [
        # The value decides, not the votes; what has none comes last.
        ([model(A), model(A), rescored(model(B), -9.0), rescored(model(C), -3.0)], [2, 1, 0]),
        # Of equal values the one with more votes.
        ([rescored(model(A), -3.0), *[rescored(model(B), -3.0)] * 2], [1, 0]),
        # Answers that fit all pairs keep their place; of equal confidence the value decides.
        ([rescored(SEARCH, -90.0), rescored(model(C), -1.0)], [0, 2]),
        ([rescored(solver("trees", B, 0.9, True), -9.0), rescored(TREES, -3.0)], [1]),
        (
            [rescored(solver("trees", B, 0.9, True), -9), rescored(solver("trees", C, 0.9, 1), -3)],
            [2, 1],
        ),
        # Partial answers of solvers are ranked among the model's.
        ([rescored(PARTIAL, -2.0), rescored(model(A), -3.0), rescored(model(B), -1.0)], [1, 3, 0]),
        ([PARTIAL, rescored(model(A), -3.0), rescored(model(B), -1.0)], [1, 0, 3]),
        ([model(None), rescored(PARTIAL, -2.0), rescored(solver("trees", B, 0.1), -1.0)], [1, 3]),
    ],
)
def test_rescored_answers(candidates: list[Candidate], ranked: list[int]) -> None:
    assert ranking(*candidates) == ranked
    Random(1).shuffle(candidates)
    assert ranking(*candidates) == ranked


@given(st.lists(st.builds(model, st.sampled_from([None, A, B, C]), st.floats(-9, 0))))
def test_a_model_alone_is_ranked_by_votes(candidates: list[Candidate]) -> None:
    def plain(votes: list) -> list:  # type: ignore[type-arg]
        return [(vote.grid.tolist(), vote.count, vote.score) for vote in votes]

    assert plain(rank_answers(candidates)) == plain(rank_votes(candidates))


def test_a_models_candidate_is_written_as_before() -> None:
    assert list(candidate_to_dict(model(A))) == [
        "task_id",
        "test_index",
        "grid",
        "log_prob",
        "n_tokens",
        "view",
    ]


def test_source_and_confidence_are_kept() -> None:
    for candidate in (SEARCH, PARTIAL, *submitted("x.json", A)):
        read = candidate_from_json(candidate_to_json(candidate))
        assert (read.source, read.confidence, read.fits) == (
            candidate.source,
            candidate.confidence,
            candidate.fits,
        )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("confidence", 1.5, "bad confidence: got 1.5. Expected a probability, 0 to 1."),
        ("confidence", True, "bad confidence"),
        ("confidence", float("nan"), "bad confidence"),
        ("fits", 1, "bad fits: got 1. Expected true or false."),
        ("source", 3, "bad source: got 3. Expected a string."),
    ],
)
def test_bad_fields_are_named(field: str, value: object, message: str) -> None:
    import json

    line = json.dumps(candidate_to_dict(SEARCH) | {field: value})
    with pytest.raises(DataError, match=message):
        candidate_from_json(line)
