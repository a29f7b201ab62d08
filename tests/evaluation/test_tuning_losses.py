"""The journal of a real evaluation holds the losses of each task's fine-tuning."""

from pathlib import Path

import pytest

from arcflow.scoring.journal import read_journal
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow


def losses(folder: Path, together: int) -> dict[tuple[str, str], list[tuple[int, float]] | None]:
    words = [
        *("validate", f"--config={ROOT}/configs/quickstart.yaml", "--threads=1"),
        *("--trainer.enable_progress_bar=false", "--data.val.max_side=4"),
        *("--data.task_batch_size=3", "--pass_n.answer.views=1", "--test_time.steps=40"),
        *(f"--test_time.tasks_together={together}", f"--trainer.default_root_dir={folder}"),
        "--model.backbone.config={hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2}",
        "--test_time.tokens_per_step=512",
    ]
    assert run_arcflow(words, folder.parent) == 0
    _, entries = read_journal(folder / "validate.journal.jsonl")
    return {(e["task"], e["variant"]): e.get("losses") for e in entries}


@pytest.mark.slow
def test_losses_are_those_of_each_task_alone_or_together(tmp_path: Path) -> None:
    alone, together = losses(tmp_path / "alone", 1), losses(tmp_path / "together", 3)
    assert alone.keys() == together.keys()
    tuned = 0
    for (task, variant), points in alone.items():
        others = together[task, variant]
        if variant == "baseline":
            assert points is None
            assert others is None
            continue
        assert points is not None
        assert others is not None
        tuned += 1
        assert len(points) == 32
        assert points[0][0] == 1
        assert points[-1][0] == 40
        assert [step for step, _ in points] == [step for step, _ in others]
        for (_, one), (_, other) in zip(points, others, strict=True):
            assert one == pytest.approx(other, rel=2e-3)
        assert points[-1][1] < points[0][1]
    assert tuned == 3
