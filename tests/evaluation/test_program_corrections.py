"""Programs that fail go back with what is wrong, within their tokens and the time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arcflow.scoring.submission import read_submission
from tests.evaluation.test_deadline import TickingClock
from tests.helpers.program_answers import CODE, entries, evaluate, find
from tests.helpers.scripted import ScriptedEngine
from tests.helpers.scripted_programs import RIGHT, WRONG
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]


def test_failing_programs_go_back_with_what_is_wrong_until_one_fits(tmp_path: Path) -> None:
    """Wrong at first, an error in the first round, right in the second."""

    def learner(prompt: str, seed: int, sample: int) -> str:
        if "An output" not in prompt and "In an output" not in prompt and "Error" not in prompt:
            return WRONG
        return RIGHT if "IndexError in line 2" in prompt else "def task(grid):\n    grid[99]\n"

    engine = ScriptedEngine(learner)
    code = replace(CODE, rounds=4, corrected=2)
    result = evaluate(tmp_path, engine, code, max_tokens=1024).results["baseline"]
    assert result["vote_1"] == 1.0
    # Two tasks: four views, which have one program, then a correction of this one and of the
    # corrected one, then none: there is a program that fits.
    assert len(engine.requests) == 2 * (4 + 1 + 1)
    assert result["code_solves"] == 2 / 12
    assert engine.prompts[8].count("def task") == 1
    assert "should be" in engine.prompts[8]
    assert all(entry["code"]["programs"] == 12 for entry in entries(tmp_path))
    for task_id, attempts in read_submission(tmp_path / "submission.json").items():
        assert np.array_equal(attempts[0][0], find(task_id).test[0].output)


@pytest.mark.parametrize("budget", [0, 500, 1500, 4000])
def test_corrections_keep_to_their_tokens(tmp_path: Path, budget: int) -> None:
    engine = ScriptedEngine(lambda prompt, seed, k: WRONG + f"# {seed % 1000} {k}\n")
    code = replace(CODE, rounds=5, token_budget=budget)
    evaluate(tmp_path, engine, code, max_tokens=1024)
    corrections = engine.requests[8:]
    spent = sum(len(r.prompt_ids) + 2 * len(WRONG) for r in corrections)
    assert spent <= 2 * budget
    assert bool(corrections) == (budget >= 1500)


def test_a_corrected_program_that_cannot_be_shown_is_left_out(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda prompt, seed, k: WRONG + '# <|bos|> ``` """\n')
    code = replace(CODE, rounds=1)
    evaluate(tmp_path, engine, code, max_tokens=1024)
    assert all("<|bos|>" not in prompt[1:].partition("def")[2] for prompt in engine.prompts)


@pytest.mark.parametrize("background", [False, True])
def test_corrections_take_the_time_that_is_left(tmp_path: Path, background: bool) -> None:
    asked = []
    for seconds in (1e6, 2.0):
        engine = ScriptedEngine(lambda prompt, seed, k: WRONG, background)
        folder = tmp_path / str(seconds)
        clock = TickingClock()
        clock.now = 1_000_000_000.0 - seconds
        code = replace(CODE, rounds=2, corrected=1)
        evaluate(folder, engine, code, clock=clock, deadline="2001-09-09T01:46:40+00:00")
        assert clock.now < 1_000_000_000.0
        assert len(read_submission(folder / "submission.json")) == 2
        asked.append(len(engine.requests))
    # Each task: four views, of which two are asked first; then one wrong program goes back once,
    # since what comes back is the same.
    assert asked[0] == 2 * (4 + 1)
    assert 4 <= asked[1] <= asked[0]
