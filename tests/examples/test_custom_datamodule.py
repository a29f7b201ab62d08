"""examples/custom_datamodule.py: at most 20 lines, the guide's own, and ``arcflow fit`` runs it."""

import json
import shutil
from pathlib import Path

import pytest

import arcflow
from tests.helpers.paths import ROOT
from tests.helpers.runs import logged, run_arcflow

EXAMPLE = ROOT / "examples" / "custom_datamodule.py"
CODE = EXAMPLE.read_text()
CLASS = CODE[CODE.index("class ") :]


def test_it_is_the_guides_and_at_most_20_lines() -> None:
    assert CLASS in (ROOT / "docs" / "datamodule.md").read_text()
    assert len(CLASS.splitlines()) <= 20


@pytest.mark.slow
def test_fit_runs_it_on_two_small_files(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path)
    (tmp_path / "my_tasks").mkdir()
    small = arcflow.load_tasks("arc-agi-1/training", max_side=3)
    for name, chosen in (("train.json", small[:3]), ("val.json", small[3:5])):
        text = json.dumps({task.id: task.to_json() for task in chosen})
        (tmp_path / "my_tasks" / name).write_text(text)
    words = [
        *("fit", "-c", str(ROOT / "configs" / "quickstart.yaml")),
        *("--data=custom_datamodule.MyData", "--data.root=my_tasks", "--data.max_tokens=300"),
        *("--trainer.max_steps=2", "--trainer.val_check_interval=2", "--data.tokens_per_batch=300"),
        *("--trainer.log_every_n_steps=1", "--trainer.default_root_dir=run"),
        "--model.backbone.config={hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2}",
    ]
    assert run_arcflow(words, tmp_path) == 0
    assert len(logged(tmp_path / "run", "train_loss")) == 2
    assert len(logged(tmp_path / "run", "val_loss")) == 1
