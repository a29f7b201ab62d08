"""The documents are true: the datamodule of docs/datamodule.md runs as printed."""

import json
import re
import shlex
from pathlib import Path

import pytest

from arcflow.scoring.submission import read_submission
from arcflow.sources.arc import load_split
from arcflow.sources.select import largest_side
from tests.helpers.paths import ROOT
from tests.helpers.runs import logged, run_arcflow

GUIDE = (ROOT / "docs" / "datamodule.md").read_text()
[CODE] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = [
    shlex.split(line) for line in re.findall(r"^(?:.*`)?(arcflow [^`\n]*)`?", GUIDE, re.MULTILINE)
]
TINY = [
    "--trainer.max_steps=3",
    "--trainer.val_check_interval=2",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
    "--data.max_tokens=300",
    "--data.tokens_per_batch=600",
    "--test_time.steps=2",
    "--pass_n.answer.views=1",
    '--model.backbone.config={"hidden_size": 32, "intermediate_size": 64, '
    '"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}',
]


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A user's folder: ``my_data.py`` as printed, the project's configs and two task files."""
    (tmp_path / "my_data.py").write_text(CODE)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    tasks = tmp_path / "my_tasks"
    tasks.mkdir()
    small = [task for task in load_split("arc-agi-1/training") if largest_side(task) <= 4]
    for name, chosen in (("train.json", small[:6]), ("val.json", small[6:8])):
        (tasks / name).write_text(json.dumps({task.id: task.to_json() for task in chosen}))
    return tmp_path


def test_the_datamodule_is_at_most_20_lines() -> None:
    body = CODE[CODE.index("class ") :]
    assert len(body.splitlines()) <= 20


def test_the_guide_prints_these_commands() -> None:
    assert [words[:2] for words in COMMANDS] == [
        ["arcflow", "fit"],
        ["arcflow", "validate"],
        ["arcflow", "fit"],
    ]


@pytest.mark.slow
def test_the_guide_runs_as_printed(beside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fit, validate, options = (words[1:] for words in COMMANDS)
    # After ``make quickstart``: the folder of the config holds another run's checkpoints.
    first = ["fit", "--config=configs/quickstart.yaml", *TINY, "--data.train.max_side=3"]
    assert run_arcflow(first, beside) == 0

    assert run_arcflow([*fit, *TINY], beside) == 0
    assert {path.name for path in (beside / "runs").iterdir()} == {"quickstart", "mine"}
    root = beside / "runs" / "mine"
    assert len(logged(root, "train_loss")) == 3
    assert len(logged(root, "val_loss")) == 1

    capfd.readouterr()
    assert run_arcflow([*validate, *TINY], beside) == 0
    assert "pass_n" in capfd.readouterr().out
    val = json.loads((beside / "my_tasks" / "val.json").read_text())
    counts = {task_id: len(task["test"]) for task_id, task in val.items()}
    read_submission(root / "submission.json", counts)

    assert run_arcflow(options, beside) == 0
    out = capfd.readouterr().out
    assert "--data.root ROOT" in out
    assert "folder with train.json and val.json" in out
    assert "--data.max_tokens MAX_TOKENS" in out
