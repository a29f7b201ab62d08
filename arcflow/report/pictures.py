"""A task with its answers beside the truth, as rows of a picture."""

from arcflow.report.contents import ATTEMPTS, STATUS_WORDS, TaskAnswers
from arcflow.viz.svg import Row

HEADS = ("input", "output", "answers")
"""The names of the columns."""


def answer_rows(one: TaskAnswers) -> list[Row]:
    """Return a row for each pair: its input, its output, and the first answers to a test input.

    Args:
        one: The task and its answers, of which those of the first variant are drawn.
    """
    rows: list[Row] = [
        (f"train {i}", [[pair.input], [] if pair.output is None else [pair.output], []])
        for i, pair in enumerate(one.task.train)
    ]
    variant = next(iter(one.variants.values()))
    for i, (pair, found) in enumerate(zip(one.task.test, variant.inputs, strict=True)):
        truth = [] if pair.output is None else [pair.output]
        given = [answer.grid for answer in found.answers[:ATTEMPTS]]
        rows.append((f"test {i}: {STATUS_WORDS[found.status]}", [[pair.input], truth, given]))
    return rows
