"""Writes the submission file: valid from the first moment, newer after every wave."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.pytorch import Callback

from arcflow.core.submission import build_submission, write_submission
from arcflow.core.task import Task
from arcflow.core.vote import Candidate, candidate_to_json


class SubmissionWriter(Callback):
    """Kaggle's ``submission.json`` and the candidates behind it.

    The file holds every task of the evaluation from its first moment on, with placeholders
    where nothing was predicted yet, so a run killed at any time leaves a valid one.

    Args:
        path: where the submission goes; empty means ``submission.json`` in the run's
            ``trainer.default_root_dir``. The candidates go beside it, as JSON lines that
            ``arcflow vote`` reads.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._tasks: tuple[Task, ...] = ()
        self._candidates: dict[str, list[Candidate]] = {}

    def begin(self, tasks: Sequence[Task], root: str) -> Path:
        """Start a submission for ``tasks`` and write it with placeholders; return its path."""
        self.target = Path(self.path or Path(root) / "submission.json")
        self._tasks = tuple(task.without_answers() for task in tasks)
        self._candidates = {}
        self._write()
        self.candidates_path.write_text("")
        return self.target

    @property
    def candidates_path(self) -> Path:
        """The JSON lines with every candidate, beside the submission."""
        return self.target.with_suffix(".candidates.jsonl")

    def add(self, candidates: Mapping[str, Sequence[Candidate]]) -> None:
        """Take one wave's candidates by task id and rewrite the file atomically."""
        with self.candidates_path.open("a") as lines:
            for task_id, found in candidates.items():
                self._candidates[task_id] = list(found)
                lines.writelines(candidate_to_json(candidate) + "\n" for candidate in found)
        self._write()

    def _write(self) -> None:
        found = [c for candidates in self._candidates.values() for c in candidates]
        write_submission(self.target, build_submission(self._tasks, found))
