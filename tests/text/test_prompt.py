"""Templates and conversations: the exact text, a user's own files, and what is refused."""

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.task import Task, task_from_json
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import KINDS, get_kind
from arcflow.text.template import PromptTemplate
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.tokenizers import NO_SYSTEM, qwen_like, sentencepiece_like, word_level

TASK = task_from_json(
    "tiny",
    {
        "train": [
            {"input": [[1, 2], [3, 4]], "output": [[5]]},
            {"input": [[6]], "output": [[7, 8]]},
        ],
        "test": [{"input": [[9, 0]], "output": [[3, 3]]}, {"input": [[8]], "output": [[2]]}],
    },
)


def own(folder: Path, text: str) -> str:
    path = folder / "own.jinja"
    path.write_text(text, "utf-8")
    return str(path)


def prompt_of(template: str, task: Task = TASK) -> str:
    return Encoder(load_tokenizer("characters"), TextConfig(template=template)).text(task)


def with_chat_template(tokenizer: Any, template: str | None) -> Any:
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = template
    return tokenizer


def test_compact_text_of_the_character_tokenizer() -> None:
    encoder = Encoder(load_tokenizer("characters"))
    assert encoder.text(TASK) == (
        "<|bos|><|input|>12\n34<|output|>5<|eos|><|input|>6<|output|>78<|eos|><|input|>90<|output|>"
    )
    assert encoder.text(TASK, 1).endswith("<|input|>8<|output|>")


def test_compact_text_without_marker_tokens() -> None:
    encoder = Encoder(word_level(keeps_space=True), TextConfig(GridText(separator=" ")))
    assert encoder.text(TASK) == "I\n1 2\n3 4\nO\n5\n</s>I\n6\nO\n7 8\n</s>I\n9 0\nO\n"


def test_chat_text_goes_through_the_chat_template() -> None:
    encoder = Encoder(qwen_like(), TextConfig(GridText(frame="code"), format="chat"))
    text = encoder.text(TASK)
    assert text.startswith("<|im_start|>system\nYou solve visual puzzles")
    assert text.endswith("and nothing else.<|im_end|>\n<|im_start|>assistant\n")
    assert text.count("<|im_start|>") == 3
    blocks = re.findall(r"```grid\n(.*?)\n```\n", text, re.DOTALL)
    assert blocks == ["12\n34", "5", "6", "78", "90"]
    assert "## Example 2\n\nInput:\n\n```grid\n6\n```\n\nOutput:\n\n```grid\n78\n```\n" in text


@pytest.mark.parametrize(
    "template",
    [
        NO_SYSTEM,
        "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}</s>{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}>{% endif %}",
    ],
    ids=["refuses", "drops"],
)
def test_a_system_text_the_template_will_not_take_goes_to_the_user(template: str) -> None:
    tokenizer = with_chat_template(sentencepiece_like(), template)
    text = Encoder(tokenizer, TextConfig(GridText(frame="code"), format="chat")).text(TASK)
    assert text.count("You solve visual puzzles") == 1
    assert text.index("You solve visual puzzles") < text.index("One hidden rule turns")


def test_the_space_before_an_assistants_message_belongs_to_the_answer() -> None:
    encoder = Encoder(sentencepiece_like(), TextConfig(GridText(frame="code"), format="chat"))
    example, start = encoder.example(TASK), len(encoder.prompt(TASK))
    written = sentencepiece_like().convert_ids_to_tokens(example.input_ids[start:].tolist())
    assert "".join(written).startswith("▁")
    assert encoder.text(TASK).endswith("[/INST]")


def test_chat_without_a_chat_template_is_refused() -> None:
    with pytest.raises(ConfigError, match="the tokenizer has no chat template") as caught:
        Encoder(load_tokenizer("characters"), TextConfig(format="chat"))
    assert "Use format 'compact', or a tokenizer with a chat template." in str(caught.value)


