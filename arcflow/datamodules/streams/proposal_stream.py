"""ProposalStream: training samples in which proposed outputs are to be judged."""

from dataclasses import replace

from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.core.wrong_answers import wrong_answer
from arcflow.datamodules.streams.task_stream import TaskStream

_MAKING = ("arcflow.core.wrong_answers",)


class ProposalStream(TaskStream):
    """A task stream that gives each task two proposed outputs: the right one and a wrong one.

    Which comes first is balanced: of the samples 2k and 2k + 1 one has the right output first and
    one the wrong output, in an order drawn from the seed. A kind that shows one proposal shows the
    first.
    """

    def completed(self, task: Task, test_index: int, index: int) -> Task | None:
        """Return the task with its proposals.

        Args:
            task: The augmented task.
            test_index: The index of the test pair to train on.
            index: The sample's number.

        Returns:
            The task.
        """
        # After the augmentation, which decides what pair is asked about.
        asked = task.test[test_index]
        wrong = wrong_answer(task, test_index, rng(self._seed, "wrong answer", index))
        proposals = (asked, Pair(asked.input, wrong.grid))
        wrong_first = bool(rng(self._seed, "order", index // 2).integers(2)) ^ bool(index % 2)
        return replace(task, proposals=proposals[::-1] if wrong_first else proposals)

    def fingerprint(self) -> dict[str, str]:
        """Return what the samples depend on, including how wrong answers are made."""
        return super().fingerprint() | {"wrong answers": code_fingerprint(*_MAKING)}
