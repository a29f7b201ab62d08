"""The choice of a source for a selection of tasks: lazy for large files, a list for others."""

from pathlib import Path

from arcflow.core.errors import ConfigError
from arcflow.core.task import Task
from arcflow.sources.arc import SPLITS
from arcflow.sources.base import Source, TaskList
from arcflow.sources.files.formats import recognise
from arcflow.sources.files.json_lines import JsonLines
from arcflow.sources.files.pair_dump import PairDump
from arcflow.sources.files.read import find_files, is_pair_line
from arcflow.sources.files.text import first_line, read_value
from arcflow.sources.select import Length, TaskSelection, largest_side, load_tasks, select_tasks


def load_source(selection: TaskSelection, length: Length | None = None) -> Source:
    """Return the training source that ``selection`` describes.

    One file of JSON lines is read line by line as its tasks are needed, and a dump of pairs gives a
    new prompt each time; everything else, and several names, is held as a list.

    Args:
        selection: The source and the filters.
        length: The length of a task in tokens, as for :func:`arcflow.sources.select.select_tasks`.

    Raises:
        DataError: A name, a file or an id is bad, or no task is left.
        ConfigError: The source does not support one of the filters.
    """
    name = selection.names[0]
    kind = _kind(Path(name).expanduser(), selection) if len(selection.names) == 1 else ""
    if kind == "lines":
        return _select_lines(
            JsonLines(
                str(Path(name).expanduser()),
                strict=selection.strict,
                duplicates=selection.duplicates,
            ),
            selection,
            length,
        )
    if kind == "pairs":
        dump = PairDump(str(Path(name).expanduser()), selection.pairs, selection.strict)
        return _select_dump(dump, selection)
    return TaskList(load_tasks(selection, length))


def _kind(path: Path, selection: TaskSelection) -> str:
    """Return "lines" or "pairs", or "" for what is read as a list."""
    if str(path) in SPLITS or not path.exists() or selection.solutions is not None:
        return ""
    if path.is_file() and path.name.endswith((".jsonl", ".ndjson")):
        if selection.format == "pairs":
            return "pairs"
        if selection.format not in ("auto", "lines", "task", "examples"):
            return ""
        return "pairs" if is_pair_line(first_line(path)) else "lines"
    if selection.format != "auto":
        lazy = selection.format == "pairs" or (selection.format == "lines" and path.is_file())
        return selection.format if lazy and path.suffix != ".gz" else ""
    return "pairs" if _holds_pairs(path) else ""


def _holds_pairs(path: Path) -> bool:
    """Return whether the first value is a list of pairs, as a dump is all of one kind."""
    if path.is_dir():
        path = find_files(path)[0]
    if not path.name.endswith((".json", ".json.gz")):
        return False
    value = read_value(path)
    if isinstance(value, dict) and recognise(value) == "tasks":
        value = next(iter(value.values()))
    return recognise(value) == "pairs"


def _select_lines(source: JsonLines, selection: TaskSelection, length: Length | None) -> JsonLines:
    if not selection.filters:
        return source
    found = source.survey()
    number = {task_id: i for i, task_id in reversed(list(enumerate(found.ids)))}  # the first line
    tasks = source.base_tasks()
    if selection.max_tokens is not None and length is not None:
        tokens = {task.id: length(task) for task in tasks}
    else:
        tokens = {}
    stubs = [Task(task_id, (), (), source.name) for task_id in dict.fromkeys(found.ids) if task_id]
    kept = select_tasks(
        stubs,
        selection,
        None if length is None else lambda stub: tokens[stub.id],
        lambda stub: int(found.sides[number[stub.id]]),
    )
    return source.only({task.id for task in kept})


def _select_dump(source: PairDump, selection: TaskSelection) -> PairDump:
    if not selection.filters:
        return source
    if selection.max_tokens is not None:
        raise ConfigError(
            "selection of tasks: max_tokens where prompts are drawn from pairs",
            value=selection.max_tokens,
            expected="none: a prompt's length is known when it is drawn",
            next_step="Leave max_tokens out, or select by max_side.",
        )
    kept = select_tasks(source.base_tasks(), selection, None, largest_side)
    return source.only({task.id for task in kept})
