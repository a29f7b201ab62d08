"""ReARCDataModule: training on RE-ARC's generators."""

from typing import Any

from arcflow.datamodules.selected import EVALUATION, SelectedDataModule
from arcflow.sources.base import Source
from arcflow.sources.rearc.source import ReARC
from arcflow.sources.select import TaskSelection


class ReARCDataModule(SelectedDataModule):
    """A datamodule of endless variations of the 400 ARC-AGI-1 training tasks.

    Args:
        rearc: the generators' options; null takes the defaults.
        val: what ``fit`` measures the loss on and ``validate`` answers.
        test: what ``test`` answers; None means the ``val`` tasks.
        predict: what ``predict`` answers; None means the ``val`` tasks, answers hidden.
    """

    def __init__(
        self,
        rearc: ReARC | None = None,
        val: TaskSelection = EVALUATION,
        test: TaskSelection | None = None,
        predict: TaskSelection | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(val, test, predict, **kwargs)
        self.rearc = rearc

    def train_source(self) -> Source:
        """Return the generators' tasks."""
        return ReARC() if self.rearc is None else self.rearc
