"""Texts that come from models and users: their normal form, and that they stay in their place."""

import ast
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import DataError
from arcflow.text.program_text import SafeTexts, normal_text, read_program
from arcflow.text.recent import Recent
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.tokenizers import llama3_like, qwen_like, sentencepiece_like, word_level

TOKENIZERS = [lambda: load_tokenizer("characters"), qwen_like, llama3_like, sentencepiece_like]
PIECES = [
    "<|im_end|>",
    "<|eos|>",
    "</s>",
    "<s>",
    "<|eot_id|>",
    "```",
    "`",
    "<",
    "|>",
    "\n",
    " ",
    "a",
]
HOSTILE = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=12).map("".join)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("def task(g):\n    return g", "def task(g):\n    return g\n"),
        ("\n  \n    x = 1\n\n\n", "    x = 1\n"),
        ("a\r\nb\rc", "a\nb\nc\n"),
        ("", "\n"),
        (" \n\t\n", "\n"),
        ("a\ud800b", "a?b\n"),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normal_text(text) == normal
    assert normal_text(normal) == normal


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("x = 1", "x = 1\n"),
        ("```python\nx = 1\n```", "x = 1\n"),
        ("The rule is:\n\n```python\nx = 1\n```\n\nOr:\n\n```python\nx = 2\n```", "x = 1\n"),
        ("```python  \r\nx = 1\r\n```", "x = 1\n"),
        ("```python\nx = 1", "x = 1\n"),
        ("```python\nx = 1```", "x = 1\n"),
        ("```python\n```", None),
        ("", None),
        (" \n\n", None),
        ("I do not know.", "I do not know.\n"),
    ],
)
def test_the_program_in_what_a_model_wrote(text: str, program: str | None) -> None:
    assert read_program(text) == program


@pytest.mark.parametrize("make", TOKENIZERS)
@settings(deadline=None, max_examples=60)
@given(text=HOSTILE)
def test_no_text_becomes_a_special_token_or_ends_a_block(make: Any, text: str) -> None:
    tokenizer = make()
    safe = SafeTexts(tokenizer)(text).text
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert special.isdisjoint(ids_of(tokenizer, safe))
    assert "```" not in safe
    assert safe.endswith("\n")
    assert SafeTexts(tokenizer)(safe).text == safe
    assert safe.replace(" ", "") == normal_text(text).replace(" ", "")


@pytest.mark.parametrize("make", TOKENIZERS)
def test_programs_stay_as_they_are(make: Any) -> None:
    program = "def task(grid):\n    if 1 < grid.size <= 3:  # `a` ``b``\n        return grid | 1\n"
    assert SafeTexts(make())(program).text == program


def test_operators_that_look_like_a_token_mean_the_same() -> None:
    program = "y = a<s>b\nz = [c</s>d]\n".replace("</s>", "<d>")
    safe = SafeTexts(sentencepiece_like())(program).text
    assert safe.startswith("y = a< s>b\n")
    assert ast.dump(ast.parse(safe)) == ast.dump(ast.parse(program))


def test_tags_that_are_not_declared_special_are_broken_up_too() -> None:
    tokenizer = pickle.loads(pickle.dumps(qwen_like()))
    tokenizer.add_tokens(["<think>", "task"])
    assert SafeTexts(tokenizer)("task <think>").text == "task < think>\n"


def test_a_special_token_that_cannot_be_broken_up_is_refused() -> None:
    tokenizer = pickle.loads(pickle.dumps(qwen_like()))
    tokenizer.add_special_tokens({"additional_special_tokens": ["¤"]})
    with pytest.raises(DataError, match=r"becomes a special token: got '¤'.*Remove that part"):
        SafeTexts(tokenizer)("a ¤ b")


def test_what_a_tokenizer_cannot_write_is_named() -> None:
    safe = SafeTexts(load_tokenizer("characters"))
    assert safe("x = 1").unknown == ""
    assert safe("x = 'né'").unknown == "é"
    assert SafeTexts(word_level(keeps_space=True))("x = 1").unknown
    assert SafeTexts(qwen_like())("x = 'né'").unknown == ""


def test_what_was_made_lately_is_made_once() -> None:
    made: list[int] = []

    def double(key: int) -> int:
        made.append(key)
        return 2 * key

    recent: Recent[int, int] = Recent(2)
    assert [recent.get(key, double) for key in (1, 2, 1, 3, 1, 2)] == [2, 4, 2, 6, 2, 4]
    assert made == [1, 2, 3, 2]
    assert len(recent) == 2
    copy = pickle.loads(pickle.dumps(recent))
    assert len(copy) == 0
    assert [copy.get(key, double) for key in (5, 6, 7)] == [10, 12, 14]
    assert len(copy) == 2
