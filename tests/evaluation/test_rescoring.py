"""Re-scoring: values against brute force, and what an evaluation journals and ranks by."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcflow.callbacks.pass_n import PassN
from arcflow.core.errors import ConfigError
from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.engines.base import Answers, Completion, ScoreRequest
from arcflow.engines.transformers import TransformersEngine
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.evaluation.rescore_options import RescoreConfig, check_rescoring
from arcflow.evaluation.rescoring import RescoreJob, Rescoring
from arcflow.evaluation.views import evaluation_views
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.scoring.journal import read_journal, write_journal
from arcflow.scoring.submission import build_submission, read_submission, write_submission
from arcflow.scoring.voting import Candidate, read_answers
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer
from arcflow.tools import vote
from tests.helpers.evaluations import validate
from tests.helpers.scripted import ScriptedEngine, use_engine
from tests.helpers.tiny import LIGHTNING_WARNINGS, SIZES

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]
ANSWER, MAX_TOKENS = AnswerConfig(views=3), 400


def grid(*rows: str) -> Any:
    return make_grid([[int(cell) for cell in row] for row in rows])


def small_task(number: int, inputs: int = 1) -> Task:
    """Each colour becomes another: trees find it at once, an untrained model never."""
    rng = np.random.default_rng(number)
    colors = rng.permutation(10).astype(np.int8)
    grids = [rng.integers(0, 3, (3, 2)).astype(np.int8) for _ in range(3 + inputs)]
    pairs = [Pair(one, colors[one]) for one in grids]
    return Task(f"small{number}", tuple(pairs[:3]), tuple(pairs[3:]))


def candidate(task: Task, answer: Any, index: int = 0, log_prob: float = -1.0) -> Candidate:
    return Candidate(task.id, index, answer, log_prob, 3, "identity")


# ---- the values


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


@pytest.fixture(scope="module")
def model() -> Any:
    return load_backbone(BackboneConfig(config=SIZES), 112, 0).eval()


def brute_force(model: Any, encoder: Encoder, task: Task, index: int, answer: Any) -> float:
    """One forward pass for each view over the whole text, the answer in the truth's place."""
    views = evaluation_views(task, 3 + 4, ANSWER.augment, 5)[3:]
    found = []
    for view in views:
        pairs = list(task.test)
        pairs[index] = Pair(task.test[index].input, answer)
        seen = view.apply(replace(task, test=tuple(pairs)))
        ids = encoder.example(seen, index).input_ids.tolist()
        start = len(encoder.prompt(seen, index))
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()
        steps = logits.log_softmax(-1)
        found.append(sum(float(steps[t - 1, ids[t]]) for t in range(start, len(ids))))
    assert len(found) == 4
    return math.fsum(found) / 4


def test_values_equal_brute_force(model: Any, encoder: Encoder) -> None:
    task = small_task(1, inputs=2)
    answers = [grid("12", "34"), grid("0"), grid("123", "456"), grid("12", "34")]
    given = [candidate(task, answer, i % 2) for i, answer in enumerate(answers)]
    given += [candidate(task, None), candidate(task, grid("7"), 1)]
    rescoring = Rescoring(encoder, ANSWER, RescoreConfig(views=4), MAX_TOKENS, 5)
    engine = TransformersEngine(model, 0)
    other = small_task(2)
    jobs = [RescoreJob(task, given, None), RescoreJob(other, [candidate(other, grid("5"))], None)]
    found, second = rescoring.score(engine, jobs)
    assert found.counts() == {"views": 4, "answers": 5, "scored": 5}
    for one in map(found.of, given):
        if one.grid is not None:
            expected = brute_force(model, encoder, task, one.test_index, one.grid)
            assert one.rescored == pytest.approx(expected, abs=1e-5)
            assert one.rescore_views == 4
    # Alone, in another order and view by view: whatever shares the batch changes nothing.
    (alone,) = rescoring.score(engine, [RescoreJob(task, given[::-1], None)])
    (hurried,) = rescoring.score(engine, jobs[1:], lambda: 1000.0)
    for ours, theirs in ((alone, found), (hurried, second)):
        assert ours.values.keys() == theirs.values.keys()
        for place, (value, views) in ours.values.items():
            assert theirs.values[place] == (pytest.approx(value, abs=1e-5), views)


