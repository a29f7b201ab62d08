"""Reports as files: of one evaluation, and of what changed from one to another."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from arcflow.core.errors import DataError
from arcflow.core.files import write_whole
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.report.chart import Lines
from arcflow.report.contents import TaskAnswers, VariantAnswers, gather
from arcflow.report.page import render
from arcflow.scoring.curve import curve
from arcflow.scoring.voting import Candidate, candidate_from_dict

DRAWS = 200
"""The number of subsamples of the votes in a report's curve."""

Entries = Sequence[Mapping[str, Any]]


def write_report(
    path: str | Path, title: str, tasks: Iterable[Task], entries: Entries
) -> list[TaskAnswers]:
    """Write the report of one evaluation as an HTML page.

    Args:
        path: The file to write, whole or not at all.
        title: The heading of the page.
        tasks: The tasks, with their test outputs where they are known.
        entries: The entries of its journal, see :func:`~arcflow.report.contents.gather`.

    Returns:
        The tasks that the page shows.

    Raises:
        DataError: The file cannot be written.
    """
    found = gather(tasks, entries)
    _write(path, render(title, found, curve=_curve(found, entries)))
    return found


def write_comparison(
    path: str | Path, title: str, tasks: Iterable[Task], before: Entries, after: Entries
) -> dict[str, str]:
    """Write a page that shows what one evaluation solved and another did not.

    Args:
        path: The file to write, whole or not at all.
        title: The heading of the page.
        tasks: The tasks, with their test outputs.
        before: The entries of the first evaluation; each of its tasks has the variant "A".
        after: The entries of the second, variant "B".

    Returns:
        ``"gained"``, ``"lost"`` or ``"same"`` by task id, for the tasks that both have.

    Raises:
        DataError: The two have no task in common, or the file cannot be written.
    """
    tasks = list(tasks)
    first = {one.task.id: one for one in gather(tasks, before)}
    second = {one.task.id: one for one in gather(tasks, after)}
    both = [task for task in tasks if task.id in first and task.id in second]
    if not both:
        raise DataError(
            "nothing to compare: the two have no task in common",
            value={"A": len(first), "B": len(second)},
            expected="answers to the same tasks, which --tasks names",
            next_step="Check the files, and --tasks.",
        )
    found, changes = [], {}
    for task in both:
        a, b = _first(first[task.id]), _first(second[task.id])
        found.append(TaskAnswers(task, {"B": b, "A": a}))
        changes[task.id] = (
            "same" if a.solved == b.solved else ("gained" if b.solved > a.solved else "lost")
        )
    facts = {
        "gained": str(sum(change == "gained" for change in changes.values())),
        "lost": str(sum(change == "lost" for change in changes.values())),
        "only in A": str(len(first) - len(both)),
        "only in B": str(len(second) - len(both)),
    }
    _write(path, render(title, found, facts=facts, changes=changes))
    return changes


def _first(answers: TaskAnswers) -> VariantAnswers:
    return next(iter(answers.variants.values()))


def _curve(found: Sequence[TaskAnswers], entries: Entries) -> Lines | None:
    """Return shares against the number of predictions of the better model variant.

    A solver's answers are no samples, and hidden answers measure nothing.
    """
    outputs: dict[str, list[Grid]] = {
        one.task.id: [pair.output for pair in one.task.test if pair.output is not None]
        for one in found
        if all(pair.output is not None for pair in one.task.test)
    }
    by_variant: dict[str, list[Candidate]] = {}
    for entry in entries:
        if entry["task"] in outputs and entry["variant"] in ("ttft", "baseline"):
            by_variant.setdefault(entry["variant"], []).extend(
                candidate
                for candidate in map(candidate_from_dict, entry["candidates"])
                if not candidate.source
            )
    candidates = by_variant.get("ttft") or by_variant.get("baseline") or []
    named = {candidate.task_id for candidate in candidates}
    if not named:
        return None
    points = curve(candidates, {task: outputs[task] for task in named}, DRAWS)
    return {
        name: [(point.n, point.value) for point in points[name]]
        for name in ("pass_n", "vote_2", "kaggle")
    }


def _write(path: str | Path, page: str) -> None:
    try:
        write_whole(Path(path), page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise DataError(
            f"the report cannot be written ({error.strerror})",
            value=str(path),
            expected="a file in a folder that can be written to, with room on its disk",
            next_step="Give another file, or make room.",
        ) from error
