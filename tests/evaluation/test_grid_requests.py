"""Questions and answers: views, prompts, candidates."""

import pytest

from arcflow.core.task import Task
from arcflow.engines.base import Answers, Completion, Request, SamplingParams
from arcflow.evaluation.grid_requests import AnswerConfig, GridRequests, answer_tokens
from arcflow.scoring.voting import Candidate
from arcflow.sources.arc import find_task
from arcflow.text.encode import Encoder
from arcflow.text.tokenizer import load_tokenizer


class Oracle:
    """Answers every prompt with the true output, seen through the prompt's own view."""

    def __init__(self, encoder: Encoder, task: Task) -> None:
        self.encoder, self.task = encoder, task
        self.prompts: list[tuple[int, ...]] = []
        self.answers: dict[tuple[int, ...], tuple[int, ...]] = {}

    def generate(self, requests: list[Request], sampling: SamplingParams) -> Answers:
        self.prompts += [request.prompt_ids for request in requests]
        return [
            [Completion(self.answers.get(r.prompt_ids, (0,)), -1.0, 3, True)] * sampling.n
            for r in requests
        ]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer("characters"))


def ask(
    oracle: Oracle, task: Task, config: AnswerConfig, max_tokens: int = 2048, seed: int = 0
) -> list[Candidate]:
    questions = GridRequests(oracle.encoder, config, max_tokens, seed)
    questions.ask((task.id, "baseline"), task, None)
    answers = oracle.generate(questions.requests, questions.sampling)
    return questions.candidates(answers)[task.id, "baseline"]


def real(task_id: str) -> Task:
    task = find_task(task_id)
    assert task is not None
    return task


def test_views_are_undone(encoder: Encoder) -> None:
    from arcflow.evaluation.views import evaluation_views

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
    found = ask(oracle, hidden, config, seed=3)
    assert len(found) == 8 * len(task.test)
    for candidate in found:
        assert candidate.grid is not None
        assert (candidate.grid == task.test[candidate.test_index].output).all()


def test_malformed_and_unfinished_answers_are_unanswered(encoder: Encoder) -> None:
    task = real("6ea4a07e").without_answers()
    found = ask(Oracle(encoder, task), task, AnswerConfig(views=4))
    assert [c.grid for c in found] == [None] * 4 * len(task.test)


def test_views_that_never_fit_count_as_unanswered(encoder: Encoder) -> None:
    task = real("6ea4a07e").without_answers()
    oracle = Oracle(encoder, task)
    found = ask(oracle, task, AnswerConfig(views=4), max_tokens=40)
    assert [c.grid for c in found] == [None] * 4 * len(task.test)
    assert {c.reason for c in found} == {"no prompt fits data.max_tokens"}
    assert oracle.prompts == []


def test_no_prompt_knows_the_answer(encoder: Encoder) -> None:
    task = real("6ea4a07e")
    prompts = []
    for given in (task, task.without_answers()):
        oracle = Oracle(encoder, given)
        ask(oracle, task.without_answers(), AnswerConfig(views=8))
        prompts.append(oracle.prompts)
    assert prompts[0] == prompts[1]
    assert answer_tokens(encoder, task.without_answers(), 1.5) >= encoder.max_answer_tokens(3, 3)


def test_views_asked_in_parts_are_the_views_asked_at_once(encoder: Encoder) -> None:
    task = real("6ea4a07e").without_answers()
    config = AnswerConfig(views=8, samples=2, temperature=0.5)
    whole, parts = (GridRequests(encoder, config, 2048, seed=5) for _ in range(2))
    whole.ask((task.id, "ttft"), task, None)
    parts.ask((task.id, "ttft"), task, None, range(3))
    parts.ask((task.id, "ttft"), task, None, range(3, 8))
    assert whole.requests == parts.requests
    assert whole.sampling.n == 2