def test_what_gets_no_value_is_counted(model: Any, encoder: Encoder) -> None:
    task = small_task(3)
    huge = make_grid(np.zeros((30, 30), np.int8))  # no answer of so small a task is waited for
    answers = [grid("1"), grid("1"), grid("2"), grid("2"), grid("2"), grid("3"), huge]
    given = [candidate(task, answer) for answer in answers]
    rescoring = Rescoring(encoder, ANSWER, RescoreConfig(views=2, max_candidates=2), MAX_TOKENS, 5)
    (found,) = rescoring.score(TransformersEngine(model, 0), [RescoreJob(task, given, None)])
    assert found.counts() == {
        "views": 2,
        "answers": 4,
        "scored": 2,
        "left out": 1,
        "too long": 1,
    }
    scored = [one.rescored is not None for one in map(found.of, given)]
    assert scored == [True] * 5 + [False] * 2  # those with the most votes


def test_a_task_that_does_not_fit_has_no_values(model: Any, encoder: Encoder) -> None:
    task = small_task(3)
    rescoring = Rescoring(encoder, ANSWER, RescoreConfig(views=2), 20, 5)
    job = RescoreJob(task, [candidate(task, grid("1"))], None)
    (found,) = rescoring.score(TransformersEngine(model, 0), [job])
    assert found.counts() == {"views": 0, "answers": 1, "scored": 0}


def test_in_a_hurry_all_answers_have_the_views_that_there_is_time_for(
    model: Any, encoder: Encoder
) -> None:
    task = small_task(4)
    given = [candidate(task, answer) for answer in (grid("1"), grid("22"), grid("345"))]
    seconds = iter([9.0, 9.0, 9.0, 0.0])
    rescoring = Rescoring(encoder, ANSWER, RescoreConfig(views=4), MAX_TOKENS, 5)
    (found,) = rescoring.score(
        TransformersEngine(model, 0), [RescoreJob(task, given, None)], lambda: next(seconds)
    )
    assert {views for _, views in found.values.values()} == {2}
    (none,) = rescoring.score(
        TransformersEngine(model, 0), [RescoreJob(task, given, None)], lambda: 0.0
    )
    assert none.values == {}


# ---- an evaluation


class ScoringEngine(ScriptedEngine):
    """Writes one of some grids; a score is a function of the completion alone."""

    def score(self, requests: Sequence[ScoreRequest], seconds: float | None = None) -> Answers:
        return [
            [Completion(ids, self.value(ids), len(ids), True) for ids in request.completions]
            for request in requests
        ]

    def value(self, ids: tuple[int, ...]) -> float:
        return float(len(set(ids))) - len(ids) / 64 - 20.0


def write_some_grid(prompt: str, seed: int, sample: int) -> str:
    """Most often a grid of one colour; now and then one of more or fewer cells, or none."""
    number = hashlib.blake2b(str(seed).encode(), digest_size=1).digest()[0] % 7
    return ["12", "12\n34", "12\n34", "12\n34", "5", "no grid", "9\n9"][number]


def evaluate(folder: Path, **options: Any) -> PassN:
    # Plenty of time: answers are equal only where it suffices, on a busy machine too.
    pass_n = PassN(AnswerConfig(views=6), solver_seconds=600, **options)
    tasks = [small_task(n, inputs=1 + n % 2) for n in range(3)]
    return validate(folder, pass_n, tasks, task_batch_size=2)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_journal_holds_values_and_the_tools_rank_by_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_engine(ScoringEngine(write_some_grid), monkeypatch)
    evaluate(tmp_path, rescore=RescoreConfig(views=3))
    journal, submission = tmp_path / "validate.journal.jsonl", tmp_path / "submission.json"
    header, entries = read_journal(journal)
    assert header["run"]["pass_n.rescore.views"] == 3
    answers = read_answers(journal)
    answered = [c for found in answers.values() for c in found if c.grid is not None]
    assert answered
    assert all(c.rescored is not None and c.rescore_views == 3 for c in answered)
    assert all(c.rescored is None for found in answers.values() for c in found if c.grid is None)
    # The most different characters win; votes, of which each has few, prefer short answers.
    for task_id, inputs in read_submission(submission).items():
        for index, (first, _) in enumerate(inputs):
            given = [c.grid for c in answers[task_id] if c.test_index == index]
            colors = [len(np.unique(one)) for one in given if one is not None]
            assert len(np.unique(first)) == max(colors) > min(colors)
    assert "nats under other views" in (tmp_path / "validate.report.html").read_text()

    again, by_votes = tmp_path / "again.json", tmp_path / "by-votes.json"
    assert vote.main([str(journal), "-o", str(again)]) == 0
    assert again.read_bytes() == submission.read_bytes()
    assert vote.main([str(journal), "--rank", "votes", "-o", str(by_votes)]) == 0
    plain = [replace(c, rescored=None) for found in answers.values() for c in found]
    tasks = [small_task(n, inputs=1 + n % 2) for n in range(3)]
    write_submission(again, build_submission(tasks, plain))
    assert by_votes.read_bytes() == again.read_bytes() != submission.read_bytes()

    # A kill leaves some tasks of a batch, and the same command goes on.
    for path in (again, by_votes):
        path.unlink()
    kept = files(tmp_path)
    for left in ([0], [1], []):
        write_journal(journal, header["run"], [entries[i] for i in left])
        submission.unlink()
        evaluate(tmp_path, rescore=RescoreConfig(views=3))
        assert files(tmp_path) == kept


