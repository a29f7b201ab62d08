"""Task kinds: what is asked of a task, as prompt parts, a target and a parser."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.text.grid_text import GridText, GridTextError


@dataclass(frozen=True, slots=True)
class TaskKind:
    """One kind of question.

    The grids of a question form one flat list: those of the prompt in a fixed order, then the
    target. A placeholder stands for each when the template is rendered, so the text depends on
    their number alone.

    Attributes:
        name: e.g. ``"output-from-examples"``.
        templates: the shipped template for each format.
        prompt_grids: (task, test index) to the prompt's grids.
        target: (task, test index) to the grid to write, None where it is not known.
        variables: placeholders of the prompt's grids to the template's variables.
        outputs: number of prompt grids to the places of those that are scored under the loss
            "outputs".
        required: number of prompt grids to (place, variable) of those every prompt must show.
        parse: what the model wrote, and the grid text, to the grid; None where it is malformed.
    """

    name: str
    templates: Mapping[str, str]
    prompt_grids: Callable[[Task, int], list[Grid]]
    target: Callable[[Task, int], Grid | None]
    variables: Callable[[Sequence[str]], dict[str, object]]
    outputs: Callable[[int], Sequence[int]]
    required: Callable[[int], Sequence[tuple[int, str]]]
    parse: Callable[[str, GridText], Grid | None]


def grid_or_none(text: str, grid_text: GridText) -> Grid | None:
    """The parser of every kind that answers with a grid."""
    try:
        return grid_text.decode(text)
    except GridTextError:
        return None


def check_test_index(task: Task, test_index: int) -> None:
    """Refuse a test index the task does not have.

    Raises:
        DataError: naming the task.
    """
    if not 0 <= test_index < len(task.test):
        raise DataError(
            f"task {task.id}: no such test input",
            value=test_index,
            expected=f"0..{len(task.test) - 1}",
            next_step="Ask for a test input that the task has.",
        )


def _output_from_examples() -> TaskKind:
    def prompt_grids(task: Task, test_index: int) -> list[Grid]:
        grids: list[Grid] = []
        for pair in task.train:
            if pair.output is not None:
                grids += (pair.input, pair.output)
        grids.append(task.test[test_index].input)
        return grids

    def variables(slots: Sequence[str]) -> dict[str, object]:
        pairs = zip(slots[:-1:2], slots[1::2], strict=True)
        return {
            "examples": [{"input": a, "output": b} for a, b in pairs],
            "test": {"input": slots[-1]},
        }

    return TaskKind(
        name="output-from-examples",
        templates={"chat": "chat-v1", "compact": "compact-v1"},
        prompt_grids=prompt_grids,
        target=lambda task, test_index: task.test[test_index].output,
        variables=variables,
        outputs=lambda n: range(1, n, 2),
        required=lambda n: ((n - 1, "test.input"),),
        parse=grid_or_none,
    )


OUTPUT_FROM_EXAMPLES = _output_from_examples()

KINDS: dict[str, TaskKind] = {kind.name: kind for kind in (OUTPUT_FROM_EXAMPLES,)}
"""Every kind by name."""


def get_kind(name: str) -> TaskKind:
    """The kind of that name.

    Raises:
        ConfigError: where there is none.
    """
    if name not in KINDS:
        raise ConfigError(
            "unknown task kind",
            value=name,
            expected=f"one of {sorted(KINDS)}",
            next_step="Correct the kind's name.",
        )
    return KINDS[name]
