"""TensorBoard and Weights & Biases get pictures and scores of tasks; read back from their files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arcflow.report.answers_file import read_entries
from arcflow.report.contents import STATUS_WORDS, gather
from arcflow.sources.select import TaskSelection, load_tasks
from arcflow.viz.terminal import RGB
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow

WORDS = [
    *("validate", f"--config={ROOT}/configs/quickstart.yaml", "--threads=1"),
    *("--trainer.enable_progress_bar=false", "--data.val.max_side=5"),
    *("--data.task_batch_size=6", "--pass_n.answer.views=2", "--test_time.steps=2"),
    "--model.backbone.config={hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2}",
]


def expected(folder: Path) -> dict[str, tuple[str, str]]:
    """What the journal says of each task, with fine-tuning and without."""
    tasks = load_tasks(TaskSelection("arc-agi-1/evaluation", max_side=5))
    entries = read_entries(folder / "validate.journal.jsonl")
    return {
        one.task.id: (
            STATUS_WORDS[one.variants["ttft"].status],
            STATUS_WORDS[one.variants["baseline"].status],
        )
        for one in gather(tasks, entries)
    }


def check_picture(pixels: np.ndarray, task_id: str) -> None:
    """Large areas have the colours of the task's grids, and of no others."""
    [task] = load_tasks(TaskSelection("arc-agi-1/evaluation", ids=(task_id,)))
    used = {int(cell) for pair in task.train for cell in np.unique(pair.input)}
    share = {c: (np.abs(pixels.astype(int) - RGB[c]) < 3).all(-1).mean() for c in range(10)}
    assert all(share[color] > 0.001 for color in used), share


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard(tmp_path: Path) -> None:
    words = [*WORDS, "--trainer.logger=TensorBoardLogger", f"--trainer.default_root_dir={tmp_path}"]
    assert run_arcflow(words, tmp_path) == 0
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    [file] = tmp_path.rglob("events.out.tfevents.*")
    events = EventAccumulator(str(file), size_guidance={"images": 0, "tensors": 0})
    events.Reload()
    found = expected(tmp_path)
    tags = events.Tags()
    assert set(tags["images"]) == {f"validate/{i}: {status}" for i, (status, _) in found.items()}
    for tag in tags["images"]:
        [event] = events.Images(tag)
        path = tmp_path / "picture.png"
        path.write_bytes(event.encoded_image_string)
        with Image.open(path) as picture:
            check_picture(np.asarray(picture.convert("RGB")), tag[len("validate/") :][:8])
    [tag] = [one for one in tags["tensors"] if one.startswith("validate/tasks")]
    [event] = events.Tensors(tag)
    rows = event.tensor_proto.string_val[0].decode().splitlines()
    assert rows[0] == "| task | ttft | ttft: share solved | baseline | baseline: share solved |"
    cells = [re.split(r" ?\| ?", row)[1:-1] for row in rows[2:]]
    assert {row[0]: (row[1], row[3]) for row in cells} == found
    assert "ttft/vote_2" in tags["scalars"]


@pytest.mark.slow
def test_wandb_without_a_network(tmp_path: Path) -> None:
    words = [
        *(*WORDS, "--trainer.logger=WandbLogger", "--trainer.logger.offline=true"),
        f"--trainer.default_root_dir={tmp_path}",
    ]
    assert run_arcflow(words, tmp_path) == 0
    [media] = tmp_path.glob("wandb/offline-run-*/files/media")
    [file] = media.glob("table/validate/tasks_*.table.json")
    table = json.loads(file.read_text())
    found = expected(tmp_path)
    assert {row[0]: (row[1], row[3]) for row in table["data"]} == found
    pictures = sorted(media.glob("images/validate/answers_*.png"))
    assert len(pictures) == len(found)
    for path in pictures:
        with Image.open(path) as picture:
            assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 5