LOST = "it drops, shortens or changes the user's message"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ raise_exception('only tools') }}", "it fails (only tools)"),
        ("{{ messages[0].content }}", "it drops, shortens or changes the assistant's message"),
        ("{% for m in messages %}{{ m.content | length }}{% endfor %}", LOST),
        ("{{ messages[-1].content }}", "it drops, shortens or changes the user's message"),
        ("{% for m in messages %}{{ m.content[:20000] }}{% endfor %}", LOST),
        ("{% for m in messages %}{{ m.content | truncate(9000) }}{% endfor %}", LOST),
        ("{% for m in messages %}{{ m.content.split() | join(' ') }}{% endfor %}", LOST),
        ("{% for m in messages %}{{ m.content | escape }}{% endfor %}", LOST),
        ("{% for m in messages %}{{ m.content * 2 }}{% endfor %}", "it repeats the user's message"),
        (
            "{% for m in messages %}{% if m.role == 'assistant' %}{{ raise_exception('no') }}"
            "{% endif %}{{ m.content }}{% endfor %}",
            "it fails at the answer (no)",
        ),
        ("{% for m in messages %}{{ m.content + 1 }}{% endfor %}", "it fails (can only concat"),
    ],
)
def test_chat_templates_that_cannot_work_are_refused(template: str, why: str) -> None:
    tokenizer = with_chat_template(qwen_like(), template)
    tokenizer.name_or_path = "some/model"
    with pytest.raises(ConfigError, match=re.escape("chat template: " + why)) as caught:
        Encoder(tokenizer, TextConfig(format="chat"))
    assert "got \"the chat template of 'some/model'\"" in str(caught.value)


THINKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}%s{{ m.content.split('</think>')[-1] }}{% else %}"
    "{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
CHANNELS = (
    "{% for m in messages %}<|start|>{{ m.role }}"
    "{% if m.role == 'assistant' %}<|channel|>final{% endif %}<|message|>{{ m.content }}"
    "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (THINKS.replace("%s", ""), "<|im_start|>assistant\n"),
        (THINKS.replace("%s", "<think>\n\n</think>\n\n"), "<think>\n\n</think>\n\n"),
        (CHANNELS, "<|start|>assistant<|channel|>final<|message|>"),
    ],
    ids=["thoughts left out", "empty thoughts", "channels"],
)
def test_the_model_answers_at_once(template: str, end: str) -> None:
    tokenizer = with_chat_template(qwen_like(), template)
    encoder = Encoder(tokenizer, TextConfig(format="chat"))
    assert encoder.fast
    assert encoder.text(TASK).endswith(end)
    answer = encoder.example(TASK).input_ids[len(encoder.prompt(TASK)) :]
    assert tokenizer.decode(answer.tolist()) == "33<|im_end|>"
    assert encoder.decode(answer)[0] == "33"


