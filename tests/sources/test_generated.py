"""Inputs that a model wrote: the file, the source, the comparison with the originals."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcflow.cli.main import main
from arcflow.core.errors import DataError
from arcflow.sources.arc import load_split
from arcflow.sources.generated import GeneratedInputs, read_generated

TASKS = load_split("arc-agi-1/training")[:5]


def written(folder: Path, **more: Any) -> Path:
    """Each task's first input upside down, as new ones; the last task has none."""
    obj: dict[str, Any] = {
        task.id: [
            {"input": np.flipud(pair.input).tolist(), "log_prob": -1.5, "n_tokens": 9, "view": ""}
            for pair in task.train[:2]
        ]
        for task in TASKS
    }
    obj[TASKS[-1].id] = []
    path = folder / "inputs.json"
    path.write_text(json.dumps(obj | more))
    return path


def test_the_source_shows_inputs_and_asks_for_a_new_one(tmp_path: Path) -> None:
    source = GeneratedInputs(str(written(tmp_path)))
    assert len(source) == 4
    assert {task.id for task in source.base_tasks()} == {task.id for task in TASKS[:4]}
    by_id = {task.id: task for task in TASKS}
    again = pickle.loads(pickle.dumps(source))
    for index in range(12):
        task = source.task(3, index)
        assert task == again.task(3, index)
        original = by_id[task.id.removesuffix("/generated")]
        shown = [pair.input for pair in (*original.train, *original.test)]
        assert all(np.array_equal(a.input, b) for a, b in zip(task.train, shown, strict=True))
        new = [np.flipud(pair.input) for pair in original.train[:2]]
        assert any(np.array_equal(task.test[0].input, grid) for grid in new)
    assert {source.task(0, i).id for i in range(4)} == {f"{t.id}/generated" for t in TASKS[:4]}


def test_what_is_evaluated_can_be_taken_out(tmp_path: Path) -> None:
    source = GeneratedInputs(str(written(tmp_path)))
    left = source.exclude({TASKS[0].id, TASKS[1].id})
    assert len(left) == 2
    assert not {left.task(0, i).id.partition("/")[0] for i in range(8)} & {
        TASKS[0].id,
        TASKS[1].id,
    }
    assert left.fingerprint() != source.fingerprint()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "no generated inputs: got 'list'"),
        ('{"a": [{"grid": [[1]]}]}', "task a, entry 0: no input"),
        ('{"a": [{"input": [[1, 2], [3]]}]}', "task a, input 0: ragged rows"),
        ('{"a": [{"input": [[10]]}]}', "task a, input 0"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "inputs.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_generated(path)
    assert message in str(caught.value)


def test_inputs_of_unknown_tasks_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, zzz=[{"input": [[1]]}])
    with pytest.raises(DataError, match=r"not in arc-agi-1/training: got \['zzz'\]"):
        GeneratedInputs(str(path))


def test_study_of_the_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["study", "input-distribution", str(path)])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "5 tasks, 8 inputs, 1 tasks without a new input" in out
    folder = tmp_path / "runs/studies/input-distribution"
    assert sorted(p.name for p in folder.iterdir()) == [
        "distribution.png",
        "summary.md",
        "tasks.csv",
        "worst.png",
    ]
    # Upside down a grid has the same features.
    assert "| **distance, all** | 0.00 |" in (folder / "summary.md").read_text()
