"""The real search and trees beside a model on the command line, in one process and in two."""

import json
from pathlib import Path

import numpy as np
import pytest

from arcflow.scoring.journal import read_journal
from arcflow.scoring.submission import read_submission
from arcflow.scoring.voting import read_answers
from tests.evaluation.test_resume import ARGUMENTS
from tests.helpers.runs import kept, run_arcflow, run_together

pytestmark = pytest.mark.slow  # the first run compiles the functions

# Of one cell each, so that even three steps are searched to the end within a second.
TASKS = {
    "doubled": lambda color: [[color, color]],
    "painted": lambda color: [[7]],
    "square": lambda color: [[color] * 3] * 3,
}


def arguments(folder: Path) -> list[str]:
    tasks = {}
    for name, rule in TASKS.items():
        pairs = [{"input": [[color]], "output": rule(color)} for color in (1, 2, 4, 5)]
        tasks[name] = {"train": pairs[:3], "test": pairs[3:]}
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks))
    return [
        "validate",
        *ARGUMENTS,
        f"--data.val.tasks={path}",
        "--data.task_batch_size=1",
        "--pass_n.search=true",
        "--pass_n.trees=true",
        "--pass_n.solver_seconds=250",  # more than both need on a busy machine
        f"--trainer.default_root_dir={folder / 'run'}",
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in one process."""
    folder = tmp_path_factory.mktemp("whole")
    assert run_arcflow(arguments(folder), folder, timeout=550) == 0
    return folder / "run"


def test_search_answers_and_its_programs_are_journaled(whole: Path) -> None:
    path = whole / "validate.journal.jsonl"
    header, entries = read_journal(path)
    assert header["run"]["pass_n.search"] is True
    variants = ("baseline", "ttft", "search", "trees")
    assert {(e["task"], e["variant"]) for e in entries} == {
        (task, variant) for task in TASKS for variant in variants
    }
    submission = read_submission(whole / "submission.json")
    for name, rule in TASKS.items():
        assert submission[name][0][0].tolist() == rule(5)
        best = next(c for c in read_answers(path)[name] if c.source == "search")
        assert best.fits
        assert np.array_equal(best.grid, rule(5))
        assert "return stack(" in best.text
    results = json.loads((whole / "validate.results.json").read_text())["variants"]
    assert list(results) == ["baseline", "ttft", "search", "trees", "all"]
    assert results["search"]["vote_1"] == results["all"]["vote_1"] == 1.0


def test_two_processes_with_solvers_give_what_one_gives(whole: Path, tmp_path: Path) -> None:
    assert run_together(arguments(tmp_path), tmp_path, 2, timeout=550) == 0
    assert kept(tmp_path / "run") == kept(whole)
    assert not list((tmp_path / "run").glob("*.rank*"))
