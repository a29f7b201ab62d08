"""Chat templates: the text is a function of the messages, on any day and at any time."""

import copy
from datetime import datetime
from typing import Any

import pytest

from arcflow.core.errors import ConfigError
from arcflow.core.task import Task
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.grid_text import GridText
from tests.helpers.tokenizers import qwen_like
from tests.text.test_prompt import TASK

CONFIG = TextConfig(GridText(frame="code"), format="chat")

TURNS = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{%- endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{%- endif %}"
)

# As Llama 3.2 does: the caller's date, else today's, else one of its own.
LIKE_LLAMA = (
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    '{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}'
    '{%- set date_string = "26 Jul 2024" %}{%- endif %}{%- endif %}'
    "Cutting Knowledge Date: December 2023\nToday Date: {{ date_string }}\n\n" + TURNS
)

# As SmolLM3 and gpt-oss do: today's date, whatever the caller says.
LIKE_SMOLLM = (
    '{%- set today = strftime_now("%d %B %Y") -%}'
    "{%- macro metadata() -%}Today Date: {{ today }}, {{ strftime_now('%H:%M') }}\n{%- endmacro -%}"
    "{{ metadata() }}" + TURNS
)

# The day stands where there is a system's message only.
IN_THE_SYSTEM = TURNS.replace(
    "<|im_end|>", "{% if m.role == 'system' %}{{ strftime_now('%Y') }}{% endif %}<|im_end|>"
)


def encoder(template: str) -> Encoder[Any]:
    tokenizer = copy.deepcopy(qwen_like())
    tokenizer.chat_template = template
    return Encoder(tokenizer, CONFIG)


def set_today(monkeypatch: pytest.MonkeyPatch, *day: int) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":
            return cls(*day)

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Clock)


def texts(template: str, task: Task = TASK) -> tuple[str, list[int], dict[str, str]]:
    made = encoder(template)
    return made.text(task), made.example(task).input_ids.tolist(), made.fingerprint()


@pytest.mark.parametrize("template", [LIKE_LLAMA, LIKE_SMOLLM, IN_THE_SYSTEM])
def test_a_prompt_is_the_same_on_every_day(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_today(monkeypatch, 2026, 11, 29, 10, 46)
    first = texts(template)
    set_today(monkeypatch, 2027, 1, 2, 3, 4)
    assert texts(template) == first
    assert "2025" in first[0]
    assert "2026" not in first[0]


def test_the_day_is_the_one_that_date_string_has() -> None:
    assert (
        encoder(LIKE_LLAMA)
        .text(TASK)
        .startswith(
            "Cutting Knowledge Date: December 2023\nToday Date: 01 Jan 2025<|im_start|>system"
        )
    )
    assert encoder(LIKE_SMOLLM).text(TASK).startswith("Today Date: 01 January 2025, 00:00")


def test_the_fingerprint_names_the_day_where_the_template_asks_for_todays() -> None:
    assert encoder(LIKE_SMOLLM).fingerprint()["chat_day"] == "2025-01-01"
    assert encoder(IN_THE_SYSTEM).fingerprint()["chat_day"] == "2025-01-01"
    # These have always been given this day.
    assert "chat_day" not in encoder(LIKE_LLAMA).fingerprint()
    assert "chat_day" not in encoder(TURNS).fingerprint()


@pytest.mark.parametrize(
    "random",
    [
        "{{ ['Hi', 'Hello'] | random }}",
        "{{ lipsum() }}",
        "{{ lipsum(n=1)|upper }}",
        "{% set x = [[1, 2]] | map('random') | list %}{{ x }}",
    ],
)
def test_templates_that_write_something_else_each_time_are_refused(random: str) -> None:
    with pytest.raises(ConfigError, match=r"something else each time \(random or lipsum\)"):
        encoder(random + TURNS)


def test_words_that_only_look_random_are_taken() -> None:
    words = "Answer at | random or lipsum() {# | random #}{{ messages[0].lipsum }}"
    assert encoder(words + TURNS).text(TASK).startswith("Answer at | random or lipsum() ")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (
            "{% for m in messages %}{% if m.role == 'assistant' %}"
            "{{ raise_exception('no answers here') }}{% endif %}{% endfor %}",
            "it fails at the answer (no answers here)",
        ),
        ("{{ strftime_now(3) }}", "it fails (strftime() argument 1 must be str, not int)"),
        ("{{ messages[7].content.text }}", "it fails ("),
        ("{{ 1 / 0 }}", "it fails (division by zero)"),
        ("{% if %}", "it fails (Expected an expression"),
    ],
)
def test_templates_that_fail_are_refused_in_one_sentence(broken: str, why: str) -> None:
    with pytest.raises(ConfigError) as error:
        encoder(broken + TURNS)
    assert f"chat template: {why}" in str(error.value)


def test_named_templates_need_one_that_is_the_default() -> None:
    tokenizer = copy.deepcopy(qwen_like())
    tokenizer.chat_template = {"tool_use": TURNS}
    with pytest.raises(ConfigError, match="chat template: it fails"):
        Encoder(tokenizer, CONFIG)
    tokenizer.chat_template = {"default": TURNS, "tool_use": "{{ 1 / 0 }}"}
    assert Encoder(tokenizer, CONFIG).text(TASK) == encoder(TURNS).text(TASK)
