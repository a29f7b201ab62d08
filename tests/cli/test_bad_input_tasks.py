"""Bad tasks, files of tasks and contexts too small for them: one message that helps."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.mistakes import PART, Run, runner
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [
    pytest.mark.filterwarnings(warning)
    # Lightning calls what jsonargparse deprecates.
    for warning in (*LIGHTNING_WARNINGS, "ignore::DeprecationWarning")
]


GRID = [[0, 1], [1, 0]]
TASK: dict[str, Any] = {
    "train": [{"input": GRID, "output": GRID}, {"input": GRID, "output": GRID}],
    "test": [{"input": GRID, "output": GRID}],
}
OTHER = {"train": [{"input": [[3, 2]], "output": [[2]]}], "test": [{"input": [[2, 2]]}]}
CORRECT = "Correct the grid in its file or generator."


@pytest.fixture
def arcflow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(tmp_path, capfd)


def write(path: Path, obj: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(obj))
    return path


def second_input(grid: object) -> dict[str, Any]:
    task = copy.deepcopy(TASK)
    task["train"][1]["input"] = grid
    return task


BAD_TASKS = {
    "ragged": (
        second_input([[1, 2], [3]]),
        "task t, train pair 1, input: ragged rows, row 1 has another length than row 0: got 1. "
        f"Expected 2 cells, as in row 0. {CORRECT}",
    ),
    "ten": (
        second_input([[1, 10]]),
        "task t, train pair 1, input: bad cell at row 0, column 1: got 10. Expected an integer "
        f"0..9. {CORRECT}",
    ),
    "negative": (second_input([[-1]]), "bad cell at row 0, column 0: got -1. Expected an integer"),
    "true": (second_input([[True]]), "bad cell at row 0, column 0: got True. Expected an integer"),
    "float": (second_input([[1.0]]), "bad cell at row 0, column 0: got 1.0. Expected an integer"),
    "text": (second_input([["1"]]), "bad cell at row 0, column 0: got '1'. Expected an integer"),
    "empty": (
        second_input([]),
        f"train pair 1, input: not a grid: got []. Expected a list of 1 to 30 rows. {CORRECT}",
    ),
    "empty row": (
        second_input([[]]),
        f"train pair 1, input: bad row 0: got 0. Expected a list of 1 to 30 cells. {CORRECT}",
    ),
    "31 rows": (
        second_input([[1]] * 31),
        f"train pair 1, input: too many rows: got 31. Expected 1 to 30 rows. {CORRECT}",
    ),
    "31 columns": (
        second_input([[1] * 31]),
        f"train pair 1, input: bad row 0: got 31. Expected a list of 1 to 30 cells. {CORRECT}",
    ),
    "no train": (
        {"test": TASK["test"]},
        "task t: missing key 'train': got ['test']. Expected keys 'train' and 'test'. Check that "
        "the file holds ARC tasks.",
    ),
    "no output": (
        {"train": [{"input": GRID}], "test": TASK["test"]},
        "task t, train pair 0: incomplete pair: got ['input']. Expected an object with 'input' "
        "and 'output'. Check the task in its file.",
    ),
    "pairs in an object": (
        {"train": {}, "test": TASK["test"]},
        "task t: bad list of train pairs: got {}. Expected a list of at least one pair. Check "
        "the task in its file.",
    ),
    "number for a pair": (
        {"train": [3], "test": TASK["test"]},
        "task t, train pair 0: incomplete pair: got 3. Expected an object with",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD_TASKS)
def test_bad_tasks(arcflow: Run, tmp_path: Path, name: str) -> None:
    task, message = BAD_TASKS[name]
    path = write(tmp_path / "tasks" / "t.json", task)
    good = write(tmp_path / "good" / "g.json", OTHER).parent
    said = arcflow("fit", f"--data.train.tasks={path.parent}", f"--data.val.tasks={good}")
    assert said.startswith(f"data.train: {path}: ")
    assert message in said


@pytest.mark.parametrize("command", ["validate", "predict"])
def test_bad_tasks_are_refused_wherever_they_are_read(
    arcflow: Run, tmp_path: Path, command: str
) -> None:
    task, message = BAD_TASKS["ragged"]
    path = write(tmp_path / "tasks" / "t.json", task)
    said = arcflow(command, f"--data.val.tasks={path.parent}")
    assert said == f"data.val: {path}: {message}"


ONE_RELEASE = "Use the two files of one release, or leave the solutions out."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "solutions", "message"),
    [
        (
            "fit",
            {"b": [GRID]},
            "{s}: lacks 1 of the tasks in {c}: got ['a']. Expected challenges and solutions of "
            "the same tasks.",
        ),
        (
            "validate",
            {"a": [GRID], "b": [GRID]},
            "{c}: lacks 1 of the tasks in {s}: got ['b']. Expected",
        ),
        (
            "predict",
            {"a": [GRID, GRID]},
            "{s}: task a: another number of outputs than test inputs: got 2. Expected a list of "
            "1, as {c} has test inputs.",
        ),
        (
            "validate",
            {"a": [[[5]]]},
            "{s}: task a, test output 0: not the output in {c}: got [[5]]. Expected "
            "[[0, 1], [1, 0]].",
        ),
    ],
)
def test_challenges_and_solutions_that_disagree(
    arcflow: Run, tmp_path: Path, command: str, solutions: dict[str, Any], message: str
) -> None:
    challenges = write(tmp_path / "x_challenges.json", {"a": TASK})
    solved = write(tmp_path / "x_solutions.json", solutions)
    good = write(tmp_path / "good" / "g.json", OTHER).parent
    words = [f"--data.val.tasks={good}"] if command == "fit" else []
    said = arcflow(command, *words, f"--data.{PART[command]}.tasks={challenges}")
    assert message.format(c=challenges, s=solved) in said
    assert said.endswith(ONE_RELEASE)


def test_duplicate_ids(arcflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "x_challenges.json"
    task = json.dumps(TASK)
    path.write_text(f'{{"a": {task}, "a": {task}}}')
    assert arcflow("validate", f"--data.val.tasks={path}") == (
        f"data.val: {path}: a key occurs twice in one object: got 'a'. Expected every task id, "
        "and every other key, once. Rename or remove one of the two."
    )
    write(path, {"a": TASK})
    twice = json.dumps([str(path)] * 2)
    assert arcflow("validate", f"--data.val.tasks={twice}") == (
        f"data.val: duplicate task ids: 1 in {path} and {path}: got ['a']. Expected every id "
        "once. Name one of the sources only, or set duplicates to 'first' to take each id from "
        "the first source that has it."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ', "not JSON, at line 1, column 7: got ''. Expected valid JSON (Expecting value)"),
        ("[1]", "no tasks: got 'list'. Expected an object"),
        ("", "not JSON, at line 1, column 1: got ''"),
    ],
)
def test_files_that_hold_no_tasks(arcflow: Run, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x_challenges.json"
    path.write_text(text)
    said = arcflow("predict", f"--data.val.tasks={path}")
    assert said.startswith(f"data.val: {path}: {message}")


def test_tasks_that_are_not_there(arcflow: Run, tmp_path: Path) -> None:
    assert arcflow("validate", f"--data.val.tasks={tmp_path}/no.json") == (
        f"data.val: unknown tasks: got '{tmp_path}/no.json'. Expected arc-agi-1/training, "
        "arc-agi-1/evaluation, arc-agi-2/training, arc-agi-2/evaluation, or the path of a JSON "
        "file or a folder that exists. Check the name or the path."
    )
    said = arcflow("fit", "--data.train.max_tokens=5")
    assert said.startswith("data.train: no task is left of 400: got 'max_side=10 removed 2")
    assert said.endswith("Expected at least one task. Loosen max_side=10 or max_tokens=5.")


FITS = re.compile(
    r"(\d+) tokens for the shortest task. --data.max_tokens=\d+ leaves out no task. "
    r"--data.max_tokens=\d+ keeps all train pairs. Or choose a shorter text.$"
)
SHORT = ["--data.train={max_tokens: null, max_side: 5}", "--data.val={max_tokens: null}"]


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_context_too_small_to_learn_any_task(arcflow: Run, tmp_path: Path, part: str) -> None:
    good = write(
        tmp_path / "small" / "g.json", {"train": [TASK["train"][0]], "test": OTHER["train"]}
    )
    words = [f"--data.val.tasks={good}"] if part == "train" else [f"--data.train.tasks={good}"]
    said = arcflow("fit", *SHORT, *words, "--data.max_tokens=20")
    assert said.startswith("data.max_tokens is too small for any of the ")
    assert f" {part} tasks: got 20. Expected room for one train pair and the answer: " in said
    assert FITS.search(said)


@pytest.mark.parametrize("command", ["validate", "predict"])
def test_a_context_too_small_to_answer_any_task(arcflow: Run, command: str) -> None:
    said = arcflow(command, *SHORT, "--data.max_tokens=20")
    assert said.startswith("data.max_tokens is too small to answer any of the ")
    assert " tasks: got 20. Expected room for one train pair and the largest answer: " in said
    assert FITS.search(said)
