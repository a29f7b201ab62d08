"""Evaluation by programs: what is asked, what votes and what is measured."""

import csv
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcflow.core.errors import ArcflowError, ConfigError
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.evaluation.program_candidates import CODE_METRICS
from arcflow.evaluation.program_runtime import CodeConfig
from arcflow.sandbox import Sandbox
from arcflow.scoring.submission import read_submission
from arcflow.scoring.voting import read_answers
from tests.helpers.program_answers import CODE, HALF_TURNS, entries, evaluate, find
from tests.helpers.scripted import ScriptedEngine, by_seed
from tests.helpers.scripted_programs import RIGHT, WRITINGS
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]


def test_only_programs_that_fit_the_train_pairs_vote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of eight programs of a task, each of another kind, one is right."""

    def each_in_turn(prompt: str, seed: int, sample: int) -> str:
        number = len(engine.prompts) - 1  # four views of one task, then of the other
        return WRITINGS[2 * (number % 4) + sample]

    engine = ScriptedEngine(each_in_turn)
    result = evaluate(tmp_path, engine).results["baseline"]
    assert len(engine.requests) == 8
    measures = {name: result[name] for name in (*CODE_METRICS, "accuracy", "pass_n", "vote_1")}
    assert measures == {
        "code_runs": 3 / 8,  # the right one, the wrong one, the one that returns a number
        "code_valid": 2 / 8,
        "code_fits_k": 1 / 8,
        "code_solves": 1 / 8,
        "accuracy": 1 / 8,
        "pass_n": 1.0,
        "vote_1": 1.0,
    }
    assert result["unanswered"] == 7 / 8

    for entry in entries(tmp_path):
        assert entry["code"] == {
            "programs": 8,
            "run": 3,
            "valid": 2,
            "reproduced": len(find(entry["task"]).train),
            "pairs": 8 * len(find(entry["task"]).train),
            "solve": 1,
        }
        voting = [c for c in entry["candidates"] if c["grid"] is not None]
        assert [c["text"] for c in voting] == [RIGHT]
        assert voting[0]["n_tokens"] == len(RIGHT) + 1
        assert voting[0]["log_prob"] == -0.5 * len(RIGHT)
        reasons = [c["reason"] for c in entry["candidates"] if c["grid"] is None]
        for reason, beginning in zip(
            reasons,
            (
                "In an output ",
                "SyntaxError in line 1",
                "It takes longer than 0.3 s.",
                "Not allowed in line 1",
                "IndexError in line 2",
                "It returns no grid: bad type (int).",
                "no program",
            ),
            strict=True,
        ):
            assert reason.startswith(beginning), reason

    for task_id, attempts in read_submission(tmp_path / "submission.json").items():
        assert np.array_equal(attempts[0][0], find(task_id).test[0].output)
    table = capsys.readouterr().out
    assert "code_fits_k" in table
    assert "12.5%" in table
    [log] = tmp_path.glob("lightning_logs/*/metrics.csv")
    with log.open() as lines:
        row = next(row for row in csv.DictReader(lines) if row.get("baseline/code_solves"))
    assert float(row["baseline/code_solves"]) == 1 / 8
    assert json.loads((tmp_path / "validate.results.json").read_text())["variants"]["baseline"] == (
        result
    )


def test_views_are_undone_and_equal_outputs_are_one_answer_with_many_votes(tmp_path: Path) -> None:
    wrong_but_fitting = "def task(grid):\n    return np.flip(grid)\n"  # the same by other means
    engine = ScriptedEngine(lambda prompt, seed, k: (RIGHT, wrong_but_fitting)[k])
    result = evaluate(tmp_path, engine, answer=AnswerConfig(views=8, samples=2, temperature=1.0))
    assert result.results["baseline"]["accuracy"] == 1.0
    for task_id, found in read_answers(tmp_path / "validate.journal.jsonl").items():
        assert len(found) == 16
        assert len({c.view for c in found}) == 8
        for candidate in found:
            assert candidate.grid is not None
            assert np.array_equal(candidate.grid, find(task_id).test[0].output)


def test_unfinished_programs_and_prompts_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda prompt, seed, k: RIGHT + "#" * 200)
    result = evaluate(tmp_path, engine).results["baseline"]
    assert {result[name] for name in CODE_METRICS} == {0.0}
    reasons = {c["reason"] for e in entries(tmp_path) for c in e["candidates"]}
    assert reasons == {"the program has no end"}
    assert all(e["code"]["programs"] == 8 for e in entries(tmp_path))

    with pytest.raises(ConfigError, match="too small to answer any of the 2 tasks"):
        evaluate(tmp_path / "small", engine, max_tokens=140)


def test_the_same_seed_asks_the_same_and_answers_are_not_asked_about(tmp_path: Path) -> None:
    first, again, other = (ScriptedEngine(by_seed) for _ in range(3))
    evaluate(tmp_path / "a", first)
    evaluate(tmp_path / "b", again)
    evaluate(tmp_path / "c", other, seed=1)
    assert first.requests == again.requests
    assert len({request.seed for request in first.requests}) == len(first.requests)
    assert first.requests != other.requests
    journals = [(tmp_path / name / "validate.journal.jsonl").read_bytes() for name in "ab"]
    assert journals[0] == journals[1]
    # What a prompt shows is the train pairs of the view; the test pair is nowhere in it.
    for task_id, prompts in zip(HALF_TURNS, (first.prompts[:4], first.prompts[4:]), strict=True):
        task = find(task_id)
        assert len(prompts) == 4
        for pair in task.test:
            written = "\n".join("".join(map(str, row)) for row in pair.output.tolist())
            assert written not in prompts[0]


def test_the_kind_with_the_test_input_shows_it(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda prompt, seed, k: RIGHT)
    code = replace(CODE, kind="code-from-examples-and-test")
    result = evaluate(tmp_path, engine, code)
    assert result.results["baseline"]["vote_1"] == 1.0
    task = find(HALF_TURNS[0])
    shown = "\n".join("".join(map(str, row)) for row in task.test[0].input.tolist())
    assert shown in engine.prompts[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "pass_n.code.workers is too small"),
        ({"rounds": -1}, "pass_n.code.rounds is too small"),
        ({"seconds": 0.0}, "limits.seconds is out of range"),
        ({"token_budget": -1}, "pass_n.code.token_budget is too small"),
    ],
)
def test_options_that_cannot_work(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArcflowError, match=message):
        CodeConfig(**options)


@pytest.mark.parametrize("fails", [False, True])
def test_the_sandbox_ends_with_the_evaluation(tmp_path: Path, fails: bool) -> None:
    class Failing(ScriptedEngine):
        def _complete(self, request: Any, sampling: Any) -> Any:
            if fails and len(self.prompts) == 3:
                raise RuntimeError("the engine failed")
            return super()._complete(request, sampling)

    opened: list[Sandbox] = []

    class Watched(Sandbox):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            opened.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("arcflow.evaluation.program_runtime.Sandbox", Watched)
        with pytest.raises(RuntimeError) if fails else nullcontext():
            evaluate(tmp_path, Failing(by_seed))
    assert [sandbox.closed for sandbox in opened] == [True]
