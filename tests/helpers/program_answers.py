"""Evaluates two tasks by programs that a script writes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger

from arcflow.callbacks.pass_n import PassN
from arcflow.datamodules.arc import ARCDataModule
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.evaluation.program_runtime import CodeConfig
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.scoring.journal import read_journal
from arcflow.sources.arc import find_task
from arcflow.sources.select import TaskSelection
from arcflow.text.encode import TextConfig
from tests.helpers.scripted import ScriptedEngine, use_engine
from tests.helpers.tiny import SIZES

HALF_TURNS = ("3c9b0459", "6150a2bd")
CODE = CodeConfig(seconds=0.3, workers=1)


def evaluate(
    folder: Path,
    engine: ScriptedEngine,
    code: CodeConfig = CODE,
    answer: AnswerConfig | None = None,
    seed: int = 0,
    max_tokens: int = 512,
    callbacks: Sequence[Callback] = (),
    clock: Callable[[], float] | None = None,
    **options: Any,
) -> PassN:
    answer = answer or AnswerConfig(views=4, samples=2, temperature=0.7)
    pass_n = PassN(answer, code=code, seed=seed, **options)
    pass_n.clock = clock or pass_n.clock
    trainer = Trainer(
        accelerator="cpu",
        logger=CSVLogger(folder),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(folder),
        callbacks=[pass_n, *callbacks],
        inference_mode=False,
    )
    data = ARCDataModule(
        val=TaskSelection("arc-agi-1/training", ids=HALF_TURNS),
        text=TextConfig(code_tokens=128),
        max_tokens=max_tokens,
        tokens_per_batch=1024,
        task_batch_size=2,
    )
    with pytest.MonkeyPatch.context() as patch:
        use_engine(engine, patch)
        trainer.validate(LoRAModule(BackboneConfig(config=SIZES)), data, verbose=False)
    return pass_n


def entries(folder: Path) -> list[dict[str, Any]]:
    return read_journal(folder / "validate.journal.jsonl")[1]


def find(task_id: str) -> Any:
    task = find_task(task_id)
    assert task is not None
    return task
