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
    """The whole text of a question and its answer, placeholders in place of values.

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
    """What stands around grids and texts in the compact format.

    A program is what leads from inputs to outputs, so where there are marker tokens, its own is
    the two of them in a row, which stand beside each other nowhere else: no vocabulary has to grow.

    Attributes:
        input: comes before an input.
        output: comes before an output.
        end: ends every output, that of the answer too; holds the end-of-text token.
        code: comes before a program.
        feedback: comes between a program and what is wrong with it.
        stop: `end` behind a text, which brings its last newline along.
    """

    input: str
    output: str
    end: str
    code: str
    feedback: str
    stop: str


def marks(tokenizer: Any) -> Marks:
    """Special tokens where the vocabulary has them, else letters on their own lines."""
    eos = end_of_text(tokenizer)
    if {INPUT_MARKER, OUTPUT_MARKER} <= set(tokenizer.all_special_tokens):
        code = INPUT_MARKER + OUTPUT_MARKER
        return Marks(INPUT_MARKER, OUTPUT_MARKER, eos, code, OUTPUT_MARKER, eos)
    return Marks("I\n", "\nO\n", "\n" + eos, "P\n", "F\n", eos)


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


def compact(tokenizer: Any, prompt: str, answer: str, *, text: bool) -> Conversation:
    """Nothing around the text; the answer, a text or a grid, ends as those of the prompt do."""
    mark = marks(tokenizer)
    return Conversation(prompt, answer, mark.stop if text else mark.end)


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
    messages = [{"role": "system", "content": system}, user] if system else [user]
    try:
        text = _render(tokenizer, messages, generate=True)
    except jinja2.TemplateError:
        text = ""
    if not text or system not in text:
        messages = [{"role": "user", "content": f"{system}\n\n{prompt}".strip()}]
        try:
            text = _render(tokenizer, messages, generate=True)
        except jinja2.TemplateError as error:
            raise _refused(tokenizer, f"it fails ({error})") from error
    answered = [*messages, {"role": "assistant", "content": _ANSWER}]
    whole = _render(tokenizer, answered, generate=False)
    if whole.count(_ANSWER) != 1 or prompt not in text:
        raise _refused(tokenizer, "it does not write each message once and as it is")
    before, after = whole.split(_ANSWER)
    # Some templates put a space between the generation prompt and the answer.
    lead = before[len(text) :] if before.startswith(text) else ""
    return Conversation(text, lead + answer, _stop(tokenizer, after))


def _refused(tokenizer: Any, why: str) -> ConfigError:
    return ConfigError(
        f"chat template: {why}",
        value=tokenizer.chat_template,
        expected="a template for a user's and an assistant's message",
        next_step="Correct the tokenizer's chat_template, or use format 'compact'.",
    )


def _render(tokenizer: Any, messages: list[dict[str, str]], *, generate: bool) -> str:
    return str(
        tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=generate, **_FIXED
        )
    )


def _stop(tokenizer: Any, after: str) -> str:
    """What follows the answer, to the end of its first special token; else the end of text."""
    special = {str(t) for t in tokenizer.added_tokens_decoder.values() if t.special}
    found = [(after.find(t), -len(t), t) for t in special if t in after]
    if not found:
        return end_of_text(tokenizer)
    at, _, token = min(found)
    return after[:at] + token
