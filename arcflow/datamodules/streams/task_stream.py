"""TaskStream: the endless stream of training samples, each a pure function of (seed, index)."""

from dataclasses import asdict

from arcflow.core.augment_sampling import AugmentConfig, sample_training_view
from arcflow.core.seeds import rng
from arcflow.core.task import Task
from arcflow.sources.base import Source, check_not_empty
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder, Example


class TaskStream:
    """Augmented, encoded views of a source's tasks, numbered 0, 1, 2, ... without end (law 1).

    Args:
        source: of what is learned.
        encoder: task to token ids.
        augment: what happens to a task first.
        seed: the stream is a function of it.
        max_tokens: a view that is longer loses train pairs until it fits.

    Raises:
        DataError: there are no tasks.
    """

    def __init__(
        self,
        source: Source,
        encoder: Encoder,
        augment: AugmentConfig,
        seed: int,
        max_tokens: int,
    ) -> None:
        check_not_empty(source)
        self.max_tokens = max_tokens
        self.source, self._encoder = source, encoder
        self._augment, self._seed = augment, seed

    def task(self, index: int) -> Task:
        """The task of a sample, as the source gives it."""
        return self.source.task(self._seed, index)

    def view(self, index: int) -> tuple[Task, int] | None:
        """The augmented task and the number of the test pair to learn.

        None where the view is too long even with a single train pair, or not to be had.
        """
        task, test_index = sample_training_view(
            self._augment, self.task(index), rng(self._seed, "train", index)
        )
        seen = self.completed(task, index)
        fitted = seen and fit_context(self._encoder, seen, self.max_tokens, test_index)
        return None if fitted is None else (fitted, test_index)

    def completed(self, task: Task, index: int) -> Task | None:
        """The augmented task with what a question needs besides; None where that is not to be
        had. A subclass may add something."""
        return task

    def sample(self, index: int) -> Example | None:
        """The encoded view; None where it is too long to be had."""
        view = self.view(index)
        return None if view is None else self._encoder.example(*view)

    def part(self, index: int) -> str:
        """The source."""
        return self.source.origin(self._seed, index)

    def fingerprint(self) -> dict[str, str]:
        """What the samples depend on, as plain strings: two streams that agree are equal."""
        return (
            {
                "seed": str(self._seed),
                "max_tokens": str(self.max_tokens),
            }
            | self.source.fingerprint()
            | {f"augment.{key}": str(value) for key, value in asdict(self._augment).items()}
            | {f"text {name}": value for name, value in self._encoder.fingerprint().items()}
        )
