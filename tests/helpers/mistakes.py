"""Runs ``arcflow`` with a mistake in and gives the one message that it ends with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from arcflow.cli.main import main
from tests.helpers.paths import ROOT

QUICKSTART = str(ROOT / "configs" / "quickstart.yaml")
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
TINY = [
    "--trainer.max_steps=2",
    "--trainer.val_check_interval=1000",
    "--trainer.limit_val_batches=1",
    "--trainer.enable_progress_bar=false",
    "--data.max_tokens=300",
    "--data.tokens_per_batch=600",
    "--data.train={tasks: arc-agi-1/training, max_side: 10, max_tokens: 300}",
    "--data.test=null",
    "--data.val.max_tokens=300",
    "--test_time.steps=0",
    "--pass_n.answer.views=1",
    f"--model.backbone.config={json.dumps(SIZES)}",
]
FEW = ["--data.train.max_side=5", "--data.val.max_side=4"]
PART = {"fit": "train", "validate": "val", "predict": "val"}

Run = Callable[..., str]


def runner(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs ``arcflow`` in ``tmp_path / "run"`` and returns its one message; it must exit with 2."""

    def run(command: str, *words: str, root: Path | None = None, code: int = 2) -> str:
        folder = f"--trainer.default_root_dir={root or tmp_path / 'run'}"
        with pytest.raises(SystemExit) as stop:
            main([command, "-c", QUICKSTART, folder, *TINY, *words])
        error = capfd.readouterr().err
        assert "Traceback" not in error
        assert stop.value.code == code, error
        messages = [line for line in error.splitlines() if line.startswith("arcflow: ")]
        assert len(messages) == 1, error
        assert error.rstrip().endswith(messages[0])  # whoever reads the end reads the message
        return messages[0].removeprefix("arcflow: ")

    return run
