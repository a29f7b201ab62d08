"""Writes the submission file: valid from the first moment, newer after every task batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.pytorch import Callback

from arcflow.core.task import Task
from arcflow.scoring.submission import build_submission, write_submission
from arcflow.scoring.voting import Candidate


class SubmissionWriter(Callback):
    """Kaggle's ``submission.json``.

    The file holds every task of the evaluation from its first moment on, with placeholders
    where nothing was predicted yet, so a run killed at any time leaves a valid one.

    Args:
        path: where the submission goes; empty means ``submission.json`` in the run's
            ``trainer.default_root_dir``. The candidates behind it are in the evaluation's
            journal, which ``arcflow vote`` reads.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._tasks: tuple[Task, ...] = ()
        self.candidates: dict[str, list[Candidate]] = {}

    def begin(
        self, tasks: Sequence[Task], root: str, found: Mapping[str, Sequence[Candidate]]
    ) -> Path:
        """Write the submission for ``tasks`` with what is known so far; return its path."""
        self.target = Path(self.path or Path(root) / "submission.json")
        self._tasks = tuple(task.without_answers() for task in tasks)
        self.candidates = {}
        self.add(found)
        return self.target

    def add(self, found: Mapping[str, Sequence[Candidate]]) -> None:
        """Take further tasks' candidates by task id and rewrite the file atomically."""
        self.candidates |= {task_id: list(candidates) for task_id, candidates in found.items()}
        everything = [c for candidates in self.candidates.values() for c in candidates]
        write_submission(self.target, build_submission(self._tasks, everything))
