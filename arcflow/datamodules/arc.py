"""ARCDataModule: ARC-AGI-1, ARC-AGI-2, and files of tasks."""

from collections.abc import Sequence
from typing import Any

from arcflow.core.errors import located
from arcflow.core.task import Task
from arcflow.datamodules.selected import EVALUATION, SelectedDataModule
from arcflow.sources.base import Source
from arcflow.sources.load_source import load_source
from arcflow.sources.select import TaskSelection

_TRAIN = TaskSelection(tasks="arc-agi-1/training")


class ARCDataModule(SelectedDataModule):
    """A datamodule of the published sets of tasks, or of the user's own files.

    Args:
        train: what ``fit`` learns from.
        val: what ``fit`` measures the loss on and ``validate`` answers.
        test: what ``test`` answers; None means the ``val`` tasks.
        predict: what ``predict`` answers; None means the ``val`` tasks, answers hidden.
    """

    def __init__(
        self,
        train: TaskSelection = _TRAIN,
        val: TaskSelection = EVALUATION,
        test: TaskSelection | None = None,
        predict: TaskSelection | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(val, test, predict, **kwargs)
        self.selections["train"] = train

    def train_tasks(self) -> Sequence[Task]:
        """Return the selected training tasks."""
        return self._load("train")

    def train_source(self) -> Source:
        """Return the selected training tasks, or a file of them that is read as it is needed."""
        selection = self.selections["train"]
        assert selection is not None
        with located("data.train"):
            return load_source(selection, length=self.task_tokens)
