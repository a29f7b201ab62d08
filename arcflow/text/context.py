"""Fitting tasks into a number of tokens by leaving out train pairs."""

from collections.abc import Sequence
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
        if _needed(encoder, task, test_index, answer_tokens) <= max_tokens:
            return task
        if len(task.train) <= 1:
            return None
        cells = [sum(g.size for g in (p.input, p.output) if g is not None) for p in task.train]
        largest = max(range(len(cells)), key=lambda i: (cells[i], i))
        task = replace(task, train=task.train[:largest] + task.train[largest + 1 :])


def tokens_that_fit(
    encoder: Encoder, task: Task, test_index: int = 0, answer_tokens: int | None = None
) -> tuple[int, int]:
    """Return the numbers of tokens with which a task fits with one train pair, and whole.

    Args:
        encoder: The encoder that measures the tokens.
        task: The task.
        test_index: The index of the test input that is asked about.
        answer_tokens: As for :func:`fit_context`.

    Returns:
        The smallest ``max_tokens`` with which :func:`fit_context` keeps the task, and the smallest
        with which it keeps all train pairs.
    """
    whole = _needed(encoder, task, test_index, answer_tokens)
    cells = [sum(g.size for g in (p.input, p.output) if g is not None) for p in task.train]
    # The pair that is left out last: of the fewest cells, the earliest.
    last = min(range(len(cells)), key=lambda i: (cells[i], i))
    least = _needed(encoder, replace(task, train=(task.train[last],)), test_index, answer_tokens)
    return min(least, whole), whole


def advice(needs: Sequence[tuple[int, int]], max_tokens: int) -> str:
    """Say what a larger ``data.max_tokens`` would do for tasks that do not fit whole.

    Args:
        needs: What :func:`tokens_that_fit` says of each.
        max_tokens: The value in use.

    Returns:
        One sentence, or two if some of the tasks do not fit with one train pair either.
    """
    least, whole = (max(column) for column in zip(*needs, strict=True))
    some = f"--data.max_tokens={least} leaves out no task. " if least > max_tokens else ""
    return f"{some}--data.max_tokens={whole} keeps all train pairs."


def _needed(encoder: Encoder, task: Task, test_index: int, answer_tokens: int | None) -> int:
    if answer_tokens is None:
        return encoder.length(task, test_index)
    return encoder.prompt_length(task, test_index) + answer_tokens
