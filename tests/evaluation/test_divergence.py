"""An evaluation says which tasks were answered by the untuned model, because tuning diverged."""

import json
from pathlib import Path

import pytest

from tests.evaluation.test_resume import ARGUMENTS
from tests.helpers.runs import run_arcflow


@pytest.mark.slow
@pytest.mark.parametrize("together", [1, 2])
def test_it_is_said_in_log_journal_and_table(
    together: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--test_time.steps=4",
        "--test_time.optimizer.lr=1e38",
        f"--test_time.tasks_together={together}",
    ]
    root = f"--trainer.default_root_dir={tmp_path}"
    assert run_arcflow(["validate", *ARGUMENTS, *words, root], tmp_path) == 0
    output = capfd.readouterr().out
    assert "Test-time fine-tuning diverged within " in output
    lines = (tmp_path / "validate.journal.jsonl").read_text().splitlines()[1:]
    entries = [json.loads(line)["entry"] for line in lines]
    ttft = {entry["task"]: entry for entry in entries if entry["variant"] == "ttft"}
    baseline = {entry["task"]: entry for entry in entries if entry["variant"] == "baseline"}
    assert len(ttft) == 6
    for task, entry in ttft.items():
        assert entry["diverged"] is True
        assert entry["steps"] == 0
        assert "diverged" not in baseline[task]
        # The same views by the same weights give the same answers, but for rounding.
        texts = [[c["text"] for c in found["candidates"]] for found in (entry, baseline[task])]
        assert texts[0] == texts[1]
    found = json.loads((tmp_path / "validate.results.json").read_text())["variants"]
    assert (found["baseline"]["diverged"], found["ttft"]["diverged"]) == (0, 6)
    [row] = [line for line in output.splitlines() if "diverged" in line and "│" in line]
    assert [cell.strip() for cell in row.split("│")[1:4]] == ["diverged", "0", "6"]
