"""Conversation: prompt and stop text, through the tokenizer's own chat template or without."""

from dataclasses import dataclass
from typing import Any

import jinja2

from arcflow.core.errors import ConfigError
from arcflow.text.template import placeholder
from arcflow.text.tokenizer import INPUT_MARKER, OUTPUT_MARKER

_ANSWER = placeholder(6000)

# Chat templates that print the day, or that let the model think first, must neither change from
# one day to the next nor leave a gap between training and generation.
_FIXED = {"date_string": "01 Jan 2025", "enable_thinking": False}


@dataclass(frozen=True, slots=True)
class Conversation:
    """The whole text of a question and its answer, placeholders in place of grids.

    Attributes:
        prompt: everything the model is given.
        answer: what it should write.
        stop: the text of the token that ends the answer.
    """

    prompt: str
    answer: str
    stop: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands around grids in the compact format.

    Attributes:
        input: comes before an input.
        output: comes before an output.
        end: ends every output, that of the answer too; holds the end-of-text token.
    """

    input: str
    output: str
    end: str


def marks(tokenizer: Any) -> Marks:
    """Special tokens where the vocabulary has them, else the letters I and O on their own lines."""
    eos = end_of_text(tokenizer)
    if {INPUT_MARKER, OUTPUT_MARKER} <= set(tokenizer.all_special_tokens):
        return Marks(INPUT_MARKER, OUTPUT_MARKER, eos)
    return Marks("I\n", "\nO\n", "\n" + eos)


def end_of_text(tokenizer: Any) -> str:
    """The tokenizer's end-of-text token.

    Raises:
        ConfigError: it has none.
    """
    if tokenizer.eos_token is None:
        raise ConfigError(
            "text format: the tokenizer has no end-of-text token",
            value=tokenizer.name_or_path,
            expected="a tokenizer whose eos_token is set",
            next_step="Set eos_token in the tokenizer's configuration.",
        )
    return str(tokenizer.eos_token)


def compact(tokenizer: Any, prompt: str, answer: str) -> Conversation:
    """Nothing around the text; the answer ends as every output of the prompt does."""
    return Conversation(prompt, answer, marks(tokenizer).end)


def chat(tokenizer: Any, system: str, prompt: str, answer: str) -> Conversation:
    """The conversation as the tokenizer's chat template writes it.

    The prompt ends with the template's generation prompt. A template that refuses a system
    role, or drops its text, gets the system text at the head of the user's message.

    Raises:
        ConfigError: the tokenizer has no chat template, or one that loses the messages.
    """
    if not tokenizer.chat_template:
        raise ConfigError(
            "text format 'chat': the tokenizer has no chat template",
            value=tokenizer.name_or_path,
            expected="the tokenizer of an instruct model",
            next_step="Use format 'compact', or a tokenizer with a chat template.",
        )
    user = {"role": "user", "content": prompt}
    folded = {"role": "user", "content": f"{system}\n\n{prompt}" if system else prompt}
    messages = [{"role": "system", "content": system}, user] if system else [user]
    text = None
    try:
        text = _render(tokenizer, messages, generate=True)
    except jinja2.TemplateError:
        if not system:
            raise
    if text is None or (system and system.strip() not in text):
        messages = [folded]
        text = _render(tokenizer, messages, generate=True)
    whole = _render(
        tokenizer, [*messages, {"role": "assistant", "content": _ANSWER}], generate=False
    )
    if whole.count(_ANSWER) != 1:
        raise ConfigError(
            "chat template: the assistant's message does not come out once",
            value=whole[-80:],
            expected="a template that writes each message as it is",
            next_step="Correct the tokenizer's chat_template, or use format 'compact'.",
        )
    return Conversation(text, answer, _stop(tokenizer, whole.split(_ANSWER)[1]))


def _render(tokenizer: Any, messages: list[dict[str, str]], *, generate: bool) -> str:
    return str(
        tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=generate, **_FIXED
        )
    )


def _stop(tokenizer: Any, after: str) -> str:
    """The first special token behind the assistant's message, else the end-of-text token."""
    names = {str(t) for t in tokenizer.added_tokens_decoder.values() if t.special}
    names |= set(tokenizer.all_special_tokens)
    found = [(after.find(name), -len(name), name) for name in names if name and name in after]
    if found:
        return after[: min(found)[0]] + min(found)[2]
    return end_of_text(tokenizer)
