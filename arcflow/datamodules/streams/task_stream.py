"""TaskStream: the endless stream of training samples, each a pure function of (seed, index)."""

from dataclasses import asdict

from arcflow.core.augment_sampling import AugmentConfig, sample_training_view
from arcflow.core.seeds import rng
from arcflow.core.task import Task
from arcflow.sources.base import Source, check_not_empty
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder, Example


class TaskStream:
    """An endless stream of augmented, encoded views of a source's tasks (invariant 1).

    Views are numbered 0, 1, 2, ...; each is a pure function of (seed, number).

    Args:
        source: The source of the training tasks.
        encoder: The encoder from tasks to token ids.
        augment: How a task is changed before it is encoded.
        seed: The seed of the stream.
        max_tokens: The longest view, in tokens; a longer one loses train pairs until it fits.

    Raises:
        DataError: If there are no tasks.
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
        """Return the task of a sample as the source gives it, before augmentation."""
        return self.source.task(self._seed, index)

    def view(self, index: int) -> tuple[Task, int] | None:
        """Return the augmented task and the index of the test pair to train on.

        Args:
            index: The sample's number.

        Returns:
            The task and the index; or None if the view is too long even with a single train pair,
            or cannot be completed (:meth:`completed`).
        """
        task, test_index = sample_training_view(
            self._augment, self.task(index), rng(self._seed, "train", index)
        )
        seen = self.completed(task, test_index, index)
        fitted = seen and fit_context(self._encoder, seen, self.max_tokens, test_index)
        return None if fitted is None else (fitted, test_index)

    def completed(self, task: Task, test_index: int, index: int) -> Task | None:
        """Return the augmented task with whatever else its prompt needs.

        A subclass may add to the task here; this method returns it as it is.

        Args:
            task: The augmented task.
            test_index: The index of the test pair to train on.
            index: The sample's number.

        Returns:
            The task, or None if what it needs cannot be made.
        """
        return task

    def sample(self, index: int) -> Example | None:
        """Return the encoded view, or None if :meth:`view` gives none."""
        view = self.view(index)
        return None if view is None else self._encoder.example(*view)

    def part(self, index: int) -> str:
        """Return the name of the source that a sample's task comes from."""
        return self.source.origin(self._seed, index)

    def fingerprint(self) -> dict[str, str]:
        """Return what the samples depend on, as strings; streams that agree in it are equal."""
        return (
            {
                "seed": str(self._seed),
                "max_tokens": str(self.max_tokens),
            }
            | self.source.fingerprint()
            | {f"augment.{key}": str(value) for key, value in asdict(self._augment).items()}
            | {f"text {name}": value for name, value in self._encoder.fingerprint().items()}
        )
