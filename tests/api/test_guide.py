"""The guide is true: the code of docs/python.md runs as printed, and its names are the names."""

import re
import runpy
from pathlib import Path

import pytest

import arcflow
from tests.helpers.paths import ROOT

GUIDE = (ROOT / "docs" / "python.md").read_text()
[CODE] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_the_table_has_all_names() -> None:
    rows = [line for line in GUIDE.split("## Names")[1].splitlines() if line.startswith("| ")]
    named = re.findall(r"`(\w+)`", "\n".join(rows))
    assert sorted(named) == sorted(name for name in arcflow.__all__ if name != "__version__")


def test_the_code_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len([line for line in CODE.splitlines() if line]) <= 12
    (tmp_path / "guide.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path("guide.py")
    task = found["task"]
    assert len(found["candidates"]) == 4 * len(task.test)
    submission = arcflow.read_submission("submission.json", {task.id: len(task.test)})
    assert arcflow.score(submission, [task]) == float(capsys.readouterr().out.splitlines()[0])
    assert (tmp_path / "task.svg").read_text().startswith("<svg")
