"""Hindsight: programs that miss are learned as answers to the outputs that they give."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arcflow.callbacks.pass_n
from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.augment import IDENTITY, Chain, Dihedral
from arcflow.core.task import Task
from arcflow.engines.base import Answers, Completion
from arcflow.evaluation.engine_setup import EngineSession
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.evaluation.hindsight import Hindsight, hindsight_tasks
from arcflow.evaluation.program_candidates import ProgramCandidate
from arcflow.evaluation.program_runtime import CodeConfig
from arcflow.modules.optim import OptimizerConfig
from arcflow.omniarc.trial import try_programs
from arcflow.sandbox import Sandbox
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.kinds import get_kind
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.program_answers import evaluate
from tests.helpers.scripted import ScriptedEngine, by_seed
from tests.helpers.scripted_programs import RIGHT, WRONG
from tests.helpers.tiny import LIGHTNING_WARNINGS
from tests.omniarc.test_trial import HALF_TURN

TURN = "def task(grid):\n    return np.rot90(grid)\n"
SAME_TURN = "def task(grid):\n    return np.rot90(grid, 5)\n"
CONSTANT = "def task(grid):\n    return np.zeros((2, 2), int)\n"
ERROR = "def task(grid):\n    return grid[99]\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1) as made:
        yield made


@pytest.fixture(scope="module")
def encoder() -> Encoder[Any]:
    config = TextConfig(code_tokens=96)
    return Encoder(load_tokenizer("characters"), config, get_kind("code-from-examples"))


def written(sandbox: Sandbox, *codes: str, view: Any = IDENTITY) -> list[ProgramCandidate]:
    trials = try_programs(sandbox.run, codes, [view.apply(HALF_TURN)] * len(codes))
    done = Completion((1,), -1.0, 1, True)
    return [
        ProgramCandidate(HALF_TURN, view, done, code, code, trial)
        for code, trial in zip(codes, trials, strict=True)
    ]


def test_programs_that_say_something_become_tasks_with_their_own_outputs(sandbox: Sandbox) -> None:
    found = hindsight_tasks(written(sandbox, WRONG, CONSTANT, ERROR, TURN, SAME_TURN, RIGHT))
    assert [task.code for task in found] == [TURN, RIGHT]
    for task, turns in zip(found, (1, 2), strict=True):
        for pair in (*task.train, *task.test):
            assert np.array_equal(pair.output, np.rot90(pair.input, turns))
    assert [p.input.tolist() for p in found[0].train] == [p.input.tolist() for p in HALF_TURN.train]


def test_a_program_is_learned_in_its_own_view(sandbox: Sandbox) -> None:
    view = Chain((Dihedral(True, 1),))
    [task] = hindsight_tasks(written(sandbox, TURN, view=view))
    assert np.array_equal(task.train[0].input, view.apply(HALF_TURN).train[0].input)
    assert np.array_equal(task.train[0].output, np.rot90(task.train[0].input))


def test_rows_hold_every_program_in_turn(sandbox: Sandbox, encoder: Encoder[Any]) -> None:
    known = hindsight_tasks(written(sandbox, TURN, RIGHT))
    stream = Hindsight(encoder, {HALF_TURN.id: known}, 512, seed=3)
    rows = list(islice(stream.rows(HALF_TURN, 400), 6))
    again = list(islice(stream.rows(HALF_TURN, 400), 6))
    examples = [example for row in rows for example in row]
    for a, b in zip(examples, [e for row in again for e in row], strict=True):
        assert np.array_equal(a.input_ids, b.input_ids)
    for first, second in zip(examples[::2], examples[1::2], strict=False):
        answers = {encoder.decode(e.labels[e.labels >= 0])[1] for e in (first, second)}
        assert answers == {TURN, RIGHT}
    for row in rows:
        assert len(row) == 1 or sum(len(e.input_ids) for e in row) <= 400
    assert len({e.input_ids.tobytes() for e in examples}) > 2  # pairs in other orders


def test_there_is_an_end_where_nothing_can_be_learned(
    sandbox: Sandbox, encoder: Encoder[Any]
) -> None:
    [task] = hindsight_tasks(written(sandbox, TURN))
    assert list(Hindsight(encoder, {}).rows(HALF_TURN, 400)) == []
    assert list(Hindsight(encoder, {HALF_TURN.id: [task]}, 30).rows(HALF_TURN, 400)) == []
    strange = replace(task, code=TURN + "# é\n")
    assert list(Hindsight(encoder, {HALF_TURN.id: [strange]}).rows(HALF_TURN, 400)) == []


def test_true_test_outputs_are_not_among_the_samples(sandbox: Sandbox) -> None:
    for task in hindsight_tasks(written(sandbox, TURN, RIGHT)):
        assert isinstance(task, Task)
        for pair in task.test:
            assert pair.output is not None
            assert not np.array_equal(pair.output, pair.input)


@pytest.mark.slow
@pytest.mark.filterwarnings(*LIGHTNING_WARNINGS)
def test_a_tuned_model_writes_the_programs_that_it_learned(tmp_path: Path) -> None:
    """The model as it was trained is a script; the tuned one is real, and solves both tasks."""
    real = arcflow.callbacks.pass_n.open_engine

    class Half(ScriptedEngine):
        def generate(self, requests: Any, sampling: Any, seconds: Any = None) -> Answers:
            if any(request.adapter is not None for request in requests):
                return self.model.generate(requests, sampling, seconds)
            return super().generate(requests, sampling, seconds)

    def open_half(*options: Any) -> EngineSession:
        engine = Half(lambda prompt, seed, k: (RIGHT, TURN)[seed % 2])
        engine.model = real(*options).engine
        return EngineSession(engine)

    tuner = TestTimeFineTuning(
        100,
        tokens_per_step=400,
        mode="all",
        optimizer=OptimizerConfig(name="adamw", lr=1e-2, weight_decay=0.0),
    )
    code = CodeConfig(hindsight=True, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.helpers.program_answers.use_engine", lambda engine, patch: None)
        patch.setattr(arcflow.callbacks.pass_n, "open_engine", open_half)
        results = evaluate(
            tmp_path,
            ScriptedEngine(by_seed),
            code,
            AnswerConfig(views=4, samples=4, temperature=0.5),
            callbacks=[tuner],
            max_tokens=768,
        ).results
    assert 0 < results["ttft"]["code_solves"] <= 1.0
    assert results["ttft"]["code_valid"] > 0.5
