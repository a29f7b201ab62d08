"""A task kind of your own: the rule backwards, from a test output to its input.

Usage, from the folder above this one:

    arcflow fit -c configs/quickstart.yaml -c configs/mixture.yaml \
        --data.parts.originals.kinds '{examples.custom_task_kind.InputFromOutput: 1}'

It shows the pairs of a shipped kind the other way round, in words of its own.
"""

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.text.kinds import Value
from arcflow.text.kinds.grids import OutputFromExamples

# In both, "input" is what a pair shows first: here, its output.
COMPACT = """{% block prompt %}
{{ bos }}{% for pair in examples -%}
{{ mark.output }}{{ pair.input }}{{ mark.input }}{{ pair.output }}{{ mark.end }}
{%- endfor %}{{ mark.output }}{{ test.input }}{{ mark.input }}
{%- endblock %}
"""
CHAT = """{% block prompt %}
{% for pair in examples %}
Output:
{{ pair.input }}
Input:
{{ pair.output }}

{% endfor %}
Output:
{{ test.input }}
Input?
{%- endblock %}
"""


class InputFromOutput(OutputFromExamples):
    """Examples and a test output are shown, the test input is written."""

    name = "input-from-output"

    def template_text(self, name: str) -> str:
        """Return one of two prompts, whichever version is asked for."""
        return COMPACT if name.startswith("compact") else CHAT

    def prompt_values(self, task: Task, test_index: int) -> list[Value]:
        """Return output and input of each train pair, then the test output."""
        last = task.test[test_index].output
        if last is None:
            what = f"task {task.id}: the test output is not known"
            raise DataError(what, value=None, expected="an output", next_step="Train on others.")
        shown = [grid for p in task.train if p.output is not None for grid in (p.output, p.input)]
        return [*shown, last]

    def target(self, task: Task, test_index: int) -> Grid:
        """Return the test input."""
        return task.test[test_index].input
