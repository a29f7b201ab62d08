"""FailedProgramStream: training samples in which a failing program is to be corrected."""

from dataclasses import replace
from typing import Any

from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.seeds import rng
from arcflow.core.task import Task
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.omniarc.failed_programs import FailedPrograms

FEEDBACK = "code-from-feedback"
_MAKING = (
    *(
        f"arcflow.omniarc.{name}"
        for name in (
            "failed_programs",
            "edits",
            "execute",
            "feedback",
            "in_process",
            "meanings",
            "signatures",
            "variations",
        )
    ),
    "arcflow.sandbox.outputs",
)


class FailedProgramStream(TaskStream):
    """A task stream that gives each task a failing program, made from the task's own program.

    Failing programs run in the process that makes the samples, not in the sandbox: the source's
    programs must be arcflow's own.

    Args:
        args: The arguments of :class:`TaskStream`.
        kwargs: The keyword arguments of :class:`TaskStream`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._words = self.source.own_words
        self._attempts = FailedPrograms(words=self._words)

    def completed(self, task: Task, test_index: int, index: int) -> Task | None:
        """Return the task with a program that fails one of the pairs shown.

        Args:
            task: The augmented task.
            test_index: The index of the test pair to train on.
            index: The sample's number.

        Returns:
            The task, or None if no failing program is found.
        """
        # After the augmentation, which decides what pair is asked for: the feedback must be about
        # the pairs that are shown, and not about that one.
        attempt = self._attempts.attempt(task, rng(self._seed, "attempt", index))
        return None if attempt is None else replace(task, attempt=attempt)

    def fingerprint(self) -> dict[str, str]:
        """Return what the samples depend on, including how failing programs are made."""
        return super().fingerprint() | {"attempts": code_fingerprint(*_MAKING)}
