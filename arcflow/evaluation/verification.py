"""Verification: how probable a model finds it that a candidate is right, in its own word for it.

The model must have learned the task kind `verify-output`. The probabilities of its two words,
"right" and "wrong", are normalised to sum to one; whatever else the model would write is left out.
Several views of the task are combined by the mean of their log-odds, a product of experts.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from arcflow.core.augment import Augmentation
from arcflow.core.errors import ConfigError
from arcflow.core.grid import Grid
from arcflow.core.task import Pair, Task
from arcflow.engines.base import AdapterRef, Engine, ScoreRequest
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder
from arcflow.text.kinds.judge import VerifyOutput


def right_probabilities(
    encoder: Encoder[Any],
    engine: Engine,
    task: Task,
    test_index: int,
    grids: Sequence[Grid],
    views: Sequence[Augmentation],
    max_tokens: int,
    adapter: AdapterRef | None = None,
) -> list[float | None]:
    """Return for each candidate the probability of "right" against "wrong".

    Args:
        encoder: The encoder of the kind `verify-output`.
        engine: The engine, which can score given completions; it is called once.
        task: The task; its answers, if it has any, are not looked at.
        test_index: The index of the test input.
        grids: The candidates.
        views: The views in which each candidate is judged, made for the task without answers.
        max_tokens: The longest prompt and answer together; a longer one loses train pairs.
        adapter: The adapter to judge with; None takes the model as it was trained.

    Returns:
        The probabilities in the order of the candidates; None for a candidate whose question fits
        in no view, or that the engine could not score.

    Raises:
        ConfigError: The encoder asks something else, or the engine cannot score.
    """
    if not isinstance(encoder.kind, VerifyOutput):
        raise ConfigError(
            "verification: an encoder of another task kind",
            value=encoder.kind.name,
            expected=VerifyOutput.name,
            next_step=f"Make the encoder with get_kind({VerifyOutput.name!r}).",
        )
    completions = tuple(encoder.word_ids[word] for word in VerifyOutput.words)
    room = encoder.max_answer_tokens()
    asked: list[int] = []
    requests: list[ScoreRequest] = []
    question = Pair(task.test[test_index].input, None)
    for number, grid in enumerate(grids):
        judged = replace(
            task.without_answers(),
            test=(question,),
            proposals=(Pair(question.input, grid),),
        )
        for view in views:
            fitted = fit_context(encoder, view.apply(judged), max_tokens, 0, answer_tokens=room)
            if fitted is not None:
                prompt = tuple(encoder.prompt(fitted).tolist())
                requests.append(ScoreRequest(prompt, completions, adapter))
                asked.append(number)
    odds: list[list[float]] = [[] for _ in grids]
    answers = engine.score(requests) if requests else []
    for number, (right, wrong) in zip(asked, answers, strict=True):
        difference = right.log_prob - wrong.log_prob
        # Half precision can give a value that is no number.
        if not (right.error or wrong.error) and math.isfinite(difference):
            odds[number].append(difference)
    return [_logistic(math.fsum(one) / len(one)) if one else None for one in odds]


def _logistic(log_odds: float) -> float:
    """Return the probability with these log-odds in nats, without overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))
