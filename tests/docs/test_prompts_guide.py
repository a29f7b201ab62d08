"""docs/prompts.md is what the code writes; run as a module, this file rewrites it."""

import functools
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.grid import make_grid
from arcflow.core.task import FailedProgram, Pair, Task
from arcflow.omniarc.feedback import result_feedback
from arcflow.sandbox import Grids
from arcflow.text import template
from arcflow.text.chat_template import Marks
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.kinds import KINDS
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.paths import ROOT
from tests.helpers.tokenizers import qwen_like

GUIDE = ROOT / "docs" / "prompts.md"
CHAT = ("chat-short", "chat-v1", "chat-long", "chat-priors")
COMPACT = "compact-v1"
PRIMITIVES = ("flip_left_right", "flip_up_down", "rotate", "transpose")
"""What the longer prompts for programs list."""

BLOCK = re.compile(
    r"^### ([^\n]+)\n\n(`{3,})text\n(.*?)\n\2\n\nanswer\n\n(`{3,})text\n(.*?)\n\4$", re.M | re.S
)
"""A heading, the prompt and the answer; a fence is longer than those inside of it."""


def mirrored(*rows: list[int]) -> Pair:
    return Pair(make_grid(list(rows)), make_grid([row[::-1] for row in rows]))


TRAIN = (mirrored([1, 0, 0], [0, 2, 0]), mirrored([3, 3, 0], [0, 0, 4]))
FLIPPED = Grids(tuple(make_grid(pair.input[::-1]) for pair in TRAIN))
"""What the attempt gives."""
ASKED = mirrored([5, 0], [6, 7], [0, 8])
TASK = Task(
    "mirror",
    TRAIN,
    (ASKED,),
    code="def task(grid):\n    return flip_left_right(grid)\n",
    attempt=FailedProgram(
        "def task(grid):\n    return flip_up_down(grid)\n",
        result_feedback(FLIPPED, [pair.output for pair in TRAIN if pair.output is not None]),
    ),
    proposals=(Pair(ASKED.input, make_grid([[0, 5], [7, 6], [0, 8]])), ASKED),
)


def shown(tokenizer: Any, config: TextConfig, kind: str) -> tuple[str, str]:
    """Prompt and answer, from the token ids that a model learns."""
    encoder = Encoder(tokenizer, config, KINDS[kind])
    ids, n = encoder.example(TASK).input_ids, len(encoder.prompt(TASK))
    return tokenizer.decode(ids[:n]), tokenizer.decode(ids[n:])


@functools.cache
def rendered() -> dict[str, tuple[str, str]]:
    """Every version with every kind, by its heading, in the guide's order."""
    found = {}
    for name in CHAT:
        for kind in KINDS:
            config = TextConfig(format="chat", template=name, primitives=PRIMITIVES)
            found[f"{name}, {kind}"] = shown(qwen_like(), config, kind)
    for kind in KINDS:
        found[f"{COMPACT}, {kind}"] = shown(load_tokenizer("characters"), TextConfig(), kind)
    for kind in KINDS:
        heading = f"{COMPACT} without markers, {kind}"
        found[heading] = shown(qwen_like(), TextConfig(), kind)
    return found


def blocks(guide: str) -> dict[str, tuple[str, str]]:
    return {heading: (prompt, answer) for heading, _, prompt, _, answer in BLOCK.findall(guide)}


def fenced(text: str) -> str:
    """A block that shows the text as it is."""
    fence = "````" if "```" in text else "```"
    return f"{fence}text\n{text}\n{fence}"


def table(guide: str, header: str) -> dict[str, list[str]]:
    """The rows of the table with that header: first cell -> the others."""
    rows = guide.partition(f"| {header} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {first.strip("`"): rest for first, *rest in cells}


def names(value: object, name: str = "") -> set[str]:
    """What a template writes to reach each of a kind's values: ``examples[].input``."""
    if isinstance(value, dict):
        parts = [names(part, f"{name}.{key}".lstrip(".")) for key, part in value.items()]
        return set().union(*parts)
    if isinstance(value, list):
        return set().union(*(names(part, f"{name}[]") for part in value))
    return {name}


def test_every_shipped_version_is_in_the_guide() -> None:
    folder = Path(template.__file__).parent / "templates"
    shipped = {f"{path.parent.name}, {path.stem}" for path in folder.rglob("*.jinja")}
    assert shipped == {f"{name}, {kind}" for name in (*CHAT, COMPACT) for kind in KINDS}
    assert GUIDE.read_text().count("\n### ") == len(rendered()) == 6 * len(KINDS)


@pytest.mark.parametrize("heading", [f"{n}, {k}" for n in (*CHAT, COMPACT) for k in KINDS])
def test_the_guide_shows_what_the_code_writes(heading: str) -> None:
    assert blocks(GUIDE.read_text())[heading] == rendered()[heading]


def test_all_of_it_in_the_order_of_the_versions() -> None:
    assert list(blocks(GUIDE.read_text()).items()) == list(rendered().items())


def test_every_kind_and_its_variables_are_in_the_guide() -> None:
    described = {
        kind: set(row[-1].split()) for kind, row in table(GUIDE.read_text(), "kind").items()
    }
    slots = {name: kind.prompt_values(TASK, 0) for name, kind in KINDS.items()}
    assert described == {
        name: {f"`{found}`" for found in names(kind.variables([str(s) for s in slots[name]]))}
        for name, kind in KINDS.items()
    }


def test_what_every_template_may_name_is_in_the_guide(tmp_path: Path) -> None:
    described = set(table(GUIDE.read_text(), "variable"))
    marks = {f"mark.{field.name}" for field in fields(Marks)}
    assert described == {"kind", "symbols", "bos", "primitives", "output", *marks}
    words = "".join(f"{{{{ {name} }}}}" for name in sorted(described - {"output"}))
    pairs = "{% for p in examples %}{{ p.input }}{{ p.output }}{% endfor %}"
    mine = tmp_path / "mine.jinja"
    attempt = "{{ attempt.code }}{{ attempt.feedback }}"
    answer = "{{ kind }}{{ symbols }}{{ primitives }}{{ mark.code }}\n```python\n{{ output }}```"
    mine.write_text(
        f"{{% block prompt %}}{words}{pairs}{attempt}{{% endblock %}}"
        f"{{% block answer %}}{answer}{{% endblock %}}"
    )
    config = TextConfig(template=str(mine), primitives=PRIMITIVES, fast=False)
    prompt, _ = shown(load_tokenizer("characters"), config, "code-from-feedback")
    assert all(name in prompt for name in PRIMITIVES)


if __name__ == "__main__":
    words = GUIDE.read_text().partition("\n### ")[0]
    written = [
        f"### {heading}\n\n{fenced(prompt)}\n\nanswer\n\n{fenced(answer)}\n"
        for heading, (prompt, answer) in rendered().items()
    ]
    GUIDE.write_text("\n".join([f"{words.rstrip()}\n", *written]))
