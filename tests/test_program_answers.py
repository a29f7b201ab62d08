"""Evaluation by programs: what is asked, what votes, what is measured, corrected and kept."""

import csv
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger

from arcflow.callbacks.answer import AnswerConfig
from arcflow.callbacks.pass_n import PassN
from arcflow.callbacks.programs import CodeConfig
from arcflow.callbacks.submission import SubmissionWriter
from arcflow.callbacks.test_time import TestTimeFineTuning
from arcflow.callbacks.written import CODE_MEASURES
from arcflow.core.code_digest import code_digest
from arcflow.core.errors import ArcflowError, CheckpointError, ConfigError
from arcflow.core.journal import read_journal
from arcflow.core.submission import read_submission
from arcflow.core.vote import read_answers
from arcflow.datamodules.arc import ARCDataModule
from arcflow.modules.adapters import LoRAConfig
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora import LoRAModule
from arcflow.sandbox import Sandbox
from arcflow.sources.arc import find_task
from arcflow.sources.select import TaskSelection
from arcflow.text.encode import TextConfig
from tests.scripted import RIGHT, WRITINGS, WRONG, ScriptedEngine, by_seed, use_engine
from tests.test_deadline import TickingClock
from tests.tiny import LIGHTNING_WARNINGS, SIZES

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]

HALF_TURNS = ("3c9b0459", "6150a2bd")
CODE = CodeConfig(seconds=0.3, workers=1)


def evaluate(
    folder: Path,
    engine: ScriptedEngine,
    code: CodeConfig = CODE,
    answer: AnswerConfig | None = None,
    seed: int = 0,
    max_tokens: int = 512,
    callbacks: Sequence[Callback] = (),
    clock: Callable[[], float] | None = None,
    **options: Any,
) -> PassN:
    answer = answer or AnswerConfig(views=4, samples=2, temperature=0.7)
    pass_n = PassN(answer, code=code, seed=seed, **options)
    pass_n.clock = clock or pass_n.clock
    trainer = Trainer(
        accelerator="cpu",
        logger=CSVLogger(folder),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(folder),
        callbacks=[pass_n, SubmissionWriter(), *callbacks],
        inference_mode=False,
    )
    data = ARCDataModule(
        val=TaskSelection("arc-agi-1/training", ids=HALF_TURNS),
        text=TextConfig(code_tokens=128),
        max_tokens=max_tokens,
        tokens_per_batch=1024,
        wave_size=2,
    )
    with pytest.MonkeyPatch.context() as patch:
        use_engine(engine, patch)
        trainer.validate(LoRAModule(BackboneConfig(config=SIZES)), data, verbose=False)
    return pass_n


def entries(folder: Path) -> list[dict[str, Any]]:
    return read_journal(folder / "validate.journal.jsonl")[1]


