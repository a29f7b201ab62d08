"""What a larger context would do for tasks that do not fit it."""

import numpy as np
import pytest

from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.text.context import advice, fit_context, tokens_that_fit
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer


def square(side: int) -> Pair:
    grid = make_grid(np.ones((side, side), np.int8))
    return Pair(grid, grid)


@pytest.mark.parametrize("sides", [(3, 2), (2, 5, 2), (4,), (6, 1, 3, 1)])
@pytest.mark.parametrize("answer_tokens", [None, 40])
def test_the_numbers_are_the_bounds_of_what_fits(
    sides: tuple[int, ...], answer_tokens: int | None
) -> None:
    encoder = Encoder(load_tokenizer("characters"))
    task = Task("a", tuple(map(square, sides)), (square(3),))
    least, whole = tokens_that_fit(encoder, task, 0, answer_tokens)
    kept = [
        fit_context(encoder, task, tokens, 0, answer_tokens)
        for tokens in (least - 1, least, whole - 1, whole)
    ]
    assert kept[0] is None
    assert kept[1] is not None
    assert len(kept[1].train) == 1
    assert kept[2] is None or len(kept[2].train) < len(task.train)
    assert kept[3] is task


def test_advice_says_what_fits_all_tasks() -> None:
    assert advice([(10, 30), (25, 28)], 20) == (
        "--data.max_tokens=25 leaves out no task. --data.max_tokens=30 keeps all train pairs."
    )
    assert advice([(10, 30)], 20) == "--data.max_tokens=30 keeps all train pairs."
