"""Fitting tasks into a number of tokens by leaving out train pairs."""

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
    """Return the task with as many of its train pairs as fit.

    The pair with the most cells is left out first (of equal ones the later), so that the most pairs
    stay; the order of the others is kept. At least one pair stays.

    Args:
        encoder: The encoder that measures the tokens.
        task: The task; it is returned as it is, the same object, if it fits.
        max_tokens: The largest number of tokens of prompt and answer together, stop token included.
        test_index: The index of the test input that is asked about.
        answer_tokens: The number of tokens kept free for the answer; None takes the number of the
            known answer.

    Returns:
        The task, or None if even one pair is too much.

    Raises:
        DataError: If ``answer_tokens`` is None and the answer is not known.
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
