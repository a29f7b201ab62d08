"""load_tokenizer: the character vocabulary, folders, and names that do not exist."""

import json
import re
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2Config

from arcflow.core.errors import ConfigError
from arcflow.text.tokenizer import OTHER_SYMBOLS, character_tokenizer, load_tokenizer
from tests.helpers.tokenizers import qwen_like

CHARACTERS = string.printable[:95] + "\n" + OTHER_SYMBOLS


@settings(deadline=None, max_examples=50)
@given(st.text(CHARACTERS, max_size=50).filter(lambda text: "<|" not in text))
def test_characters_are_one_token_each_and_come_back(text: str) -> None:
    tokenizer = load_tokenizer("characters")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text


def test_the_character_vocabulary_is_fixed() -> None:
    first, second = character_tokenizer(), character_tokenizer()
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()
    assert len(first) == 112
    assert [first.pad_token_id, first.bos_token_id, first.eos_token_id] == [0, 1, 2]
    assert first("<|input|>07<|output|>", add_special_tokens=False)["input_ids"] == [4, 6, 13, 5]
    assert first("€", add_special_tokens=False)["input_ids"] == [first.unk_token_id]


def test_a_folder_is_loaded(tmp_path: Path) -> None:
    qwen_like().save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    text = "Input:\n\n```grid\n012\n```<|im_end|>"
    assert loaded(text)["input_ids"] == qwen_like()(text)["input_ids"]
    assert loaded.chat_template == qwen_like().chat_template


def test_characters_beside_a_model_are_not_taken_for_the_models_own_kind(tmp_path: Path) -> None:
    Qwen2Config().save_pretrained(tmp_path)
    character_tokenizer().save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    states = [json.loads(t.backend_tokenizer.to_str()) for t in (loaded, character_tokenizer())]
    assert states[0] == states[1]
    assert loaded.special_tokens_map == character_tokenizer().special_tokens_map
    assert type(loaded) is type(character_tokenizer())


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the folder holds none that loads") as caught:
        load_tokenizer(str(tmp_path))
    assert "Save the tokenizer there with save_pretrained." in str(caught.value)


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"added_tokens": [], "model": {"type": 1}}'])
def test_a_damaged_file_is_refused(content: str, tmp_path: Path) -> None:
    qwen_like().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ConfigError, match="the folder holds none that loads"):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize("name", ["./models/qwen", "/no/such/folder", "models/qwen/7b", "~/qwen"])
def test_a_path_that_is_not_there_never_asks_the_hub(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no such folder: got .*Correct model.tokenizer"):
        load_tokenizer(name)


@pytest.mark.parametrize("name", ["no/such-model", "no such name"])
def test_an_unknown_name_is_refused_without_a_trace(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"^tokenizer: not found") as caught:
        load_tokenizer(name)
    message = str(caught.value)
    assert re.search(re.escape(f"got {name!r}"), message)
    assert "without a network, give the folder of a downloaded model" in message
    assert "\n" not in message
