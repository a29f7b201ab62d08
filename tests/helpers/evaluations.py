"""Evaluations of a tiny model without the command line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from arcflow.callbacks.pass_n import PassN
from arcflow.core.task import Task
from arcflow.datamodules.arc import ARCDataModule
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.sources.select import TaskSelection
from tests.helpers.tiny import SIZES


def validate(folder: Path, pass_n: PassN, tasks: Sequence[Task], **data: Any) -> PassN:
    """Evaluate tasks in a folder, and return the callback that did it."""
    path = folder / "tasks.json"
    path.write_text(json.dumps({task.id: task.to_json() for task in tasks}))
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=False,
        default_root_dir=str(folder),
        callbacks=[pass_n],
    )
    selection = TaskSelection(str(path))
    module = ARCDataModule(val=selection, max_tokens=512, tokens_per_batch=512, **data)
    trainer.validate(LoRAModule(BackboneConfig(config=SIZES)), module, verbose=False)
    return pass_n
