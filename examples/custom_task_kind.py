"""A task kind of your own: the rule backwards, from a test output to its input.

Usage, from the folder above this one:

    arcflow fit -c configs/quickstart.yaml -c configs/mixture.yaml \
        --data.parts.originals.kinds '{examples.custom_task_kind.InputFromOutput: 1}'

A kind brings its own prompt, so that no shipped template has to know of it.
"""

from collections.abc import Mapping, Sequence

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.text.kinds import GridKind, Value
from arcflow.text.kinds.grids import examples, named_examples

COMPACT = """{% block prompt %}
{{ bos }}{% for pair in examples %}{{ mark.output }}{{ pair.output }}{{ mark.input }}{{ pair.input }}{{ mark.end }}{% endfor %}{{ mark.output }}{{ test.output }}{{ mark.input }}
{%- endblock %}
"""  # noqa: E501
CHAT = """{% block prompt %}
{% for pair in examples %}
Output:
{{ pair.output }}
Input:
{{ pair.input }}

{% endfor %}
Output:
{{ test.output }}
Input?
{%- endblock %}
"""


class InputFromOutput(GridKind):
    """Examples and a test output are shown, the test input is written."""

    name = "input-from-output"

    def template_text(self, name: str) -> str:
        """Return one of two prompts, whichever version is asked for."""
        return COMPACT if name.startswith("compact") else CHAT

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """Return input and output of each train pair, then the test output."""
        output = task.test[test_index].output
        if output is None:
            what = f"task {task.id}: the test output is not known"
            raise DataError(what, value=None, expected="an output", next_step="Train on others.")
        return [*examples(task), output]

    def target(self, task: Task, test_index: int) -> Grid:
        """Return the test input."""
        return task.test[test_index].input

    def variables(self, slots: Sequence[str]) -> dict[str, object]:
        """Return what the template may name."""
        return {"examples": named_examples(slots[:-1]), "test": {"output": slots[-1]}}

    def outputs(self, n: int) -> Sequence[int]:
        """Return the train inputs' places: the loss "outputs" scores what is like the answer."""
        return range(0, n - 1, 2)

    def required(self, n: int) -> Mapping[int, str]:
        """Return the test output, without which there is nothing to ask."""
        return {n - 1: "test.output"}
