"""Confidence: what raises and lowers it, and that ranked answers are ever less sure."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from arcflow.search.calibration import NEAR, confidence_of, evidence_of
from arcflow.search.ranking import MAX_ANSWERS, best_answers
from arcflow.search.stacking import SHOWN
from arcflow.search.views import Found

STACKS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        st.floats(10, 300),
        st.integers(1, 10),
        st.integers(0, 14),
    ),
    min_size=1,
    max_size=25,
)


def found(fitted: float, cost: float, layers: int, number: int) -> Found:
    cells = np.array([[number % 10, number // 10]], np.uint8)
    path = (((f"turned {number % 7 + 1}",), SHOWN),)
    return Found(cells, fitted, 1.0, 0.0, cost, path * layers, "grid.shape", None)


@given(STACKS)
def test_ranked_answers_are_distinct_and_ever_less_sure(stacks: list[tuple]) -> None:
    items = [found(*stack) for stack in stacks]
    answers = best_answers(items, 4)
    assert len(answers) == min(MAX_ANSWERS, len({stack[3] for stack in stacks}))
    assert len({answer.grid.tobytes() for answer in answers}) == len(answers)
    sure = [answer.confidence for answer in answers]
    assert sure == sorted(sure, reverse=True)
    assert all(0 < one < 1 for one in sure)
    best = min(stacks, key=lambda stack: (-stack[0], stack[1]))
    assert answers[0].pairs_fitted == int(4 * best[0])
    assert answers == sorted(answers, key=lambda answer: -answer.pairs_fitted)


@given(STACKS)
def test_rivals_are_counted(stacks: list[tuple]) -> None:
    shown = sorted((s[:3] for s in stacks), key=lambda s: (-s[0], s[1]))
    for place, evidence in enumerate(evidence_of(shown)):
        fitted, cost, layers = shown[place]
        rivals = 0
        for other in range(len(shown)):
            rivals += other != place and shown[other][0] == 1 and shown[other][1] <= NEAR * cost
        assert (evidence.later, evidence.fitted, evidence.layers) == (place > 0, fitted, layers)
        assert evidence.rivals == rivals


def test_what_makes_an_answer_surer() -> None:
    def sure(*stacks: tuple[float, float, int]) -> float:
        return confidence_of(evidence_of(stacks)[0])

    alone = sure((1.0, 20.0, 1))
    assert alone > 0.8
    assert alone > sure((1.0, 20.0, 1), (1.0, 30.0, 1)) > sure(*[(1.0, 20.0, 1)] * 5)
    assert alone == sure((1.0, 20.0, 1), (1.0, 41.0, 1)) == sure((1.0, 20.0, 1), (0.5, 20.0, 1))
    assert alone > sure((1.0, 20.0, 2)) > sure((1.0, 20.0, 5))
    assert sure((0.75, 20.0, 1)) < 0.25
    first, second = evidence_of([(1.0, 20.0, 1), (1.0, 20.0, 1)])
    assert confidence_of(first) > confidence_of(second)