def test_only_programs_that_fit_the_train_pairs_vote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of eight programs of a task, each of another kind, one is right."""

    def each_in_turn(prompt: str, seed: int, sample: int) -> str:
        number = len(engine.prompts) - 1  # four views of one task, then of the other
        return WRITINGS[2 * (number % 4) + sample]

    engine = ScriptedEngine(each_in_turn)
    result = evaluate(tmp_path, engine).results["frozen"]
    assert len(engine.requests) == 8
    measures = {name: result[name] for name in (*CODE_MEASURES, "accuracy", "pass_n", "vote_1")}
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
        row = next(row for row in csv.DictReader(lines) if row.get("frozen/code_solves"))
    assert float(row["frozen/code_solves"]) == 1 / 8
    assert json.loads((tmp_path / "validate.results.json").read_text())["variants"]["frozen"] == (
        result
    )


def find(task_id: str) -> Any:
    task = find_task(task_id)
    assert task is not None
    return task


def test_views_are_undone_and_equal_outputs_are_one_answer_with_many_votes(tmp_path: Path) -> None:
    wrong_but_fitting = "def task(grid):\n    return np.flip(grid)\n"  # the same by other means
    engine = ScriptedEngine(lambda prompt, seed, k: (RIGHT, wrong_but_fitting)[k])
    result = evaluate(tmp_path, engine, answer=AnswerConfig(views=8, samples=2, temperature=1.0))
    assert result.results["frozen"]["accuracy"] == 1.0
    for task_id, found in read_answers(tmp_path / "validate.journal.jsonl").items():
        assert len(found) == 16
        assert len({c.view for c in found}) == 8
        for candidate in found:
            assert candidate.grid is not None
            assert np.array_equal(candidate.grid, find(task_id).test[0].output)


def test_unfinished_programs_and_prompts_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda prompt, seed, k: RIGHT + "#" * 200)
    result = evaluate(tmp_path, engine).results["frozen"]
    assert {result[name] for name in CODE_MEASURES} == {0.0}
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
    assert result.results["frozen"]["vote_1"] == 1.0
    task = find(HALF_TURNS[0])
    shown = "\n".join("".join(map(str, row)) for row in task.test[0].input.tolist())
    assert shown in engine.prompts[0]


def test_failing_programs_go_back_with_what_is_wrong_until_one_fits(tmp_path: Path) -> None:
    """Wrong at first, an error in the first round, right in the second."""

    def learner(prompt: str, seed: int, sample: int) -> str:
        if "An output" not in prompt and "In an output" not in prompt and "Error" not in prompt:
            return WRONG
        return RIGHT if "IndexError in line 2" in prompt else "def task(grid):\n    grid[99]\n"

    engine = ScriptedEngine(learner)
    code = replace(CODE, rounds=4, corrected=2)
    result = evaluate(tmp_path, engine, code, max_tokens=1024).results["frozen"]
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
def test_a_finished_evaluation_asks_nothing_and_another_one_is_refused(
    tmp_path: Path, background: bool
) -> None:
    code = replace(CODE, rounds=1)
    first = evaluate(tmp_path, ScriptedEngine(by_seed, background), code, max_tokens=1024)
    before = (tmp_path / "validate.journal.jsonl").read_bytes()
    silent = ScriptedEngine(by_seed)
    again = evaluate(tmp_path, silent, replace(code, workers=2), max_tokens=1024)
    assert silent.requests == []
    assert again.results == first.results
    assert (tmp_path / "validate.journal.jsonl").read_bytes() == before
    for changed, name in (
        (replace(code, rounds=2), "pass_n.code.rounds"),
        (replace(code, seconds=0.4), "pass_n.code.seconds"),
    ):
        with pytest.raises(CheckpointError, match=f"{name} differs"):
            evaluate(tmp_path, silent, changed, max_tokens=1024)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("arcflow.omniarc.dsl", "the DSL's code"),
        ("arcflow.sandbox.policy", "the sandbox's policy"),
        ("arcflow.omniarc.feedback", "the feedback's code"),
    ],
)
def test_a_journal_is_refused_once_programs_mean_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    evaluate(tmp_path, ScriptedEngine(by_seed))
    before = (tmp_path / "validate.journal.jsonl").read_bytes()

    def changed(*names: str) -> str:
        return code_digest(*names) + "changed" * (module in names)

    monkeypatch.setattr("arcflow.callbacks.programs.code_digest", changed)
    silent = ScriptedEngine(by_seed)
    with pytest.raises(CheckpointError, match=f"the journal of another run, {name} differs: got"):
        evaluate(tmp_path, silent)
    assert silent.requests == []
    assert (tmp_path / "validate.journal.jsonl").read_bytes() == before


def test_a_wave_of_which_a_part_is_known_is_asked_again_whole(tmp_path: Path) -> None:
    from arcflow.core.journal import write_journal

    code = replace(CODE, rounds=1)
    evaluate(tmp_path, ScriptedEngine(by_seed), code, max_tokens=1024)
    path = tmp_path / "validate.journal.jsonl"
    whole = path.read_bytes()
    header, found = read_journal(path)
    write_journal(path, header["run"], found[:1])
    evaluate(tmp_path, ScriptedEngine(by_seed), code, max_tokens=1024)
    assert path.read_bytes() == whole


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
        patch.setattr("arcflow.callbacks.programs.Sandbox", Watched)
        with pytest.raises(RuntimeError) if fails else nullcontext():
            evaluate(tmp_path, Failing(by_seed))
    assert [sandbox.closed for sandbox in opened] == [True]


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


@pytest.mark.parametrize(("compare", "background"), [(True, False), (True, True), (False, False)])
def test_hindsight_tunes_on_the_tasks_own_programs(
    tmp_path: Path, compare: bool, background: bool
) -> None:
    """Frozen programs are written before tuning, and are the frozen answers."""
    turn = "def task(grid):\n    return np.rot90(grid, {})\n"
    engine = ScriptedEngine(lambda prompt, seed, k: turn.format(k + 1), background)
    code = replace(CODE, hindsight=True, rounds=1)
    steps: list[str] = []

    class Tuner(TestTimeFineTuning):
        def tune(self, module: Any, encoder: Any, tasks: Any, **options: Any) -> Any:
            known = options["samples"].tasks
            steps.extend(f"{id_} {len(found)}" for id_, found in known.items())
            return super().tune(module, encoder, tasks, **options)

    tuner = Tuner(2, tokens_per_step=512, lora=LoRAConfig(rank=2))
    result = evaluate(
        tmp_path, engine, code, compare=compare, callbacks=[tuner], max_tokens=1024
    ).results
    assert steps == [f"{task_id} 8" for task_id in HALF_TURNS]
    assert len(engine.requests) == 16  # four views of two tasks, before and after tuning
    tuned = [request.adapter for request in engine.requests[8:]]
    assert all(adapter is not None and adapter.steps == 2 for adapter in tuned)
    assert {request.adapter for request in engine.requests[:8]} == {None}
    assert list(result) == ["frozen", "tuned"] if compare else ["tuned"]
    for variant in result.values():
        assert variant["code_solves"] == 0.5
        assert variant["vote_1"] == 1.0
    assert [e["steps"] for e in entries(tmp_path)] == ([0, 2] if compare else [2]) * 2
    assert {e["views"] for e in entries(tmp_path)} == {4}


def test_hindsight_without_programs_that_run_answers_as_trained(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda prompt, seed, k: "no program\n")
    tuner = TestTimeFineTuning(2, tokens_per_step=512, lora=LoRAConfig(rank=2))
    code = replace(CODE, hindsight=True)
    evaluate(tmp_path, engine, code, callbacks=[tuner])
    assert {request.adapter for request in engine.requests} == {None}
    assert [e["steps"] for e in entries(tmp_path)] == [0, 0] * 2


def test_hindsight_needs_test_time_fine_tuning(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no test-time fine-tuning that could learn from it"):
        evaluate(tmp_path, ScriptedEngine(by_seed), replace(CODE, hindsight=True))
