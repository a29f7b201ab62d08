"""Conversations of a prompt and an answer, with or without the tokenizer's own chat template."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jinja2

from arcflow.core.errors import ConfigError
from arcflow.text.chat_probe import FAILURES, Messages, lost, opens_thinking
from arcflow.text.template import placeholder
from arcflow.text.tokenizer import INPUT_MARKER, OUTPUT_MARKER

_ANSWER = placeholder(6000)

DAY = datetime(2025, 1, 1)
"""The day that chat templates print. Texts must not change from one day to the next."""

_OTHER_DAY = datetime(2026, 2, 3)

# Jinja's own functions whose result is not a function of their arguments.
_RANDOM = re.compile(r"""(?<!\.)\blipsum\(|\|random\b|map\(["']random["']""")


@dataclass(frozen=True, slots=True)
class Conversation:
    """The whole text of a question and its answer, with placeholders instead of values.

    Attributes:
        prompt: The text that the model is given.
        answer: The text that the model should write.
        stop: The text up to the end of the token that ends the answer.
    """

    prompt: str
    answer: str
    stop: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The markers around grids and texts in the compact format.

    A program leads from inputs to outputs. So with marker tokens its own marker consists of the
    input's and the output's in a row; nowhere else do these two follow each other, and the
    vocabulary does not have to grow.

    Attributes:
        input: The marker before an input.
        output: The marker before an output.
        end: The marker behind every output, also that of the answer; it holds the end-of-text
            token.
        code: The marker before a program.
        feedback: The marker before what is said about a program or a proposed output.
        stop: The marker ``end`` behind a text, which has a newline at its end already.
    """

    input: str
    output: str
    end: str
    code: str
    feedback: str
    stop: str


def marks(tokenizer: Any) -> Marks:
    """Return the markers for a tokenizer.

    Args:
        tokenizer: A tokenizer of transformers.

    Returns:
        Special tokens if the vocabulary has them, otherwise letters on lines of their own.

    Raises:
        ConfigError: If the tokenizer has no end-of-text token.
    """
    eos = end_of_text(tokenizer)
    if {INPUT_MARKER, OUTPUT_MARKER} <= set(tokenizer.all_special_tokens):
        code = INPUT_MARKER + OUTPUT_MARKER
        return Marks(INPUT_MARKER, OUTPUT_MARKER, eos, code, OUTPUT_MARKER, eos)
    return Marks("I\n", "\nO\n", "\n" + eos, "P\n", "F\n", eos)


def end_of_text(tokenizer: Any) -> str:
    """Return the text of the tokenizer's end-of-text token.

    Args:
        tokenizer: A tokenizer of transformers.

    Returns:
        The text of the token.

    Raises:
        ConfigError: If the tokenizer has none.
    """
    if tokenizer.eos_token is None:
        raise ConfigError(
            "text format: the tokenizer has no end-of-text token",
            value=tokenizer.name_or_path,
            expected="a tokenizer whose eos_token is set",
            next_step="Set eos_token in the tokenizer's configuration.",
        )
    return str(tokenizer.eos_token)


def compact(tokenizer: Any, prompt: str, answer: str, *, text: bool) -> Conversation:
    """Return a conversation without anything around its texts.

    Args:
        tokenizer: A tokenizer of transformers.
        prompt: The rendered prompt.
        answer: The rendered answer.
        text: Whether the answer is a text instead of a grid.

    Returns:
        The conversation, whose answer ends as the texts or grids of the prompt do.

    Raises:
        ConfigError: If the tokenizer has no end-of-text token.
    """
    mark = marks(tokenizer)
    return Conversation(prompt, answer, mark.stop if text else mark.end)


def chat(tokenizer: Any, system: str, prompt: str, answer: str) -> Conversation:
    """Return the conversation as the tokenizer's chat template writes it.

    The prompt ends with the template's generation prompt, and the model answers at once, without
    thinking first. If the template refuses a system role, or drops or changes its text, the system
    text comes first in the user's message.

    Args:
        tokenizer: A tokenizer of transformers.
        system: The text of the system's message; "" if there is none.
        prompt: The text of the user's message.
        answer: The text of the assistant's message.

    Returns:
        The conversation.

    Raises:
        ConfigError: If the tokenizer has no chat template, or one that loses the messages.
    """
    if not tokenizer.chat_template:
        raise ConfigError(
            "text format 'chat': the tokenizer has no chat template",
            value=tokenizer.name_or_path,
            expected="the tokenizer of an instruct model",
            next_step="Use format 'compact', or a tokenizer with a chat template.",
        )
    if _is_random(tokenizer):
        raise _refused(tokenizer, "it writes something else each time (random or lipsum)")
    user = {"role": "user", "content": prompt}
    messages = [{"role": "system", "content": system}, user]

    def render(messages: Messages, generate: bool) -> str:
        return _render(tokenizer, messages, generate=generate)

    if not system or lost(render, system=True):
        if why := lost(render, system=False):
            raise _refused(tokenizer, why)
        messages = [{"role": "user", "content": f"{system}\n\n{prompt}".strip()}]
    answered = [*messages, {"role": "assistant", "content": _ANSWER}]
    try:
        text, whole = render(messages, True), render(answered, False)
    except FAILURES as error:
        raise _refused(tokenizer, f"it fails ({error})") from error
    if whole.count(_ANSWER) != 1 or prompt not in text:
        raise _refused(tokenizer, "it does not write each message once and as it is")
    before, after = whole.split(_ANSWER)
    text, lead = _beginning(text, before)
    return Conversation(text, lead + answer, _stop(tokenizer, after))


def _beginning(text: str, before: str) -> tuple[str, str]:
    """Return the prompt, and what the answer's text begins with.

    Args:
        text: The messages with the template's generation prompt.
        before: What the template writes before an answer that is there.

    Returns:
        The two texts. A space between the generation prompt and the answer belongs to the answer.
        What else stands there, such as an empty block of thoughts or a channel's name, belongs to
        the prompt, so that the model answers at once; for the same reason the prompt does not open
        a block of thoughts that a written answer does without.
    """
    if before.startswith(text):
        lead = before[len(text) :]
        return (before, "") if lead.strip() else (text, lead)
    if text.startswith(before) and opens_thinking(text[len(before) :]):
        return before, ""
    return text, ""


def _refused(tokenizer: Any, why: str) -> ConfigError:
    return ConfigError(
        f"chat template: {why}",
        value=f"the chat template of {tokenizer.name_or_path!r}",
        expected="a template that writes a user's and an assistant's message as they are",
        next_step="Correct the tokenizer's chat_template, or use format 'compact'.",
    )


def day_fingerprint(tokenizer: Any) -> dict[str, str]:
    """Return the day that the tokenizer's chat template is given, if it asks for today's.

    Templates that take ``date_string`` instead have always been given the same day, and are not
    told apart by it.

    Args:
        tokenizer: A tokenizer of transformers with a chat template.

    Returns:
        The day by the name "chat_day"; nothing if the text does not depend on it.
    """
    user = {"role": "user", "content": placeholder(0)}
    for messages in ([{"role": "system", "content": placeholder(1)}, user], [user]):
        try:
            first, second = (
                _render(tokenizer, messages, generate=True, day=day) for day in (DAY, _OTHER_DAY)
            )
        except FAILURES:
            continue  # it takes no system's message, or wants one
        if first != second:
            return {"chat_day": DAY.date().isoformat()}
    return {}


def _render(
    tokenizer: Any, messages: list[dict[str, str]], *, generate: bool, day: datetime = DAY
) -> str:
    """Return the text of messages: a function of its arguments, on any day."""
    return str(
        tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=generate,
            date_string=DAY.strftime("%d %b %Y"),
            # In place of the function of this name that transformers offers to templates.
            strftime_now=day.strftime,
            # Training and generation must not differ in whether the model thinks first.
            enable_thinking=False,
        )
    )


def _is_random(tokenizer: Any) -> bool:
    """Return whether the template uses one of Jinja's random functions."""
    try:
        tokens = list(jinja2.Environment().lex(tokenizer.get_chat_template()))
    except FAILURES:
        return False  # rendering says what is wrong
    blank = ("whitespace", "data", "comment", "comment_begin", "comment_end")
    return bool(_RANDOM.search("".join(value for _, kind, value in tokens if kind not in blank)))


def _stop(tokenizer: Any, after: str) -> str:
    """Return the text from the answer to the end of the first special token behind it.

    If there is no special token, it is the end-of-text token.
    """
    special = {str(t) for t in tokenizer.added_tokens_decoder.values() if t.special}
    found = [(after.find(t), -len(t), t) for t in special if t in after]
    if not found:
        return end_of_text(tokenizer)
    at, _, token = min(found)
    return after[:at] + token
