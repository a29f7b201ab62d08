"""The check that a chat template writes whole messages, made with long messages of many kinds.

A template may drop a role, cut long messages or change white space. The messages of prompts are
rendered with placeholders, so they are short, and such a template would go unnoticed.
"""

import re
from collections.abc import Callable

import jinja2

Messages = list[dict[str, str]]
Render = Callable[[Messages, bool], str]
"""A function from messages, and whether the generation prompt follows, to text."""

FAILURES = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What a chat template raises on purpose (raise_exception), and by mistake."""

_THOUGHTS = re.compile(r"[<\[](/?)\|?\w*(?:think|thought|reason)\w*\|?[>\]]", re.IGNORECASE)

_LINES = 4000
"""About 100,000 characters, as of a prompt with several large grids."""


def _long(role: str) -> str:
    lines = (f"{role} {i}:  0120\n\n    3|3 \t`x` <b>'\"&\n" for i in range(_LINES))
    return "".join(lines) + f"{role} ends."


_TEXTS = {role: _long(role) for role in ("system", "user", "assistant")}


def lost(render: Render, *, system: bool) -> str:
    """Return what a chat template does to long messages that it must not do.

    Args:
        render: The function that renders messages.
        system: Whether there is a system message.

    Returns:
        A reason for a message to the user; "" if each message is written once and as it is.
    """
    roles = ("system", "user") if system else ("user",)
    asked = [{"role": role, "content": _TEXTS[role]} for role in roles]
    answered = [*asked, {"role": "assistant", "content": _TEXTS["assistant"]}]
    for messages, generate in ((asked, True), (answered, False)):
        try:
            text = render(messages, generate)
        except FAILURES as error:
            where = "" if generate else " at the answer"
            return f"it fails{where} ({error})"
        for message in messages:
            role, content = message["role"], message["content"]
            if text.count(content) != 1:
                how = "repeats" if content in text else "drops, shortens or changes"
                return f"it {how} the {role}'s message"
    return ""


def opens_thinking(text: str) -> bool:
    """Return whether a text opens a block of thoughts and does not close it.

    Args:
        text: What a template writes before an answer.

    Returns:
        Whether the last tag that names thoughts is an opening one.
    """
    tags = _THOUGHTS.findall(text)
    return bool(tags) and not tags[-1]
