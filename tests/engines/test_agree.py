"""The same evaluation with either engine: the same text, the same table."""

import json
from pathlib import Path

import pytest

from arcflow.scoring.voting import read_candidates
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow


@pytest.mark.slow
def test_vllm_gives_the_table_that_transformers_gives(tmp_path: Path) -> None:
    """Trained a little, the model writes all kinds of text: every character of it is compared."""
    arguments = [
        f"--config={ROOT}/configs/quickstart.yaml",
        "--trainer.max_steps=120",
        "--trainer.val_check_interval=120",
        "--trainer.enable_progress_bar=false",
        "--data.val.max_side=5",
        "--data.task_batch_size=2",
        "--test_time.steps=40",
        "--pass_n.answer.views=4",
    ]
    fit = ["fit", *arguments, f"--trainer.default_root_dir={tmp_path}"]
    assert run_arcflow(fit, tmp_path) == 0
    checkpoint = f"--ckpt_path={next(tmp_path.rglob('last.ckpt'))}"
    tables, answers = [], []
    for engine in ([], [f"--config={ROOT}/configs/engine/vllm.yaml"]):
        root = tmp_path / f"engine-{len(engine)}"
        command = ["validate", *arguments, *engine, f"--trainer.default_root_dir={root}"]
        assert run_arcflow([*command, checkpoint], tmp_path) == 0
        tables.append(json.loads((root / "validate.results.json").read_text()))
        answers.append(
            [
                (c.task_id, c.test_index, c.view, c.n_tokens, c.text, c.reason)
                for c in read_candidates(root / "validate.journal.jsonl")
            ]
        )
        assert not list(root.glob("engine-*"))  # models and adapters made for it are gone
    assert answers[0] == answers[1]
    assert len({text for *_, text, _ in answers[0]}) > len(answers[0]) / 3
    assert tables[0] == tables[1]
