"""What became of a task, from its candidates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.report.contents import STATUS_WORDS, TaskAnswers, gather, task_status, wrong_cells

GRID = make_grid([[1, 2], [3, 4]])


def candidate(grid: object, log_prob: float = -1.0, **more: object) -> dict[str, object]:
    return {
        "task_id": "t",
        "test_index": 0,
        "grid": grid,
        "log_prob": log_prob,
        "n_tokens": 1,
    } | more


def of(*candidates: dict[str, object], output: object = GRID, variant: str = "ttft") -> TaskAnswers:
    task = Task("t", (Pair(GRID, GRID),), (Pair(GRID, output),))  # type: ignore[arg-type]
    entry = {"task": "t", "variant": variant, "candidates": list(candidates)}
    return gather([task], [entry])[0]


RIGHT, NEAR = [[1, 2], [3, 4]], [[1, 2], [3, 0]]
FAR, SIZE = [[0, 0], [0, 0]], [[1, 2]]


@pytest.mark.parametrize(
    ("grids", "status"),
    [
        ([RIGHT], "solved"),
        ([FAR, FAR, RIGHT], "solved"),
        ([FAR, FAR, SIZE, SIZE, RIGHT], "nearly"),  # the third by votes
        ([NEAR], "wrong"),  # one of four cells is more than a tenth
        ([FAR], "wrong"),
        ([SIZE], "size"),
        ([SIZE, SIZE, FAR], "wrong"),
        ([None], "unanswered"),
        ([], "unanswered"),
    ],
)
def test_status(grids: list[object], status: str) -> None:
    assert of(*map(candidate, grids)).status == status


def test_a_large_answer_with_few_wrong_cells_is_nearly_right() -> None:
    truth = make_grid(np.zeros((10, 10), int).tolist())
    near = np.zeros((10, 10), int)
    near[0, :10] = 1
    assert of(candidate(near.tolist()), output=truth).status == "nearly"
    near[1, 0] = 1
    assert of(candidate(near.tolist()), output=truth).status == "wrong"


def test_hidden_answers_are_neither_right_nor_wrong() -> None:
    found = of(candidate(RIGHT), output=None)
    assert found.status == "hidden"
    assert found.variants["ttft"].inputs[0].answers[0].wrong is None
    assert found.sources == ()


def test_variants_are_ranked_alone_and_together() -> None:
    task = Task("t", (Pair(GRID, GRID),), (Pair(GRID, GRID),))
    sure = {"source": "search", "confidence": 0.9, "fits": True}
    found = gather(
        [task],
        [
            {"task": "t", "variant": "baseline", "candidates": [candidate(SIZE)]},
            {"task": "t", "variant": "search", "candidates": [candidate(RIGHT, **sure)]},
            {"task": "t", "variant": "ttft", "candidates": [candidate(FAR)], "loss": [3.0, 2]},
        ],
    )[0]
    assert list(found.variants) == ["all", "ttft", "baseline", "search"]
    together = found.variants["all"].inputs[0]
    # Search fits all pairs, so it is first; the untuned answers do not count beside the tuned.
    assert [answer.sources for answer in together.answers] == [("search",), ("ttft",)]
    assert together.answers[0].confidence == 0.9
    assert found.status == "solved"
    assert found.sources == ("search",)
    assert found.variants["ttft"].facts == {"loss": "1.5000 nats a token"}


def test_reasons_are_counted() -> None:
    found = of(candidate(None, reason="no end"), candidate(None), candidate(None, reason="no end"))
    one = found.variants["ttft"].inputs[0]
    assert one.reasons == (("no end", 2), ("no grid", 1))
    assert (one.candidates, one.unanswered) == (3, 3)


@given(
    st.lists(
        st.sampled_from([word for word in STATUS_WORDS if word != "partly"]), min_size=1, max_size=4
    )
)
def test_a_task_is_solved_only_if_all_of_its_inputs_are(inputs: list[str]) -> None:
    status = task_status(inputs)  # type: ignore[arg-type]
    assert (status == "solved") == (set(inputs) == {"solved"})
    assert (status == "hidden") == ("hidden" in inputs)
    if status == "partly":
        assert "solved" in inputs


def test_wrong_cells() -> None:
    assert wrong_cells(make_grid(NEAR), GRID) == 1
    assert wrong_cells(make_grid(SIZE), GRID) is None
    assert wrong_cells(GRID, None) is None


def test_votes_are_sums_of_weights_in_words() -> None:
    found = of(
        candidate(RIGHT, weight=0.4),
        candidate(FAR, weight=0.5),
        candidate(RIGHT, weight=0.35),
        candidate(NEAR),
    )
    [answers] = found.variants["ttft"].inputs
    assert [answer.grid.tolist() for answer in answers.answers] == [NEAR, RIGHT, FAR]
    words = [answer.votes_in_words for answer in answers.answers]
    assert words == ["1 vote", "0.75 votes", "0.50 votes"]
    [many] = of(candidate(RIGHT), candidate(RIGHT)).variants["ttft"].inputs
    assert many.answers[0].votes_in_words == "2 votes"
