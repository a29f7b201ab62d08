"""TaskSelection: filters of tasks by id, size, fold, number and share, as options in YAML."""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import MAX_SIDE
from arcflow.core.options import check_options
from arcflow.core.seeds import derive
from arcflow.core.task import Task, family_of
from arcflow.sources.files.by_name import join
from arcflow.sources.files.formats import Format

Length = Callable[[Task], int]


@dataclass(frozen=True)
class TaskSelection:
    """Which tasks to take: sources, then filters in the order of the fields.

    ``folds``, ``start``, ``stop`` and ``fraction`` take or leave whole families: variations of one
    task, whose ids share the part before the first ``/``, stay together.

    Attributes:
        tasks: arc-agi-1/training, arc-agi-1/evaluation, arc-agi-2/training or arc-agi-2/evaluation;
            the path of a Kaggle challenges file (solutions are found beside it), of a file or of a
            folder in any supported format; or a list of these.
        solutions: The path of the solutions file, if it is not beside the challenges file.
        format: What a file, or each file of a folder, holds: one task, tasks by id, variations of a
            task, pairs of a task, examples as in BARC's rows, or lines; "auto" detects it.
        strict: Whether a file of a folder, or a line, that cannot be read is an error; otherwise it
            is named in a warning and the rest is used.
        pairs: The number of train pairs of a task that is made from a list of pairs, as RE-ARC's;
            one more pair is its test pair.
        duplicates: Whether an id that occurs twice in ``tasks`` is an error ("refuse"), or its
            first task is taken ("first").
        ids: The ids of the only tasks to keep; empty keeps all.
        exclude: The ids of tasks to leave out.
        max_side: The longest side, in cells (1 to 30), that the grids of a task may have, known
            test outputs included.
        max_tokens: The largest number of tokens that a task may have, with prompt and answer, in
            the text in use.
        folds: The number of about equal parts that the families are dealt to. The part of a family
            depends on its name and this number alone, whatever else is selected.
        fold: The only part to keep, 0 to folds - 1, as for validation.
        held_out: The part to leave out, 0 to folds - 1, as for training.
        start: The number of families to skip, of what is left so far.
        stop: The number of the first family to leave out, of what is left so far, counted as
            ``start`` is.
        fraction: The share of families to sample at random, of what is left so far, over 0 and up
            to 1; at least one family is kept. The tasks of a smaller share are among those of a
            larger one.
        seed: The seed by which ``fraction`` samples.
    """

    tasks: str | list[str] = "arc-agi-1/training"
    solutions: str | None = None
    format: Format = "auto"
    strict: bool = False
    pairs: int = 3
    duplicates: Literal["refuse", "first"] = "refuse"
    ids: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_side: int | None = None
    max_tokens: int | None = None
    folds: int = 1
    fold: int | None = None
    held_out: int | None = None
    start: int = 0
    stop: int | None = None
    fraction: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        parts = f"0 to {self.folds - 1}" if self.folds > 1 else "none, or folds of at least 2"
        check_options(
            "selection of tasks",
            (
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
                ("pairs", self.pairs, self.pairs >= 1, "at least 1"),
                ("folds", self.folds, self.folds >= 1, "at least 1"),
                *(
                    (name, part, part is None or 0 <= part < self.folds > 1, parts)
                    for name, part in (("fold", self.fold), ("held_out", self.held_out))
                ),
                (
                    "held_out",
                    self.held_out,
                    self.held_out is None or self.held_out != self.fold,
                    "another part than fold",
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
            ),
        )

    @property
    def names(self) -> list[str]:
        """The value of ``tasks`` as a list."""
        return [self.tasks] if isinstance(self.tasks, str) else list(self.tasks)

    @property
    def filters(self) -> bool:
        """Whether the selection may leave out any of the tasks that it names."""
        given = (self.max_side, self.max_tokens, self.fold, self.held_out, self.stop)
        return (
            bool(self.ids or self.exclude or self.start)
            or any(value is not None for value in given)
            or self.fraction < 1
        )


def load_tasks(selection: TaskSelection, length: Length | None = None) -> list[Task]:
    """Return the tasks that ``selection`` names and that pass its filters.

    Args:
        selection: The sources and the filters.
        length: The length of a task in tokens, needed if ``max_tokens`` is set.

    Raises:
        DataError: A name or a file is bad, ids are duplicate or unknown, or no task is left.
        ConfigError: ``max_tokens`` is set without ``length``.
    """
    tasks = join(
        selection.names,
        selection.duplicates,
        selection.solutions,
        selection.format,
        selection.strict,
        selection.pairs,
    )
    return select_tasks(tasks, selection, length)


def select_tasks(
    tasks: Iterable[Task],
    selection: TaskSelection,
    length: Length | None = None,
    side: Callable[[Task], int] | None = None,
) -> list[Task]:
    """Return the tasks that pass every filter of ``selection``, in their order.

    Args:
        tasks: The tasks, with distinct ids; ``selection.tasks`` is ignored.
        selection: The filters.
        length: The length of a task in tokens, needed if ``max_tokens`` is set.
        side: The longest side of a task in cells; by default :func:`largest_side`.

    Raises:
        DataError: An id is not among ``tasks``, or no task is left; the message says which filter
            removed how many.
        ConfigError: ``max_tokens`` is set without ``length``.
    """
    left = list(tasks)
    _check_ids("ids", selection.ids, left)
    _check_ids("exclude", selection.exclude, left)
    total, removed = len(left), list[tuple[int, str]]()
    for by, passing in _filters(selection, length, side or largest_side):
        kept = passing(left)
        removed.append((len(left) - len(kept), by))
        left = kept
    if not left:
        filters = [by for n, by in removed if n]
        raise DataError(
            f"no task is left of {total}",
            value="; ".join(f"{by} removed {n}" for n, by in removed),
            expected="at least one task",
            next_step=f"Loosen {' or '.join(filters)}." if filters else "Check the source.",
        )
    return left if selection.fraction == 1 else subsample(left, selection.fraction, selection.seed)


def _filters(
    selection: TaskSelection, length: Length | None, side: Callable[[Task], int]
) -> Iterator[tuple[str, Callable[[list[Task]], list[Task]]]]:
    """Yield each filter of a selection: its name, and a function to the tasks that pass it."""

    def where(passes: Callable[[Task], bool]) -> Callable[[list[Task]], list[Task]]:
        return lambda tasks: [task for task in tasks if passes(task)]

    if selection.ids:
        wanted = set(selection.ids)
        yield "ids", where(lambda task: task.id in wanted)
    if selection.exclude:
        unwanted = set(selection.exclude)
        yield "exclude", where(lambda task: task.id not in unwanted)
    if selection.max_side is not None:
        longest = selection.max_side
        yield f"max_side={longest}", where(lambda task: side(task) <= longest)
    if selection.max_tokens is not None:
        if length is None:
            raise ConfigError(
                "selection of tasks: max_tokens where no text is chosen",
                value=selection.max_tokens,
                expected="none: without a tokenizer a task has no length in tokens",
                next_step="Leave max_tokens out, or select by max_side.",
            )
        most = selection.max_tokens
        yield f"max_tokens={most}", where(lambda task: length(task) <= most)
    if selection.fold is not None:
        yield (
            f"fold={selection.fold}",
            where(lambda task: fold_of(task.family, selection.folds) == selection.fold),
        )
    if selection.held_out is not None:
        yield (
            f"held_out={selection.held_out}",
            where(lambda task: fold_of(task.family, selection.folds) != selection.held_out),
        )
    if selection.start or selection.stop is not None:
        yield (
            f"start={selection.start}, stop={selection.stop}",
            lambda tasks: _slice_families(tasks, selection.start, selection.stop),
        )


def _slice_families(tasks: list[Task], start: int, stop: int | None) -> list[Task]:
    """Return the tasks of the families from number ``start`` up to ``stop``, in their order."""
    families = list(dict.fromkeys(task.family for task in tasks))
    between = set(families[start:stop])
    return [task for task in tasks if task.family in between]


def largest_side(task: Task) -> int:
    """Return the longest side of the task's known grids, in cells."""
    longest: int = max(side for grid in task.grids() for side in grid.shape)
    return longest


def fold_of(family: str, folds: int) -> int:
    """Return the part, 0 to ``folds`` - 1, that a family is dealt to.

    It depends on the family's name alone, so that complementary folds of two selections that differ
    in anything else have no family in common.
    """
    return derive(0, f"fold {family}") % folds


def subsample(tasks: Sequence[Task], fraction: float, seed: int) -> list[Task]:
    """Return the tasks of a random share of the families, in their order; see :func:`share_of`.

    Args:
        tasks: The tasks to sample from.
        fraction: The share of their families to keep, over 0 and up to 1.
        seed: The seed of the sample.
    """
    chosen = share_of({task.family for task in tasks}, fraction, seed)
    return [task for task in tasks if task.family in chosen]


def share_of(families: Collection[str], fraction: float, seed: int) -> set[str]:
    """Return a random share of families: at least one, if there are any.

    The place of a family depends on (seed, its name) alone. So the smaller of two shares is inside
    the larger, whatever the order of ``families``, and sources of the same families keep the same
    ones.

    Args:
        families: The names of the families.
        fraction: The share to keep, over 0 and up to 1.
        seed: The seed of the sample.
    """
    drawn = sorted(families, key=lambda family: (derive(seed, f"subsample {family}"), family))
    return set(drawn[: max(1, round(fraction * len(drawn)))])


def choose_ids(
    where: str,
    of: str,
    known: Collection[str],
    ids: Collection[str],
    exclude: Collection[str],
    fraction: float,
    seed: int,
) -> list[str]:
    """Return the ids that ``ids``, ``exclude`` and ``fraction`` leave of those that a source knows.

    Args:
        where: The source, for error messages.
        of: What the source has, one for each id, e.g. "generators".
        known: All ids, in order.
        ids: The ids to take; empty takes all.
        exclude: The ids to leave out.
        fraction: The share to keep of what is left so far, over 0 and up to 1; see
            :func:`share_of`.
        seed: The seed of the sample.

    Raises:
        ConfigError: An id is unknown to the source.
    """
    there, wanted, unwanted = set(known), set(ids), set(exclude)
    for option, given in (("ids", ids), ("exclude", exclude)):
        unknown = [task_id for task_id in given if task_id not in there]
        if unknown:
            near = difflib.get_close_matches(unknown[0], known, n=3) or list(known)[:3]
            raise ConfigError(
                f"{where}: {len(unknown)} unknown in {option}",
                value=unknown[:5],
                expected=f"ids of its {len(known)} {of}, such as {', '.join(near)}",
                next_step=f"Correct {option}.",
            )
    left = [i for i in known if (not ids or i in wanted) and i not in unwanted]
    if fraction < 1 and left:
        chosen = share_of({family_of(i) for i in left}, fraction, seed)
        left = [i for i in left if family_of(i) in chosen]
    return left


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