def test_a_system_text_that_is_cut_goes_to_the_user() -> None:
    template = (
        "{% for m in messages %}{{ m.role }}: "
        "{{ m.content[:3000] if m.role == 'system' else m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    text = Encoder(with_chat_template(qwen_like(), template), TextConfig(format="chat")).text(TASK)
    assert text.startswith("user: You solve visual puzzles")


@pytest.mark.parametrize("form", ["compact", "chat"])
def test_a_tokenizer_without_an_end_token_is_refused_by_name(form: str) -> None:
    plain = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    tokenizer = with_chat_template(qwen_like(), plain)
    tokenizer.eos_token = None
    tokenizer.name_or_path = "some/model"
    message = "the tokenizer has no end-of-text token: got 'some/model'"
    with pytest.raises(ConfigError, match=message):
        Encoder(tokenizer, TextConfig(format=form))  # type: ignore[arg-type]


def test_a_users_own_file_with_the_test_input_twice(tmp_path: Path) -> None:
    name = own(
        tmp_path,
        "{% block prompt %}{{ test.input }}?{% for pair in examples | reverse %}"
        "{{ pair.output }}<{{ pair.input }};{% endfor %}{{ test.input }}!{% endblock %}\n"
        "{% block answer %}= {{ output }}{% endblock %}",
    )
    config = TextConfig(GridText(frame="code"), template=name, loss="outputs")
    encoder = Encoder(load_tokenizer("characters"), config)
    text = encoder.text(TASK).replace("```grid\n", "[").replace("\n```", "]")
    assert text == "[90]?[78]<[6];[5]<[12\n34];[90]!"
    scored = [t for t in encoder.example(TASK).labels.tolist() if t >= 0]
    text = load_tokenizer("characters").decode(scored)
    assert text.replace("```grid\n", "[").replace("\n```", "]") == "[78]<[5]<= [33]<|eos|>"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("{% block prompt %}\n\n{{ test.input }\n{% endblock %}", 3, "unexpected '}'"),
        ("{% block prompt %}\n{{ test.input }}", 2, "Unexpected end of template"),
        (
            "\n{% block prompt %}{{ test.input }}\n{{ grid }}{% endblock %}",
            3,
            "'grid' is undefined",
        ),
        ("{% block prompt %}{{ test.input }}\n{{ output }}{% endblock %}", 2, "is undefined"),
        (
            "{% block prompt %}{{ test.input }}\n\n{{ test.output }}{% endblock %}",
            3,
            "no attribute",
        ),
        ("{% block prompt %}{{ test.input }}\n{{ 1 / 0 }}{% endblock %}", 2, "division by zero"),
        ("{% block prompt %}{{ test.input }}\n{{ 1 + '1' }}{% endblock %}", 2, "unsupported"),
        ("{% block prompt %}\n{{ ''.__class__.__mro__ }}{% endblock %}", 2, "unsafe"),
        ("\n\n{% block prompt %}{{ bos }}{% endblock %}", 3, "does not show test.input"),
        (
            "{% block prompt %}{{ test.input }}{% endblock %}\n{% block answer %}7{% endblock %}",
            2,
            "the answer does not show output",
        ),
        ("{% block prompt %}{{ test.input }}\n\ue123{% endblock %}", 2, "a reserved character"),
    ],
)
def test_errors_in_a_users_file_name_file_and_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    name = own(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        prompt_of(name)
    assert str(caught.value).startswith(f"template {name}, line {line}: ")
    assert message in str(caught.value)


def test_a_template_needs_a_prompt(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"own.jinja: no prompt: got \['answer'\]"):
        prompt_of(own(tmp_path, "{% block answer %}{{ output }}{% endblock %}"))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.jinja"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"cannot be read .*Expected a text file in UTF-8"):
        prompt_of(str(path))


def test_an_unknown_template_lists_the_shipped_ones() -> None:
    with pytest.raises(
        ConfigError,
        match=r"a shipped template \(chat-long, chat-priors, .*compact-v1\) or the path",
    ):
        prompt_of("chat-v0")


@pytest.mark.parametrize("name", ["chat-v1", "compact-v1"])
def test_the_hash_is_that_of_the_text(name: str, tmp_path: Path) -> None:
    shipped = PromptTemplate(name)
    assert PromptTemplate(own(tmp_path, shipped.source)).hash == shipped.hash
    assert PromptTemplate(own(tmp_path, shipped.source + "\n")).hash != shipped.hash


def test_words_around_an_answer_without_a_frame_are_refused(tmp_path: Path) -> None:
    name = own(
        tmp_path,
        "{% block prompt %}{{ test.input }}{% endblock %}"
        "{% block answer %}= {{ output }}{% endblock %}",
    )
    with pytest.raises(ConfigError, match=r"got '= 0123456789'.*needs a frame around the grid"):
        prompt_of(name)


def test_kinds_are_found_by_name() -> None:
    assert get_kind("output-from-examples") is KINDS["output-from-examples"]
    with pytest.raises(ConfigError, match=r"unknown task kind: got 'poem'. Expected one of \["):
        get_kind("poem")


def test_a_test_input_that_is_not_there_is_refused() -> None:
    encoder = Encoder(load_tokenizer("characters"))
    with pytest.raises(DataError, match=r"task tiny: no such test input: got 2. Expected 0..1"):
        encoder.prompt(TASK, 2)


def test_text_needs_no_torch() -> None:
    code = "import sys, arcflow.text.context; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
