"""Keeps a submission file valid from the first moment of an evaluation to its last."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from arcflow.core.overwriting import refuse_overwriting
from arcflow.core.task import Task
from arcflow.scoring.submission import build_submission, write_submission
from arcflow.scoring.voting import Candidate


class SubmissionWriter:
    """Kaggle's ``submission.json``, written anew whenever tasks are finished.

    The file holds every task of the evaluation from its first moment on, with placeholders for
    what is not answered yet, so that a run killed at any time leaves a valid one.

    Args:
        path: where the file goes; empty means ``submission.json`` in the run's folder.

    Attributes:
        target: the file, once :meth:`begin` has been called.
        candidates: the answers of the finished tasks, by task id.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.target = Path(path)
        self.candidates: dict[str, list[Candidate]] = {}
        self._tasks: tuple[Task, ...] = ()

    def begin(
        self, tasks: Sequence[Task], root: str, known: Mapping[str, Sequence[Candidate]]
    ) -> Path:
        """Write the submission with what is known so far.

        Args:
            tasks: all tasks of the evaluation.
            root: the run's folder.
            known: candidates by task id, such as those of a journal that is continued.

        Returns:
            The file's path.

        Raises:
            DataError: the file cannot be written.
            ConfigError: it is the file that the tasks are from.
        """
        self.target = Path(self.path or Path(root) / "submission.json")
        refuse_overwriting("pass_n.submission", self.target, {task.source for task in tasks})
        self._tasks = tuple(task.without_answers() for task in tasks)
        self.candidates = {}
        self.add(known)
        return self.target

    def add(self, found: Mapping[str, Sequence[Candidate]]) -> None:
        """Take further tasks' candidates by task id, and replace the file at once.

        Raises:
            DataError: the file cannot be written.
        """
        self.candidates |= {task_id: list(candidates) for task_id, candidates in found.items()}
        everything = [c for candidates in self.candidates.values() for c in candidates]
        write_submission(self.target, build_submission(self._tasks, everything))
