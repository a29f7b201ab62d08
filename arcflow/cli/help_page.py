"""The help of the commands that run a model, printed from the option index."""

import shutil
import textwrap
from typing import Any

from arcflow.cli.option_index import read_index

_MARGIN = 24
"""Column at which the help of an option begins."""

_OF_CLASSES = (
    ("--data.help, --model.help", "the options of the default classes of data and model"),
    (
        "--data.help CLASS, --model.help CLASS",
        "of another one: {classes}, or a class path of your own",
    ),
    ("--model.lora.help, --test_time.lora.help", "the options of an adapter"),
    ("--trainer.strategy.help CLASS", "the same for every option that takes an object"),
)
_DRY_RUN = (
    "--dry-run",
    "run one task batch (fit: three steps), write nothing, and print the tasks, their tokens, what "
    "does not fit, and the time and memory of the whole run",
)
_END = """Options are written --group.name=value, or in YAML files after -c; what stands further
right wins. `-c NAME` takes a config that comes with arcflow; `arcflow init DIR` copies them all.
"""


def help_page(command: str, width: int | None = None) -> str:
    """Return the help of a command.

    Args:
        command: ``"fit"``, ``"validate"``, ``"test"``, ``"predict"`` or ``"generate"``.
        width: Columns; None takes the terminal's.

    Returns:
        Every option of the real parser with its help, in the parser's sections.
    """
    columns = (width or shutil.get_terminal_size().columns) - 2
    index = read_index()
    words = "generate inputs" if command == "generate" else command
    lines = [f"usage: arcflow {words} [-c FILE_OR_NAME] ... [--group.option VALUE] ...", ""]
    if command == "generate":
        lines += ["Sample new inputs of tasks from a model, and write those kept.", ""]
    else:
        lines += _section({"title": "Before a run", "options": [_DRY_RUN]}, columns)
    for key in index["commands"][command]["sections"]:
        lines += _section(index["sections"][key], columns)
    classes = ", ".join(path.rpartition(".")[2] for path in index["classes"])
    options = [(option, text.format(classes=classes)) for option, text in _OF_CLASSES]
    lines += _section({"title": "Options of classes", "options": options}, columns)
    return "\n".join(lines) + "\n" + _END


def _section(section: dict[str, Any], columns: int) -> list[str]:
    title: str = section["title"]
    lines = textwrap.wrap(f"{title[:1].upper()}{title[1:]}:", columns)
    for invocation, text in section["options"]:
        first = f"  {invocation}"
        body = textwrap.wrap(text, max(columns - _MARGIN, 11)) or [""]
        if len(first) <= _MARGIN - 2:
            lines.append(f"{first.ljust(_MARGIN)}{body[0]}".rstrip())
            body = body[1:]
        else:
            lines.append(first)
        lines += [f"{' ' * _MARGIN}{line}" for line in body if line]
    return [*lines, ""]
