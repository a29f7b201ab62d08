"""GGUF files that cannot be used: one line each, from the header alone."""

import contextlib
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ConfigError
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.gguf.checks import checked_header
from arcflow.modules.gguf.folder import model_folder, tokenizer_folder
from arcflow.modules.gguf.header import read_header
from arcflow.modules.lora_module import LoRAModule
from tests.helpers.gguf_files import divisors, small_model, write_gguf
from tests.helpers.tokenizers import qwen_like


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("whole") / "whole.gguf", small_model())


def refusal(name: object, cache: Path) -> str:
    with pytest.raises(ConfigError) as error:
        model_folder(str(name))
    assert not cache.exists() or not list(cache.glob("[!.]*"))
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith("model.backbone.model: ")
    return said.removeprefix("model.backbone.model: ")


def test_the_header_is_what_gguf_s_own_reader_reads(file: Path) -> None:
    ours, theirs = read_header(file), GGUFReader(file)
    assert ours.architecture == "llama"
    for key, field in theirs.fields.items():
        if not key.startswith("GGUF."):
            assert ours.metadata[key] == field.contents()
    assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        entry = ours.tensors[tensor.name]
        assert entry.shape == tuple(int(n) for n in reversed(tensor.shape))
        assert entry.number_type == tensor.tensor_type
        assert ours.data_start + entry.offset == tensor.data_offset


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(share=st.floats(0, 1, exclude_max=True), header=st.booleans())
def test_a_file_that_is_cut_off(file: Path, tmp_path: Path, share: float, header: bool) -> None:
    read = read_header(file)
    whole = file.read_bytes()
    end = read.data_start if header else len(whole.rstrip(b"\0"))
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: int(share * end)])
    with pytest.raises(ConfigError, match="not a whole GGUF file"):
        checked_header(cut)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_a_header_with_changed_bytes_is_read_or_refused(
    file: Path, tmp_path: Path, seed: int
) -> None:
    data = bytearray(file.read_bytes())
    generator = random.Random(seed)
    start = read_header(file).data_start
    for _ in range(generator.choice((1, 1, 10, 1000))):
        data[generator.randrange(4, generator.choice((64, 600, start)))] = generator.randrange(256)
    changed = tmp_path / "changed.gguf"
    changed.write_bytes(data)
    with contextlib.suppress(ConfigError):  # nothing else
        checked_header(changed)


def test_what_is_no_gguf_file(tmp_path: Path, cache: Path) -> None:
    empty = tmp_path / "empty.gguf"
    empty.write_bytes(b"")
    assert "(it does not begin as a GGUF file does)" in refusal(empty, cache)
    empty.write_bytes(b"GGUF" + (1).to_bytes(4, "little") + bytes(100))
    assert "(its version is 1; 2 and 3 are known)" in refusal(empty, cache)
    assert refusal(tmp_path / "none.gguf", cache).startswith("no such file: got")


def test_an_architecture_that_transformers_cannot_read(tmp_path: Path, cache: Path) -> None:
    for name in ("rwkv7", "t5", "general"):
        other = write_gguf(tmp_path / "other.gguf", small_model(), name)
        said = refusal(other, cache)
        assert f"transformers cannot read GGUF files of the architecture {name}: got" in said
        assert "llama, " in said
        assert said.endswith("Give the folder of the same model in safetensors.")


def test_several_files_in_a_folder(tmp_path: Path, cache: Path) -> None:
    for name in ("b.gguf", "a.GGUF"):
        (tmp_path / name).write_bytes(b"")
    assert refusal(tmp_path, cache) == (
        "the folder has several GGUF files: got ['a.GGUF', 'b.gguf']. Expected one model. Name "
        f"the file: --model.backbone.model {tmp_path}/a.GGUF"
    )


def test_the_package_gguf_is_missing(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    said = refusal(file, cache)
    assert said.startswith("the package gguf, which reads such files, is not installed")
    assert said.endswith('Install it with: pip install "arcflow[gguf]"')


def scaling(writer: GGUFWriter) -> None:
    writer.add_string("llama.rope.scaling.type", "yarn")


@pytest.mark.parametrize("change", [divisors(np.linspace(1, 8, 8)), scaling])
def test_scaled_rotary_embeddings_that_transformers_leaves_out(
    change: Callable[[GGUFWriter], object], tmp_path: Path, cache: Path
) -> None:
    scaled = write_gguf(tmp_path / "scaled.gguf", small_model(), change=change)
    said = refusal(scaled, cache)
    assert said.startswith("transformers does not read how this file scales its rotary embeddings")


def test_a_part_of_several(tmp_path: Path, cache: Path) -> None:
    part = write_gguf(
        tmp_path / "part.gguf", small_model(), change=lambda w: w.add_uint16("split.count", 3)
    )
    assert "llama-gguf-split --merge" in refusal(part, cache)


def test_missing_weights_and_weights_that_are_not_finite(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "model.gguf"
    model = small_model(num_hidden_layers=1)
    model.config.num_hidden_layers = 2
    assert "no weights for model.layers.1" in refusal(write_gguf(file, model), cache)
    model = small_model()
    model.model.norm.weight.data[3] = float("nan")
    said = refusal(write_gguf(file, model), cache)
    assert "(model.norm.weight has values that are not finite)" in said


def test_a_tokenizer_that_splits_texts_in_an_unknown_way(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "model.gguf", small_model(), splitting="jais-2")
    with pytest.raises(ConfigError, match="splits texts in a way that is not known") as error:
        tokenizer_folder(str(file))
    assert "{'tokenizer.ggml.pre': 'jais-2'}" in str(error.value)
    assert str(error.value).endswith(
        "Set --model.tokenizer to a folder with the model's own tokenizer.json."
    )
    qwen_like().save_pretrained(tmp_path / "own")
    LoRAModule(BackboneConfig(model=str(file)), tokenizer=str(tmp_path / "own")).configure_model()
