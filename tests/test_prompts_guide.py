"""docs/prompts.md is what the code writes; ``python -m tests.test_prompts_guide`` rewrites it."""

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.grid import make_grid
from arcflow.core.task import Pair, Task
from arcflow.text import template
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.kinds import KINDS
from arcflow.text.tokenizer import load_tokenizer
from tests.tokenizers import qwen_like

GUIDE = Path(__file__).parent.parent / "docs" / "prompts.md"
CHAT = ("chat-short", "chat-v1", "chat-long", "chat-priors")
COMPACT = "compact-v1"
ASKED = [name for name in KINDS if "code" not in name]
"""The kinds of this page; those with programs have templates of their own (``*.code.jinja``)."""

BLOCK = re.compile(
    r"^### ([^\n]+)\n\n```text\n(.*?)\n```\n\nanswer\n\n```text\n(.*?)\n```$", re.M | re.S
)
"""A heading, the prompt and the answer."""


def mirrored(*rows: list[int]) -> Pair:
    return Pair(make_grid(list(rows)), make_grid([row[::-1] for row in rows]))


TASK = Task(
    "mirror",
    (mirrored([1, 0, 0], [0, 2, 0]), mirrored([3, 3, 0], [0, 0, 4])),
    (mirrored([5, 0], [6, 7], [0, 8]),),
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
        for kind in ASKED:
            config = TextConfig(format="chat", template=name)
            found[f"{name}, {kind}"] = shown(qwen_like(), config, kind)
    for kind in ASKED:
        found[f"{COMPACT}, {kind}"] = shown(load_tokenizer("characters"), TextConfig(), kind)
    for kind in ASKED:
        heading = f"{COMPACT} without markers, {kind}"
        found[heading] = shown(qwen_like(), TextConfig(), kind)
    return found


def blocks(guide: str) -> dict[str, tuple[str, str]]:
    return {heading: (prompt, answer) for heading, prompt, answer in BLOCK.findall(guide)}


def test_every_shipped_version_is_in_the_guide() -> None:
    folder = Path(template.__file__).parent / "templates"
    shipped = {path.stem for path in folder.glob("*.jinja") if not path.stem.endswith(".code")}
    assert shipped == {*CHAT, COMPACT}
    assert GUIDE.read_text().count("\n### ") == len(rendered()) == 6 * len(ASKED)


@pytest.mark.parametrize("heading", [f"{n}, {k}" for n in (*CHAT, COMPACT) for k in ASKED])
def test_the_guide_shows_what_the_code_writes(heading: str) -> None:
    assert blocks(GUIDE.read_text())[heading] == rendered()[heading]


def test_all_of_it_in_the_order_of_the_versions() -> None:
    assert list(blocks(GUIDE.read_text()).items()) == list(rendered().items())


if __name__ == "__main__":
    words = GUIDE.read_text().partition("\n### ")[0]
    written = [
        f"### {heading}\n\n```text\n{prompt}\n```\n\nanswer\n\n```text\n{answer}\n```\n"
        for heading, (prompt, answer) in rendered().items()
    ]
    GUIDE.write_text("\n".join([f"{words.rstrip()}\n", *written]))
