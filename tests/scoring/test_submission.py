import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair, Task
from arcflow.scoring.submission import (
    PLACEHOLDER,
    Submission,
    build_submission,
    fill_submission,
    input_counts,
    read_submission,
    write_submission,
)
from arcflow.scoring.voting import Candidate
from tests.helpers.paths import ROOT

GOLDEN = ROOT / "tests" / "data" / "evaluation.json"
ONE, TWO, THREE = (make_grid([[i]]) for i in (1, 2, 3))


def task(task_id: str, n: int) -> Task:
    return Task(task_id, (Pair(ONE, ONE),), (Pair(ONE, None),) * n)


def a(task_id: str, index: int, grid: Grid | None, log_prob: float = -1.0) -> Candidate:
    return Candidate(task_id, index, grid, log_prob, 1)


def plain(submission: Submission) -> dict[str, Any]:
    return {t: [[g.tolist() for g in both] for both in inputs] for t, inputs in submission.items()}


def test_two_best_answers_and_placeholders_for_every_task() -> None:
    found = [a("x", 1, TWO), a("x", 1, THREE, -0.5), a("x", 1, ONE), a("x", 1, ONE), a("y", 0, TWO)]
    submission = build_submission(
        [task("x", 2), task("y", 1), task("z", 1)], [*found, a("z", 0, None)]
    )
    nothing = [[0, 0], [0, 0]]
    assert plain(submission) == {
        "x": [[nothing, nothing], [[[1]], [[3]]]],
        "y": [[[[2]], nothing]],
        "z": [[nothing, nothing]],
    }


def test_golden_submission() -> None:
    golden = json.loads(GOLDEN.read_text())
    candidates = [
        Candidate(
            p["task_id"],
            p["idx"],
            make_grid(p["grid"]) if p["grid"] else None,
            p["cumulative_logprob"],
            p["n_tokens"],
        )
        for p in golden["predictions"]
    ]
    counts = {task_id: len(inputs) for task_id, inputs in golden["submission"].items()}
    built = plain(fill_submission(counts, candidates))
    # Where there is one answer the vectors leave the second attempt empty; a file must not.
    assert built == {
        task_id: [[both["attempt_1"], both["attempt_2"] or PLACEHOLDER.tolist()] for both in inputs]
        for task_id, inputs in golden["submission"].items()
    }


def test_candidates_of_other_tasks_are_refused() -> None:
    with pytest.raises(DataError, match=r"unknown task: got 'q'\. Expected one of the .* 1 tasks"):
        build_submission([task("x", 1)], [a("q", 0, ONE)])
    with pytest.raises(
        DataError, match=r"task x: .*not there: got 1\. Expected a test index 0\.\.0"
    ):
        build_submission([task("x", 1)], [a("x", 1, ONE)])


grids = st.integers(1, 4).flatmap(
    lambda w: st.lists(st.lists(st.integers(0, 9), min_size=w, max_size=w), min_size=1, max_size=4)
)
submissions = st.dictionaries(
    st.text(max_size=5),
    st.lists(st.tuples(grids.map(make_grid), grids.map(make_grid)), min_size=1, max_size=3),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=50)
@given(submissions)
def test_round_trip_and_equal_bytes(tmp_path_factory: Any, submission: Submission) -> None:
    folder = tmp_path_factory.mktemp("s")
    write_submission(folder / "a.json", submission)
    write_submission(folder / "b.json", dict(reversed(submission.items())))
    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()
    assert sorted(os.listdir(folder)) == ["a.json", "b.json"]
    counts = {task_id: len(inputs) for task_id, inputs in submission.items()}
    assert plain(read_submission(folder / "a.json", counts)) == plain(submission)


def test_kaggles_form(tmp_path: Path) -> None:
    path = tmp_path / "new" / "submission.json"
    write_submission(path, {"x": [(ONE, TWO)]})
    assert json.loads(path.read_text()) == {"x": [{"attempt_1": [[1]], "attempt_2": [[2]]}]}
    assert path.stat().st_mode & 0o444 == 0o444 & ~_umask()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "submission.json"
    write_submission(path, {"x": [(ONE, TWO)]})
    old = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        write_submission(path, {"x": [(THREE, THREE)]})
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["submission.json"]


