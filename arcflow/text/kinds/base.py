"""TaskKind: one kind of question, as prompt parts, a target and a parser."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Generic

from typing_extensions import TypeVar

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.text.grid_text import GridText, GridTextError

Value = Grid | str
"""What a prompt shows and an answer is: a grid, or a text such as a program or a word."""

T = TypeVar("T", bound=Value, default=Grid)
"""What the answer is: Grid or str."""


class TaskKind(ABC, Generic[T]):
    """One kind of question; without state.

    The values of a question form one flat list: those of the prompt in a fixed order, then the
    target. A placeholder stands for each when the template is rendered, so the words around
    them depend on their number alone. A value is named by its place in the list.

    Attributes:
        name: e.g. ``"output-from-examples"``.
        templates: the template for each format.
        words: the words that an answer is one of; none where it is a grid or a program.
        shows_program: whether the prompt or the answer is the task's program, so that pairs have
            to stay as the program makes them.

    A kind of your own is named by its class path where a kind's name is asked for, and brings its
    own words with :meth:`template_text`.
    """

    name: ClassVar[str]
    templates: ClassVar[Mapping[str, str]] = {"chat": "chat-v1", "compact": "compact-v1"}
    words: ClassVar[tuple[str, ...]] = ()
    shows_program: ClassVar[bool] = False

    def template_text(self, name: str) -> str | None:
        """Return this kind's own template in place of a shipped file.

        Args:
            name: a shipped version, e.g. ``"chat-v1"``, or one of :attr:`templates`.

        Returns:
            The text of a Jinja template, see docs/prompts.md; None takes the file
            ``templates/NAME/KIND.jinja`` beside arcflow's code.
        """
        return None

    @abstractmethod
    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """The prompt's values.

        Raises:
            DataError: the task lacks what the prompt shows.
        """

    @abstractmethod
    def target(self, task: Task, test_index: int) -> T | None:
        """What is to be written, None where it is not known."""

    @abstractmethod
    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """The template's variables, made of the placeholders of the prompt's values."""

    @abstractmethod
    def outputs(self, n: int) -> Sequence[int]:
        """Of n prompt values the places of those that the loss "outputs" scores."""

    @abstractmethod
    def required(self, n: int) -> Mapping[int, str]:
        """Of n prompt values those that every prompt must show: place to template variable."""

    def texts(self, n: int) -> Collection[int]:
        """Of n prompt values and the target, at place n, the places of those that are texts."""
        return ()

    @abstractmethod
    def parse(self, text: str, grid_text: GridText) -> T | None:
        """The answer in what the model wrote; None where there is none."""


class GridKind(TaskKind[Grid]):
    """A kind whose answer is a grid."""

    def parse(self, text: str, grid_text: GridText) -> Grid | None:
        """The grid in what the model wrote; None where it is malformed."""
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
