"""TaskSelection: which tasks, as YAML says it; subsets by id, size, number and share."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import MAX_SIDE
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.sources.named import join

Length = Callable[[Task], int]


@dataclass(frozen=True)
class TaskSelection:
    """Which tasks to take: a source, then filters in the order of the fields.

    Attributes:
        tasks: arc-agi-1/training, arc-agi-1/evaluation, arc-agi-2/training,
            arc-agi-2/evaluation, the path of a Kaggle challenges file (solutions are found
            beside it) or of a folder of one-task JSON files; or a list of these.
        solutions: path of the solutions file, where it is not beside the challenges file.
        duplicates: an id that occurs twice in ``tasks`` is refused ("refuse"), or its first
            task is taken ("first").
        ids: keep these tasks only; empty keeps all. YAML takes digits alone for a number:
            quote such an id, '00576224'.
        exclude: leave these tasks out.
        max_side: keep tasks whose grids, known test outputs included, have no longer side, in
            cells (1 to 30).
        max_tokens: keep tasks that are no longer than this, in tokens of the text in use, with
            prompt and answer.
        start: of what is left so far, skip this many tasks.
        stop: of what is left so far, end before this number, counted as ``start`` is.
        fraction: of what is left so far, the share to draw at random, over 0 and up to 1; at
            least one task. A smaller share's tasks are among a larger share's.
        seed: of the draw of ``fraction``.
    """

    tasks: str | list[str] = "arc-agi-1/training"
    solutions: str | None = None
    duplicates: Literal["refuse", "first"] = "refuse"
    ids: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_side: int | None = None
    max_tokens: int | None = None
    start: int = 0
    stop: int | None = None
    fraction: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, right, expected in (
            ("tasks", self.tasks, bool(self.tasks), "at least one name"),
            (
                "solutions",
                self.solutions,
                self.solutions is None or len(self.names) == 1,
                "none, or one challenges file in tasks",
            ),
            (
                "max_side",
                self.max_side,
                self.max_side is None or 1 <= self.max_side <= MAX_SIDE,
                f"1 to {MAX_SIDE} cells",
            ),
            (
                "max_tokens",
                self.max_tokens,
                self.max_tokens is None or self.max_tokens >= 1,
                "at least 1",
            ),
            ("start", self.start, self.start >= 0, "at least 0"),
            (
                "stop",
                self.stop,
                self.stop is None or self.stop > self.start,
                f"more than start, {self.start}",
            ),
            ("fraction", self.fraction, 0 < self.fraction <= 1, "over 0 and up to 1"),
            ("seed", self.seed, self.seed >= 0, "at least 0"),
        ):
            if not right:
                raise ConfigError(
                    f"selection of tasks: bad {name}",
                    value=value,
                    expected=expected,
                    next_step=f"Correct {name}, or leave it out.",
                )

    @property
    def names(self) -> list[str]:
        """``tasks`` as a list."""
        return [self.tasks] if isinstance(self.tasks, str) else list(self.tasks)


def load_tasks(selection: TaskSelection, length: Length | None = None) -> list[Task]:
    """Load what ``selection`` names and filter it.

    Args:
        selection: the sources and the filters.
        length: as for :func:`select_tasks`.

    Raises:
        DataError: bad names, bad files, duplicate or unknown ids, nothing left.
    """
    tasks = join(selection.names, selection.duplicates, selection.solutions)
    return select_tasks(tasks, selection, length)


def select_tasks(
    tasks: Iterable[Task], selection: TaskSelection, length: Length | None = None
) -> list[Task]:
    """The tasks that pass every filter of ``selection``, in their order.

    Args:
        tasks: with ids of their own; ``selection.tasks`` is not looked at.
        selection: the filters.
        length: tokens of a task, needed where ``max_tokens`` is set.

    Raises:
        DataError: ids that are not among ``tasks``, or no task left; says which filter
            removed how many.
        ConfigError: ``max_tokens`` without ``length``.
    """
    left = list(tasks)
    _check_ids("ids", selection.ids, left)
    _check_ids("exclude", selection.exclude, left)
    total, removed = len(left), list[tuple[int, str]]()

    def keep(kept: list[Task], by: str) -> list[Task]:
        removed.append((len(left) - len(kept), by))
        return kept

    if selection.ids:
        wanted = set(selection.ids)
        left = keep([task for task in left if task.id in wanted], "ids")
    if selection.exclude:
        unwanted = set(selection.exclude)
        left = keep([task for task in left if task.id not in unwanted], "exclude")
    if selection.max_side is not None:
        side = selection.max_side
        left = keep([task for task in left if largest_side(task) <= side], f"max_side={side}")
    if selection.max_tokens is not None:
        if length is None:
            raise ConfigError(
                "selection of tasks: max_tokens where no text is chosen",
                value=selection.max_tokens,
                expected="none: without a tokenizer a task has no length in tokens",
                next_step="Leave max_tokens out, or select by max_side.",
            )
        most = selection.max_tokens
        left = keep([task for task in left if length(task) <= most], f"max_tokens={most}")
    if selection.start or selection.stop is not None:
        left = keep(
            left[selection.start : selection.stop],
            f"start={selection.start}, stop={selection.stop}",
        )
    if not left:
        filters = [by for n, by in removed if n]
        raise DataError(
            f"no task is left of {total}",
            value="; ".join(f"{by} removed {n}" for n, by in removed),
            expected="at least one task",
            next_step=f"Loosen {' or '.join(filters)}." if filters else "Check the source.",
        )
    return left if selection.fraction == 1 else subsample(left, selection.fraction, selection.seed)


def largest_side(task: Task) -> int:
    """The longest side of the task's known grids, in cells."""
    longest: int = max(side for grid in task.grids() for side in grid.shape)
    return longest


def subsample(tasks: Sequence[Task], fraction: float, seed: int) -> list[Task]:
    """A random share of ``tasks``, in their order; at least one.

    A task's draw depends on (seed, id) alone, so that the smaller of two shares is inside the
    larger, whatever the order of ``tasks``.
    """
    drawn = sorted(tasks, key=lambda task: (derive(seed, f"subsample {task.id}"), task.id))
    chosen = {task.id for task in drawn[: max(1, round(fraction * len(drawn)))]}
    return [task for task in tasks if task.id in chosen]


def _check_ids(field: str, ids: Iterable[str], tasks: Sequence[Task]) -> None:
    known = {task.id for task in tasks}
    unknown = [task_id for task_id in dict.fromkeys(ids) if task_id not in known]
    if unknown:
        near = {i: difflib.get_close_matches(i, known, n=1) for i in unknown[:5]}
        hints = [f"{match[0]} for {task_id}" for task_id, match in near.items() if match]
        sources = ", ".join(sorted({task.source for task in tasks if task.source}))
        raise DataError(
            f"selection of tasks: {len(unknown)} unknown in {field}",
            value=unknown[:5],
            expected=f"ids among the {len(tasks)} tasks" + (f" of {sources}" if sources else ""),
            next_step=f"Did you mean {', '.join(hints)}?" if hints else "Check the ids.",
        )