def test_a_path_that_cannot_be_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Is a directory.*Choose another path"):
        write_submission(tmp_path, {"x": [(ONE, TWO)]})
    assert os.listdir(tmp_path.parent).count(f".{tmp_path.name}.{os.getpid()}.tmp") == 0


WRITER = """
import sys
from arcflow.core.grid import make_grid
from arcflow.scoring.submission import write_submission
grids = [make_grid([[c] * 30] * 30) for c in range(10)]
print("go", flush=True)
while True:
    for grid in grids:
        write_submission(sys.argv[1], {str(i): [(grid, grid)] for i in range(50)})
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    write_submission(path, {str(i): [(ONE, ONE)] for i in range(50)})
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"go\n"
        time.sleep(0.1)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        submission = read_submission(path, {str(i): 1 for i in range(50)})
        assert len({grid.tobytes() for both in submission.values() for grid in both[0]}) == 1


GOOD: dict[str, Any] = {"x": [{"attempt_1": [[1]], "attempt_2": [[2]]}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "s.json: not a submission: got []. Expected an object {task id: "),
        ("{}", "s.json: not a submission: got {}"),
        ('{"x": ', "s.json: not JSON"),
        ("[" * 100_000, "s.json: cannot be read as JSON"),
        ("\udcff", "s.json: not UTF-8 text, at byte 0"),
        ('{"x": [], "x": []}', "s.json: a key occurs twice in one object: got 'x'"),
        ('{"x": {}}', "task x: not a list of answers: got {}. Expected a list with one object"),
        ('{"x": []}', "task x: not a list of answers: got []"),
        ('{"x": [[[1]]]}', "task x, test input 0: not two attempts: got [[1]]"),
        ('{"x": [{"attempt_1": [[1]]}]}', "got ['attempt_1']. Expected an object with 'attempt_1'"),
        (
            '{"x": [{"attempt_1": [[1]], "attempt_2": []}]}',
            "task x, test input 0, attempt_2: not a grid: got []. Expected a list of 1 to 30 rows",
        ),
        (
            '{"x": [{"attempt_1": [[1, 10]], "attempt_2": [[1]]}]}',
            "attempt_1: bad cell at row 0, column 1: got 10. Expected an integer 0..9",
        ),
        (
            '{"x": [{"attempt_1": [[1], [1, 2]], "attempt_2": [[1]]}]}',
            "attempt_1: ragged rows, row 1",
        ),
    ],
)
def test_malformed_files_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError) as caught:
        read_submission(path)
    assert message in str(caught.value)


def test_other_tasks_are_told(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(GOOD))
    for counts, message in [
        ({"x": 1, "y": 1}, "s.json: 1 missing task: got ['y']. Expected exactly the 2 tasks"),
        ({}, "s.json: 1 unknown task: got ['x']"),
        (
            {f"t{i}": 1 for i in range(9)},
            "9 missing tasks: got ['t0', 't1', 't2', 't3', 't4', '...']",
        ),
        ({"x": 2}, "s.json, task x: wrong number of test inputs: got 1. Expected 2"),
    ]:
        with pytest.raises(DataError) as caught:
            read_submission(path, counts)
        assert message in str(caught.value)
    with pytest.raises(DataError, match=r"none.json: no such file: got"):
        read_submission(tmp_path / "none.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "attempt_1", "attempt_2"]), v, max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(json_values, st.sampled_from(["file", "task", "input", "attempt"]))
def test_any_json_is_a_submission_or_a_data_error(
    tmp_path_factory: Any, value: Any, place: str
) -> None:
    obj = {
        "file": value,
        "task": {"x": value},
        "input": {"x": [value]},
        "attempt": {"x": [{"attempt_1": [[1]], "attempt_2": value}]},
    }[place]
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps(obj))
    try:
        submission = read_submission(path)
    except DataError:
        return
    assert all(grid.ndim == 2 for inputs in submission.values() for both in inputs for grid in both)


def test_input_counts() -> None:
    assert input_counts([task("x", 2), task("y", 1)]) == {"x": 2, "y": 1}
