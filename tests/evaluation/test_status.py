"""The words for how far an evaluation is."""

from pathlib import Path

import pytest

from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair, Task
from arcflow.evaluation.loop import Outcome
from arcflow.evaluation.status import EvaluationStatus, in_words, summary
from arcflow.scoring.voting import Candidate

ONE, TWO = make_grid([[1]]), make_grid([[2]])


def task(name: str, *outputs: Grid | None) -> Task:
    return Task(name, (Pair(ONE, TWO),), tuple(Pair(ONE, output) for output in outputs))


def answer(name: str, index: int, grid: Grid | None) -> Candidate:
    return Candidate(name, index, grid, -1.0, 3, "as it is", "")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_counts_solved_tasks_and_the_time() -> None:
    clock = Clock()
    tasks = [task("a", TWO), task("b", TWO, ONE), task("c", ONE), task("d", ONE)]
    status = EvaluationStatus(tasks, steps=60, views=16, clock=clock)
    status.add({"a": [answer("a", 0, TWO)]})  # from a journal: it took no time
    clock.now += 7
    status.begin()
    clock.now += 90
    status.add({"b": [answer("b", 0, TWO), answer("b", 1, TWO)], "a": []})
    answers = [answer("b", 0, TWO)] * 90  # of three tokens each
    losses = [(1, 4.0), (12, 0.5)]
    outcomes = {("b", "ttft"): Outcome(answers, steps=12, views=4, losses=losses)}
    assert status.line(outcomes) == (
        "tasks: 2/4, solved 1, 90 s a task, 3m 00s left, loss 0.5, 3 tokens/s, "
        "steps 12 of 60, views 4 of 16"
    )
    outcomes = {("b", "ttft"): Outcome([], steps=12, views=4)}
    assert status.line(outcomes, seconds_left=42.0).split(", ")[3] == "42s left"
    status.add({"c": [answer("c", 0, TWO), answer("c", 0, ONE)]})  # the second attempt is right
    whole = {("c", "baseline"): Outcome([], views=16), ("c", "ttft"): Outcome([], None, 60, 16)}
    assert status.line(whole) == (
        "tasks: 3/4, solved 2, 45 s a task, 45s left, 3 tokens/s, steps 60, views 16"
    )


def test_hidden_solutions_count_answers_and_no_tuning_has_no_steps() -> None:
    clock = Clock()
    status = EvaluationStatus([task("a", None), task("b", None, None)], 0, 2, clock)
    status.begin()
    clock.now += 1
    status.add({"a": [answer("a", 0, ONE)], "b": [answer("b", 0, ONE), answer("b", 1, None)]})
    line = status.line({("a", "baseline"): Outcome([], views=2)})
    assert line == "tasks: 2/2, answered 1, 0.5 s a task, 0s left, 0 tokens/s, views 2"


def test_the_end_names_what_is_missing_and_where_things_are() -> None:
    tasks = [task("a", TWO), task("b", TWO, ONE), task("c", ONE)]
    found = {"a": [answer("a", 0, ONE)], "b": [answer("b", 0, ONE), answer("b", 1, None)]}
    assert summary(tasks, found, {"journal": Path("x/y.jsonl")}) == [
        "tasks: 3, answered 1, unanswered 2 (1 not reached), placeholders for 2 of 4 test outputs",
        "journal: x/y.jsonl",
    ]
    assert summary(tasks[:1], found, {}) == [
        "tasks: 1, answered 1, unanswered 0, placeholders for 0 of 1 test outputs"
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (725, "12m 05s"), (12_000, "3h 20m")],
)
def test_durations(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
