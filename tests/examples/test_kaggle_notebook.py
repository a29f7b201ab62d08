"""examples/kaggle.ipynb in a real kernel without a network: three tasks in two sessions."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from arcflow.scoring.journal import read_journal, write_journal
from arcflow.scoring.submission import PLACEHOLDER, read_submission
from arcflow.sources.arc import load_split
from arcflow.sources.select import largest_side
from tests.helpers.offline import make_folder, run_python, why_no_namespace
from tests.helpers.paths import ROOT

NOTEBOOK: dict[str, Any] = json.loads((ROOT / "examples" / "kaggle.ipynb").read_text())
SETTINGS, *CODE = ("".join(c["source"]) for c in NOTEBOOK["cells"] if c["cell_type"] == "code")
EXECUTE = """
import json, sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
try:
    NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
finally:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            print(output.get("text") or output.get("traceback") or "")
"""


def execute(folder: Path, session: str, settings: dict[str, object]) -> str:
    """Run the notebook in a folder without a network, its settings exchanged; what it printed."""
    notebook = json.loads(json.dumps(NOTEBOOK))
    lines = [f"{name} = {value!r}" for name, value in settings.items()]
    [cell] = [one for one in notebook["cells"] if "".join(one["source"]) == SETTINGS]
    cell["source"] = "\n".join(lines)
    (folder / f"{session}.ipynb").write_text(json.dumps(notebook))
    (folder / "execute.py").write_text(EXECUTE)
    ended = run_python(folder, ["execute.py", f"{session}.ipynb"], network=False, seconds=500)
    assert ended.code == 0, ended.said
    assert ended.outside() == []
    return ended.said


def test_it_has_prose_and_all_that_is_changed_is_at_the_top() -> None:
    kinds = [cell["cell_type"] for cell in NOTEBOOK["cells"]]
    assert kinds.count("markdown") >= kinds.count("code")
    assert all(not cell.get("outputs") for cell in NOTEBOOK["cells"])
    assert not re.search(r"/kaggle", "\n".join(CODE))
    assert "examples/kaggle.ipynb" in (ROOT / "docs" / "kaggle.md").read_text()


@pytest.mark.slow
def test_three_tasks_without_a_network_in_two_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = why_no_namespace()
    if why:
        pytest.skip(f"no empty network namespace here: {why}")
    folder = make_folder(tmp_path)
    shutil.rmtree(folder / "site")  # the notebook itself installs arcflow, from the wheels
    small = [t for t in load_split("arc-agi-1/evaluation") if largest_side(t) <= 5][:3]
    hidden = {task.id: task.without_answers().to_json() for task in small}
    (folder / "challenges.json").write_text(json.dumps(hidden))
    monkeypatch.setenv("PATH", f"{folder / 'site' / 'bin'}:{os.environ['PATH']}")
    # Heavy packages are the test environment's own, which must stay as it is.
    monkeypatch.setenv("PIP_TARGET", str(folder / "site"))
    monkeypatch.setenv("PIP_NO_DEPS", "1")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")

    settings: dict[str, object] = {
        "WHEELS": str(folder / "wheels"),
        "MODEL": str(folder),
        "TASKS": str(folder / "challenges.json"),
        "WORK": str(folder / "first"),
        "EARLIER": "",
        "CONFIGS": f"-c {folder}/config.yaml -c kaggle",
        "SOLVING": "--seconds 5 --solvers trees --jobs 1",
        "HOURS": 1.0,
        "HOURS_OF_SOLVING": 0.5,
    }
    named = re.findall(r"^([A-Z_]+(?:, [A-Z_]+)*) =", SETTINGS, re.M)
    assert sorted(", ".join(named).split(", ")) == sorted(settings)
    (folder / "first").mkdir()
    execute(folder, "session1", settings)
    first = folder / "first"
    counts = {task.id: len(task.test) for task in small}
    submission = read_submission(first / "submission.json", counts)
    assert list(submission) == list(counts)
    grids = [grid.tolist() for inputs in submission.values() for pair in inputs for grid in pair]
    assert any(grid != PLACEHOLDER.tolist() for grid in grids)
    page = (first / "report.html").read_text()
    assert all(task.id in page for task in small)

    # A session that ended after the first task: the next one goes on with the others.
    earlier = folder / "earlier"
    shutil.copytree(first, earlier)
    (earlier / "submission.json").unlink()
    journal = earlier / "predict" / "predict.journal.jsonl"
    header, entries = read_journal(journal)
    assert [entry["task"] for entry in entries] == list(counts)
    write_journal(journal, header["run"], entries[:1])
    (folder / "second").mkdir()
    again = {**settings, "WORK": str(folder / "second"), "EARLIER": str(earlier)}
    said = execute(folder, "session2", again)
    assert "1 of 3 tasks are finished" in said
    for name in ("predict/predict.journal.jsonl", "submission.json"):
        assert (folder / "second" / name).read_bytes() == (first / name).read_bytes()