def test_values_are_noted_and_votes_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_engine(ScoringEngine(write_some_grid), monkeypatch)
    first, second = tmp_path / "votes", tmp_path / "plain"
    for folder, config in ((first, RescoreConfig(3, rank="votes")), (second, RescoreConfig())):
        folder.mkdir()
        evaluate(folder, rescore=config)
    assert files(first)["submission.json"] == files(second)["submission.json"]
    assert files(first)["validate.results.json"] == files(second)["validate.results.json"]
    journal = first / "validate.journal.jsonl"
    assert b'"rescored":' in journal.read_bytes()
    assert b'"rescored":' not in files(second)["validate.journal.jsonl"]
    assert "under other views" not in (first / "validate.report.html").read_text()
    for rank, some in (("", False), ("votes", False), ("rescored", True)):
        found = [c for of_task in read_answers(journal, rank=rank).values() for c in of_task]
        assert any(c.rescored is not None for c in found) is some


def test_answers_of_trees_are_scored_by_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_engine(ScoringEngine(write_some_grid), monkeypatch)
    evaluate(tmp_path, rescore=RescoreConfig(views=3), trees=True)
    journal = tmp_path / "validate.journal.jsonl"
    header, entries = read_journal(journal)
    assert [(e["task"], e["variant"]) for e in entries] == [
        (f"small{n}", variant) for n in range(3) for variant in ("baseline", "trees")
    ]
    of_trees = [c for found in read_answers(journal, "trees").values() for c in found]
    assert of_trees
    assert all(c.rescored is not None and c.rescore_views == 3 for c in of_trees)
    assert vote.main([str(journal), "-o", str(tmp_path / "again.json")]) == 0
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "submission.json").read_bytes()
    (tmp_path / "again.json").unlink()
    kept = files(tmp_path)
    # What trees had finished is kept, and scored once the model comes to the task.
    write_journal(journal, header["run"], entries[1:4:2])
    evaluate(tmp_path, rescore=RescoreConfig(views=3), trees=True)
    assert files(tmp_path) == kept


def test_refusals(tmp_path: Path) -> None:
    for options, said in (
        ({"views": -1}, r"pass_n\.rescore\.views is too small: got -1"),
        ({"max_candidates": 0}, r"pass_n\.rescore\.max_candidates is too small: got 0"),
    ):
        with pytest.raises(ConfigError, match=said):
            RescoreConfig(**options)
    with pytest.raises(ConfigError, match=r"scores grids, but programs are asked for"):
        check_rescoring(RescoreConfig(1), "transformers", programs=True)
    with pytest.raises(ConfigError, match=r"pass_n\.engine: this engine cannot score"):
        evaluate(tmp_path, rescore=RescoreConfig(1), engine="examples.custom_engine.GreedyEngine")
    assert not (tmp_path / "validate.journal.jsonl").exists()


def test_journals_without_values_are_ranked_by_votes_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_engine(ScoringEngine(write_some_grid), monkeypatch)
    paths = []
    for name, views in (("with", 2), ("without", 0)):
        (tmp_path / name).mkdir()
        evaluate(tmp_path / name, rescore=RescoreConfig(views))
        paths.append(str(tmp_path / name / "validate.journal.jsonl"))
    capsys.readouterr()
    outputs = [tmp_path / "both.json", tmp_path / "votes.json"]
    assert vote.main([*paths, "-o", str(outputs[0])]) == 0
    said = capsys.readouterr().out
    assert f"{paths[1]}: its answers were not scored again, so votes rank all answers" in said
    assert vote.main([*paths, "--rank", "votes", "-o", str(outputs[1])]) == 0
    assert "scored again" not in capsys.readouterr().out
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
