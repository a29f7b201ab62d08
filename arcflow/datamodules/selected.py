"""SelectedDataModule: the options that choose the evaluation tasks, without any for training."""

from collections.abc import Sequence
from typing import Any

from arcflow.core.errors import located
from arcflow.core.task import Task
from arcflow.datamodules.base import ArcflowDataModule
from arcflow.sources.select import TaskSelection, load_tasks

EVALUATION = TaskSelection(tasks="arc-agi-1/evaluation")


class SelectedDataModule(ArcflowDataModule):
    """The base of datamodules that evaluate published sets or the user's own files.

    Args:
        val: what ``fit`` measures the loss on and ``validate`` answers.
        test: what ``test`` answers; None means the ``val`` tasks.
        predict: what ``predict`` answers; None means the ``val`` tasks, answers hidden.
    """

    def __init__(
        self,
        val: TaskSelection = EVALUATION,
        test: TaskSelection | None = None,
        predict: TaskSelection | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.selections = {"val": val, "test": test, "predict": predict}

    def _load(self, part: str) -> Sequence[Task]:
        selection = self.selections[part]
        if selection is None:  # test and predict only
            return self._load("val")
        with located(f"data.{part}"):
            return load_tasks(selection, length=self.task_tokens)

    def val_tasks(self) -> Sequence[Task]:
        """Return the selected validation tasks."""
        return self._load("val")

    def test_tasks(self) -> Sequence[Task]:
        """Return the selected test tasks."""
        return self._load("test")

    def predict_tasks(self) -> Sequence[Task]:
        """Return the selected tasks to predict."""
        return self._load("predict")
