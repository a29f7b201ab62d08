"""Answers of a submission or a journal beside the truth, in the terminal or as a picture."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from arcflow.api.pictures import Picture
from arcflow.core.errors import DataError
from arcflow.core.printable import printable
from arcflow.core.task import Task
from arcflow.report.answers_file import read_entries
from arcflow.report.contents import (
    ATTEMPTS,
    STATUS_WORDS,
    InputAnswers,
    RankedAnswer,
    TaskAnswers,
    gather,
)
from arcflow.report.pictures import HEADS, answer_rows
from arcflow.viz.terminal import Colors, render_beside, render_task


def read_answered(path: str, tasks: Iterable[Task]) -> dict[str, TaskAnswers]:
    """Return the answers of a journal, a submission or a file of candidates by task id.

    Args:
        path: The file.
        tasks: The tasks, with their test outputs where they are known.

    Raises:
        DataError: The file cannot be read, or answers none of the tasks.
    """
    found: dict[str, TaskAnswers] = {}
    for one in gather(tasks, read_entries(path)):
        found.setdefault(one.task.id, one)  # sets share ids: the first that has one counts
    if not found:
        raise DataError(
            f"{path}: answers to none of the tasks",
            value=path,
            expected="answers to tasks of the place that --tasks names",
            next_step="Name with --tasks where the tasks are.",
        )
    return found


def last_answers(folder: str) -> str | None:
    """Return the newest journal in a run's folder, or its submission where there is no journal.

    Args:
        folder: The folder.

    Returns:
        The file's path; None if this is no folder, or one without answers.
    """
    path = Path(folder).expanduser()
    found = [*path.glob("*.journal.jsonl")] or [*path.glob("submission.json")]
    return str(max(found, key=lambda one: one.stat().st_mtime)) if found else None


def list_answered(path: str, answered: Sequence[TaskAnswers]) -> str:
    """Return a line for each task, with what became of it, and how one of them is shown."""
    width = max(len(printable(one.task.id)) for one in answered)
    lines = [f"{printable(path)}: {len(answered)} tasks"]
    for one in answered:
        variants = "; ".join(
            f"{printable(name)}: {STATUS_WORDS[variant.status]}"
            for name, variant in one.variants.items()
        )
        lines.append(f"  {printable(one.task.id):<{width}}  {variants}")
    shown = printable(answered[0].task.id)
    lines.append(f"One of them: arcflow show {shown} --answers {printable(path)}")
    return "\n".join(lines)


def render_answered(one: TaskAnswers, colors: Colors, width: int) -> str:
    """Return a task's pairs and, for each test input, the first answers beside the truth.

    A wrong cell of an answer is marked by ``x``, in colours and in digits alike.

    Args:
        one: The task and its answers.
        colors: Whether cells are digits or coloured.
        width: The width of the terminal, in columns.
    """
    parts = [render_task(one.task, colors, width)]
    for index, pair in enumerate(one.task.test):
        for name, variant in one.variants.items():
            found = variant.inputs[index]
            words = f"test {index}, {printable(name)}: {STATUS_WORDS[found.status]}"
            blocks = [
                (f"attempt {place}, {note(answer)}", answer.grid, pair.output)
                for place, answer in enumerate(found.answers[:ATTEMPTS], start=1)
            ]
            if pair.output is not None:
                blocks.append(("truth", pair.output, pair.output))
            parts.append(
                "\n".join([f"{words}{_counts(found)}", "", *render_beside(blocks, colors, width)])
            )
    return "\n".join(parts)


def picture(one: TaskAnswers) -> Picture:
    """Return a picture of a task's pairs, and of the first answers beside the truth."""
    return Picture(answer_rows(one), list(HEADS), one.task)


def note(answer: RankedAnswer) -> str:
    """Return in words what is known of one answer."""
    return f"{answer.votes_in_words}, {', '.join(map(printable, answer.sources))}{_truth(answer)}"


def _truth(answer: RankedAnswer) -> str:
    if answer.right:
        return ", right"
    return "" if answer.wrong is None else f", {answer.wrong} wrong"


def _counts(found: InputAnswers) -> str:
    more = len(found.answers) - ATTEMPTS
    words = f" ({found.candidates} candidates, {found.unanswered} without a grid"
    return f"{words}, {more} more answers)" if more > 0 else f"{words})"
