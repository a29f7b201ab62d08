"""Pictures of tasks and a table of their scores, for loggers that can show them."""

import logging
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from arcflow.core.printable import printable
from arcflow.evaluation.results import Results
from arcflow.report.contents import STATUS_WORDS, TaskAnswers, gather
from arcflow.report.pictures import HEADS, answer_rows
from arcflow.scoring.journal import read_journal
from arcflow.viz.picture import draw_table

_log = logging.getLogger(__name__)

PICTURES = 8
"""The largest number of tasks that are drawn, evenly spaced over all."""


def log_tasks(loggers: Sequence[Logger], known: Results, step: int) -> None:
    """Show TensorBoard and Weights & Biases some tasks with their answers, and every task's score.

    Other loggers take numbers only. A disk without room is a warning: the journal has everything.

    Args:
        loggers: The trainer's loggers.
        known: The results, merged and closed.
        step: The step at which they are logged.
    """
    able = [one for one in loggers if isinstance(one, TensorBoardLogger | WandbLogger)]
    if not able:
        return
    found = gather(known.tasks, read_journal(known.path)[1])
    names = list(dict.fromkeys(name for one in found for name in one.variants))
    columns = ["task", *(word for name in names for word in (name, f"{name}: share solved"))]
    table = [_scores(one, names) for one in found]
    places = sorted({i * len(found) // PICTURES for i in range(PICTURES)}) if found else []
    drawn = [found[place] for place in places]
    pictures = {f"{printable(one.task.id)}: {STATUS_WORDS[one.status]}": one for one in drawn}
    for logger in able:
        try:
            if isinstance(logger, TensorBoardLogger):
                _to_tensorboard(logger, known.name, columns, table, pictures, step)
            else:
                _to_wandb(logger, known.name, columns, table, pictures, step)
        except OSError as error:
            _log.warning("%s: tasks cannot be logged (%s)", type(logger).__name__, error)


def _scores(one: TaskAnswers, names: Sequence[str]) -> list[Any]:
    """Return the task's id and, by variant, what became of it and its share of solved inputs."""
    row: list[Any] = [printable(one.task.id)]
    for name in names:
        variant = one.variants.get(name)
        if variant is None:
            row += [None, None]
        else:
            hidden = variant.status == "hidden" or not variant.inputs
            share = None if hidden else variant.solved / len(variant.inputs)
            row += [STATUS_WORDS[variant.status], share]
    return row


def _to_tensorboard(
    logger: TensorBoardLogger,
    name: str,
    columns: Sequence[str],
    table: Sequence[Sequence[Any]],
    pictures: dict[str, TaskAnswers],
    step: int,
) -> None:
    writer = logger.experiment
    rows = [columns, ["---"] * len(columns), *table]
    lines = ("| " + " | ".join(map(_word, row)) + " |" for row in rows)
    writer.add_text(f"{name}/tasks", "\n".join(lines), step)
    for title, one in pictures.items():
        writer.add_image(f"{name}/{title}", np.asarray(_picture(one)), step, dataformats="HWC")
    writer.flush()


def _to_wandb(
    logger: WandbLogger,
    name: str,
    columns: Sequence[str],
    table: Sequence[Sequence[Any]],
    pictures: dict[str, TaskAnswers],
    step: int,
) -> None:
    logger.log_table(f"{name}/tasks", list(columns), [list(row) for row in table], step=step)
    images = [_picture(one) for one in pictures.values()]
    if images:
        logger.log_image(f"{name}/answers", images, step, caption=list(pictures))


def _word(value: Any) -> str:
    """Return a field of a table in Markdown."""
    text = f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)
    return text.replace("|", "\\|")


def _picture(one: TaskAnswers) -> Any:
    """Return a picture of a task's pairs, and of its first answers beside the truth."""
    from PIL import Image

    file = BytesIO()
    draw_table(answer_rows(one), HEADS, file)
    return Image.open(file).convert("RGB")
