"""FailedProgramStream: samples in which a failing program is to be corrected."""

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
    """As the stream of its source; each task gets an attempt, made of its own program.

    Attempts run in the process that makes the samples: for a source whose programs are
    arcflow's own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._attempts = FailedPrograms()

    def completed(self, task: Task, index: int) -> Task | None:
        """With an attempt that fails one of the pairs shown; None where there is none."""
        # After the augmentation: what is asked must not be what the attempt is told about.
        attempt = self._attempts.attempt(task, rng(self._seed, "attempt", index))
        return None if attempt is None else replace(task, attempt=attempt)

    def fingerprint(self) -> dict[str, str]:
        """How attempts are made, besides."""
        return super().fingerprint() | {"attempts": code_fingerprint(*_MAKING)}
