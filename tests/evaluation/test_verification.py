"""The probability that a candidate is right: against brute force, blind to the truth, bounds."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from arcflow.core.augment import IDENTITY, Augmentation, Dihedral, Recolor, Reorder
from arcflow.core.errors import ConfigError
from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair, Task
from arcflow.engines.transformers import TransformersEngine
from arcflow.evaluation.verification import _logistic, right_probabilities
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.text.encode import Encoder
from arcflow.text.kinds import get_kind
from arcflow.text.tokenizer import load_tokenizer
from tests.evaluation.test_rescoring import grid, small_task
from tests.helpers.tiny import SIZES

VIEWS = (IDENTITY, Dihedral(True, 1), Recolor((0, 2, 1, *range(3, 10))), Reorder((2, 0, 1)))
GRIDS = (grid("12", "34"), grid("0"), grid("123", "456"))


@pytest.fixture(scope="module")
def encoder() -> Encoder[Any]:
    return Encoder(load_tokenizer("characters"), None, get_kind("verify-output"))


@pytest.fixture(scope="module")
def model() -> Any:
    return load_backbone(BackboneConfig(config=SIZES), 112, 0).eval()


def brute_force(model: Any, encoder: Encoder[Any], task: Task, index: int, answer: Grid) -> float:
    """One forward pass for each view and word, over the text of a task with that answer."""

    def log_prob(view: Augmentation, truth: Grid) -> float:
        asked = task.test[index].input
        pair, proposal = Pair(asked, truth), Pair(asked, answer)
        seen = view.apply(replace(task, test=(pair,), proposals=(proposal,)))
        ids, start = encoder.example(seen).input_ids.tolist(), len(encoder.prompt(seen))
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()
        steps = logits.log_softmax(-1)
        return sum(float(steps[t - 1, ids[t]]) for t in range(start, len(ids)))

    other = make_grid(np.zeros((9, 9), np.int8))
    odds = [log_prob(view, answer) - log_prob(view, other) for view in VIEWS]
    return 1 / (1 + math.exp(-sum(odds) / len(odds)))


def test_probabilities_equal_brute_force(model: Any, encoder: Encoder[Any]) -> None:
    task, engine = small_task(1, inputs=2), TransformersEngine(model, 0)
    for index in range(2):
        found = right_probabilities(encoder, engine, task, index, GRIDS, VIEWS, 400)
        expected = [brute_force(model, encoder, task, index, answer) for answer in GRIDS]
        assert found == pytest.approx(expected, abs=1e-5)
        assert len(set(found)) == len(GRIDS)
        hidden = right_probabilities(
            encoder, engine, task.without_answers(), index, GRIDS, VIEWS, 400
        )
        assert hidden == found


def test_what_does_not_fit_has_no_probability(model: Any, encoder: Encoder[Any]) -> None:
    task, engine = small_task(1), TransformersEngine(model, 0)
    huge = make_grid(np.zeros((30, 30), np.int8))
    found = right_probabilities(encoder, engine, task, 0, [huge, *GRIDS], VIEWS, 400)
    assert found[0] is None
    assert all(value is not None and 0 < value < 1 for value in found[1:])
    assert right_probabilities(encoder, engine, task, 0, GRIDS, VIEWS, 20) == [None] * 3
    assert right_probabilities(encoder, engine, task, 0, [], VIEWS, 400) == []


def test_an_encoder_of_another_kind_is_refused(model: Any) -> None:
    for kind in ("output-from-examples", "select-output"):
        other: Encoder[Any] = Encoder(load_tokenizer("characters"), None, get_kind(kind))
        with pytest.raises(ConfigError, match=f"an encoder of another task kind: got '{kind}'"):
            right_probabilities(
                other, TransformersEngine(model, 0), small_task(1), 0, GRIDS, VIEWS, 400
            )


def test_extreme_odds_do_not_overflow() -> None:
    assert [_logistic(x) for x in (-2000.0, 0.0, 2000.0)] == [0.0, 0.5, 1.0]
