"""fit_context: a task loses examples until it fits into a number of tokens."""

from dataclasses import replace

from arcflow.core.task import Task
from arcflow.text.encode import Encoder


def fit_context(
    encoder: Encoder,
    task: Task,
    max_tokens: int,
    test_index: int = 0,
    answer_tokens: int | None = None,
) -> Task | None:
    """The task with as many of its train pairs as fit.

    The pair with the most cells goes first (of equal ones the later), so that the most pairs
    stay; the order of the others is kept. At least one pair stays.

    Args:
        encoder: measures the tokens.
        task: the task; returned as it is, the same object, where it fits.
        max_tokens: prompt and answer together, stop token included.
        test_index: the test input that is asked.
        answer_tokens: tokens kept free for the answer; None takes the known answer's own.

    Returns:
        The task, or None where even one pair is too much.

    Raises:
        DataError: ``answer_tokens`` is None and the answer is not known.
    """
    while True:
        if answer_tokens is None:
            needed = encoder.length(task, test_index)
        else:
            needed = encoder.prompt_length(task, test_index) + answer_tokens
        if needed <= max_tokens:
            return task
        if len(task.train) <= 1:
            return None
        cells = [sum(g.size for g in (p.input, p.output) if g is not None) for p in task.train]
        largest = max(range(len(cells)), key=lambda i: (cells[i], i))
        task = replace(task, train=task.train[:largest] + task.train[largest + 1 :])
