"""load_tokenizer: the character vocabulary, folders, and names that do not exist."""

import json
import re
import string
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2Config

from arcflow.core.errors import ConfigError
from arcflow.text.tokenizer import OTHER_SYMBOLS, character_tokenizer, load_tokenizer
from arcflow.text.tokenizer_file import TokenizerWarning
from tests.helpers.tokenizers import llama3_like, qwen_like, sentencepiece_like

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


TEXT = "0120\n3345\n  it's = 1000;\n"


def saved(tokenizer: Any, named: str, folder: Path) -> str:
    """Save a tokenizer as if it were of another class, as some models' files do."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": named}))
    return str(folder)


OTHER_CLASSES = [
    # DeepSeek V3's files name this class, which would lose all white space.
    (llama3_like, "LlamaTokenizerFast"),
    (llama3_like, "Qwen2Tokenizer"),
    (sentencepiece_like, "Qwen2TokenizerFast"),
    (sentencepiece_like, "LlamaTokenizer"),
    (llama3_like, "GemmaTokenizer"),  # it would fail at the first unknown character
]


@pytest.mark.parametrize(("make", "named"), OTHER_CLASSES)
def test_the_file_is_taken_where_the_class_that_is_built_differs(
    make: Callable[[], Any], named: str, tmp_path: Path
) -> None:
    folder = saved(make(), named, tmp_path)
    with pytest.warns(TokenizerWarning, match="Its own tokenizer.json is used as it is") as said:
        loaded = load_tokenizer(folder)
    assert len(said) == 1
    assert folder in str(said[0].message)
    ids = make()(TEXT, add_special_tokens=False)["input_ids"]
    assert loaded(TEXT, add_special_tokens=False)["input_ids"] == ids
    assert loaded.decode(ids) == make().decode(ids)
    assert loaded.eos_token == make().eos_token
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        again = load_tokenizer(folder)
    assert again.backend_tokenizer.to_str() == loaded.backend_tokenizer.to_str()


def test_the_file_is_taken_where_no_class_can_be_built(tmp_path: Path) -> None:
    folder = saved(llama3_like(), "OwnTokenizer", tmp_path)
    path = tmp_path / "tokenizer_config.json"
    # The class is code in the model's folder, which is never run.
    options = json.loads(path.read_text()) | {"auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    path.write_text(json.dumps(options))
    with pytest.warns(TokenizerWarning, match="builds for it fails"):
        loaded = load_tokenizer(folder)
    ids = loaded(TEXT, add_special_tokens=False)["input_ids"]
    assert loaded.decode(ids) == TEXT


def test_a_class_that_does_what_the_file_says_is_kept(tmp_path: Path) -> None:
    loaded = load_tokenizer(saved(qwen_like(), "Qwen2TokenizerFast", tmp_path))
    assert type(loaded).__name__.startswith("Qwen2Tokenizer")


def test_a_changed_file_is_compared_again(tmp_path: Path) -> None:
    with pytest.warns(TokenizerWarning):
        load_tokenizer(saved(llama3_like(), "Qwen2Tokenizer", tmp_path))
    loaded = load_tokenizer(saved(qwen_like(), "Qwen2Tokenizer", tmp_path))
    assert type(loaded).__name__.startswith("Qwen2Tokenizer")


def test_a_downloaded_model_is_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "models--someone--deep"
    saved(llama3_like(), "LlamaTokenizerFast", model / "snapshots" / "abc")
    (model / "snapshots" / "abc" / "config.json").write_text('{"model_type": "llama"}')
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc")
    for name in (
        "huggingface_hub.constants.HF_HUB_CACHE",
        "huggingface_hub.file_download.HF_HUB_CACHE",
    ):
        monkeypatch.setattr(name, str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.warns(TokenizerWarning, match="'someone/deep': LlamaTokenizer"):
        loaded = load_tokenizer("someone/deep")
    ids = loaded(TEXT, add_special_tokens=False)["input_ids"]
    assert loaded.decode(ids) == TEXT


def test_a_folder_that_no_class_reads_as_its_file_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(qwen_like(), "PreTrainedTokenizerFast", tmp_path)
    monkeypatch.setattr(
        "transformers.PreTrainedTokenizerFast.from_pretrained", lambda *_, **__: llama3_like()
    )
    with pytest.raises(ConfigError, match=r"does not do what its tokenizer.json says: got ") as e:
        load_tokenizer(folder)
    assert folder in str(e.value)
