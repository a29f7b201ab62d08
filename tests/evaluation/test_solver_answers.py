"""Search and trees beside a model: the journal, the table, resume, and the deadline."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcflow.callbacks.pass_n import PassN
from arcflow.core.errors import ConfigError
from arcflow.core.task import Pair, Task
from arcflow.evaluation import solver_answers
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.evaluation.solver_answers import choose_solvers, solver_options
from arcflow.scoring.journal import read_journal, write_journal
from arcflow.scoring.submission import read_submission
from arcflow.scoring.voting import read_answers
from arcflow.solving.background import BackgroundSolvers
from arcflow.solving.solvers import Answers, answer_task, make_solver
from tests.helpers.evaluations import validate
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]
NUMBERS = range(2)


def small_task(number: int) -> Task:
    """Each colour becomes another: trees find it at once, an untrained model never."""
    rng = np.random.default_rng(number)
    colors = rng.permutation(10).astype(np.int8)
    grids = [rng.integers(0, 3, (3, 3)).astype(np.int8) for _ in range(5)]
    pairs = [Pair(grid, colors[grid]) for grid in grids]
    return Task(f"small{number}", tuple(pairs[:4]), tuple(pairs[4:]))


def evaluate(folder: Path, **options: Any) -> PassN:
    # Plenty of time: answers are equal only where it suffices, on a busy machine too.
    pass_n = PassN(AnswerConfig(views=2), solver_seconds=600, **options)
    return validate(folder, pass_n, [small_task(number) for number in NUMBERS])


class InlineSolvers:
    """Answers in this process, one task at a time, without the cost of starting another."""

    def __init__(self, solvers: Any, tasks: Any, seconds: float, until: float | None) -> None:
        self.solvers, self.left, self.seconds = (
            list(map(make_solver, solvers)),
            list(tasks),
            seconds,
        )

    def ready(self) -> list[tuple[Task, Answers]]:
        return [self._answer(self.left.pop(0))] if self.left else []

    def wait(self) -> list[tuple[Task, Answers]]:
        return [self._answer(task) for task in self.left]

    def close(self) -> None:
        self.left = []

    def _answer(self, task: Task) -> tuple[Task, Answers]:
        return task, answer_task(self.solvers, task, self.seconds)


def test_solvers_answer_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pass_n = evaluate(tmp_path, trees=True)
    path = tmp_path / "validate.journal.jsonl"
    header, entries = read_journal(path)
    assert header["run"]["pass_n.trees"] is True
    assert [(e["task"], e["variant"]) for e in entries] == [
        (f"small{number}", variant) for number in NUMBERS for variant in ("baseline", "trees")
    ]
    assert list(pass_n.results) == ["baseline", "trees", "all"]
    assert pass_n.results["baseline"]["vote_2"] == 0.0
    assert pass_n.results["trees"]["vote_1"] == pass_n.results["all"]["vote_1"] == 1.0
    submission = read_submission(tmp_path / "submission.json")
    for task in map(small_task, NUMBERS):
        assert np.array_equal(submission[task.id][0][0], task.test[0].output)
    sources = {c.source for c in read_answers(path)["small0"]}
    assert sources == {"", "trees"}
    assert {c.source for c in read_answers(path, "baseline")["small0"]} == {""}
    assert {c.source for c in read_answers(path, "trees")["small0"]} == {"trees"}

    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    monkeypatch.setattr(solver_answers, "BackgroundSolvers", InlineSolvers)
    # A kill leaves some of either kind; the model's answers are often there before the trees'.
    for left in ([1], [0, 2]):
        write_journal(path, header["run"], [entries[i] for i in left])
        (tmp_path / "submission.json").unlink()
        evaluate(tmp_path, trees=True)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == kept


def test_without_solvers_nothing_is_recorded(tmp_path: Path) -> None:
    pass_n = evaluate(tmp_path)
    header, entries = read_journal(tmp_path / "validate.journal.jsonl")
    assert list(pass_n.results) == ["baseline"]
    assert not any("solver" in name or name == "pass_n.trees" for name in header["run"])
    assert {entry["variant"] for entry in entries} == {"baseline"}


def test_a_deadline_ends_solvers() -> None:
    began = time.monotonic()
    solvers = BackgroundSolvers(("trees",), [small_task(0)] * 50, 60.0, time.time() + 0.5)
    assert solvers.wait() == []
    solvers.close()
    assert time.monotonic() - began < 20


def test_solvers_can_be_closed_at_work() -> None:
    solvers = BackgroundSolvers(("trees",), [small_task(0)] * 50, 60.0)
    assert solvers.ready() == []
    solvers.close()
    assert not solvers._thread.is_alive()


def test_options() -> None:
    assert choose_solvers(True, True, 60) == ("search", "trees")
    assert choose_solvers(False, True, 0) == ("trees",)
    assert solver_options((), 60) == {}
    record = solver_options(("trees",), 5)
    assert (record["pass_n.trees"], record["pass_n.solver_seconds"]) == (True, 5)
    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"pass_n\.solver_seconds is no time"):
            PassN(solver_seconds=seconds)
