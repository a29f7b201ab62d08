"""Evaluation end to end: what is answered, counted and written, and what survives a kill."""

from pathlib import Path

import pytest

from arcflow.callbacks.answer import AnswerConfig, answer_tasks, answer_tokens
from arcflow.core.submission import PLACEHOLDER, read_submission
from arcflow.core.task import Task
from arcflow.core.vote import read_candidates
from arcflow.engines.base import Completion, Request, Sampling
from arcflow.sources.arc import find_task
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer
from tests.runs import run_arcflow

ROOT = Path(__file__).parent.parent


class Oracle:
    """Answers every prompt with the true output, seen through the prompt's own view."""

    def __init__(self, encoder: Encoder, task: Task) -> None:
        self.encoder, self.task = encoder, task
        self.prompts: list[tuple[int, ...]] = []
        self.answers: dict[tuple[int, ...], tuple[int, ...]] = {}

    def generate(self, requests: list[Request], sampling: Sampling) -> list[list[Completion]]:
        self.prompts += [request.prompt_ids for request in requests]
        return [
            [Completion(self.answers.get(r.prompt_ids, (0,)), -1.0, 3, True)] * sampling.n
            for r in requests
        ]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


def real(task_id: str) -> Task:
    task = find_task(task_id)
    assert task is not None
    return task


def test_views_are_undone(encoder: Encoder) -> None:
    from arcflow.callbacks.views import evaluation_views

    task = real("6ea4a07e")
    oracle = Oracle(encoder, task)
    for view in evaluation_views(task, 8, seed=3):
        seen = view.apply(task)
        for i in range(len(task.test)):
            prompt = tuple(encoder.prompt(seen, i).tolist())
            whole = encoder.example(seen, i).input_ids.tolist()
            oracle.answers[prompt] = tuple(whole[len(prompt) : -1])
    config = AnswerConfig(views=8)
    hidden = task.without_answers()
    found = answer_tasks(oracle, encoder, [hidden], {}, config, max_tokens=2048, seed=3)[task.id]
    assert len(found) == 8 * len(task.test)
    for candidate in found:
        assert candidate.grid is not None
        assert (candidate.grid == task.test[candidate.test_index].output).all()


def test_malformed_and_unfinished_answers_are_unanswered(encoder: Encoder) -> None:
    task = real("6ea4a07e").without_answers()
    found = answer_tasks(Oracle(encoder, task), encoder, [task], {}, AnswerConfig(views=4), 2048, 0)
    assert [c.grid for c in found[task.id]] == [None] * 4 * len(task.test)


def test_views_that_never_fit_count_as_unanswered(encoder: Encoder) -> None:
    task = real("6ea4a07e").without_answers()
    oracle = Oracle(encoder, task)
    found = answer_tasks(oracle, encoder, [task], {}, AnswerConfig(views=4), 40, 0)
    assert [c.grid for c in found[task.id]] == [None] * 4 * len(task.test)
    assert oracle.prompts == []


def test_no_prompt_knows_the_answer(encoder: Encoder) -> None:
    task = real("6ea4a07e")
    prompts = []
    for given in (task, task.without_answers()):
        oracle = Oracle(encoder, given)
        answer_tasks(oracle, encoder, [task.without_answers()], {}, AnswerConfig(views=8), 2048, 0)
        prompts.append(oracle.prompts)
    assert prompts[0] == prompts[1]
    assert answer_tokens(encoder, task.without_answers(), 1.5) >= encoder.max_answer_tokens(3, 3)


@pytest.mark.slow
def test_a_killed_evaluation_leaves_a_valid_submission_with_the_finished_tasks(
    tmp_path: Path,
) -> None:
    arguments = [
        "validate",
        f"--config={ROOT}/configs/quickstart.yaml",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.enable_progress_bar=false",
        "--data.val.max_side=5",
        "--test_time.steps=2",
        "--pass_n.answer.views=2",
    ]
    kill = ["--trainer.callbacks+=tests.runs.KillAfterWaves", "--trainer.callbacks.waves=2"]
    assert run_arcflow([*arguments, *kill], tmp_path) == -9
    submission = read_submission(tmp_path / "submission.json")
    assert len(submission) == 6
    answered = {c.task_id for c in read_candidates(tmp_path / "submission.candidates.jsonl")}
    assert len(answered) == 2
    for task_id, attempts in submission.items():
        if task_id not in answered:
            assert all(a.tolist() == PLACEHOLDER.tolist() for pair in attempts for a in pair)
