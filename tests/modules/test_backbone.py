import json
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file

from arcflow.core.errors import ConfigError
from arcflow.modules import number_type
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.loss.causal_lm import causal_loss
from arcflow.modules.number_type import cpu_computes
from tests.helpers.tiny import SIZES, VOCABULARY, packed, save_tiny, tiny


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(v, theirs[k]) for k, v in a.state_dict().items())


def test_random_weights_are_a_function_of_the_seed() -> None:
    first = tiny(seed=3)
    torch.rand(7)
    assert same(first, tiny(seed=3))
    assert not same(first, tiny(seed=4))


def test_building_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    tiny(seed=3)
    assert torch.equal(before, torch.get_rng_state())


def test_tiny_takes_sizes_and_the_tokenizers_vocabulary() -> None:
    model = tiny()
    assert model.config.model_type == "qwen2"
    assert model.get_input_embeddings().weight.shape == (VOCABULARY, SIZES["hidden_size"])
    assert len(model.model.layers) == SIZES["num_hidden_layers"]
    assert model.training


def test_config_json_is_trained_from_scratch(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps({"model_type": "llama", "num_hidden_layers": 1, "vocab_size": 9} | SIZES)
    )
    config = BackboneConfig(model=str(path), config={"num_hidden_layers": 3})
    assert config.from_scratch
    model = load_backbone(config, VOCABULARY)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert len(model.model.layers) == 3
    assert model.get_input_embeddings().weight.shape[0] == VOCABULARY


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtype(tmp_path: Path, dtype: str) -> None:
    folder = save_tiny(tmp_path, dtype=torch.bfloat16)
    model = load_backbone(BackboneConfig(model=folder, dtype=dtype), VOCABULARY)
    assert model.dtype == getattr(torch, dtype)
    auto = load_backbone(BackboneConfig(model=folder), VOCABULARY)
    assert auto.dtype == (torch.bfloat16 if cpu_computes(torch.bfloat16) else torch.float32)
    for a, b in zip(auto.parameters(), model.parameters(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-7)  # float16's smallest step
    assert tiny(dtype=dtype).dtype == getattr(torch, dtype)


@pytest.mark.parametrize("saved", [torch.bfloat16, torch.float16])
def test_a_cpu_without_instructions_for_the_saved_type_computes_in_float32(
    tmp_path: Path,
    saved: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = save_tiny(tmp_path, dtype=saved)
    monkeypatch.setattr(number_type, "cpu_computes", lambda dtype: False)
    short = str(saved).removeprefix("torch.")
    model = load_backbone(BackboneConfig(model=folder), VOCABULARY, device_type="cpu")
    assert model.dtype == torch.float32
    assert f"was saved in {short}" in caplog.text
    assert f"Set model.backbone.dtype: {short}" in caplog.text
    caplog.clear()
    # A GPU has instructions for both, and a type that the user names is taken as it is.
    assert (
        load_backbone(BackboneConfig(model=folder), VOCABULARY, device_type="cuda").dtype == saved
    )
    asked = BackboneConfig(model=folder, dtype=short)  # type: ignore[arg-type]
    assert load_backbone(asked, VOCABULARY, device_type="cpu").dtype == saved
    monkeypatch.setattr(number_type, "cpu_computes", lambda dtype: True)
    assert load_backbone(BackboneConfig(model=folder), VOCABULARY, device_type="cpu").dtype == saved
    assert not caplog.text


def test_a_saved_model_needs_room_for_the_vocabulary(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path)
    load_backbone(BackboneConfig(model=folder), VOCABULARY - 5)
    with pytest.raises(ConfigError, match="embedding is smaller than the tokenizer's") as error:
        load_backbone(BackboneConfig(model=folder), VOCABULARY + 1)
    assert f"Expected an embedding of at least {VOCABULARY + 1} rows" in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "./no/such/folder"}, "backbone.model: no model loads from here (no such folder"),
        ({"model": "/no/such/config.json"}, "backbone.model: no model loads from here (no such f"),
        ({"config": {"hiden_size": 3}}, "backbone.config: Qwen2Config has no option 'hiden_size'"),
        ({"config": {"num_attention_heads": 0}}, "cannot be built with these sizes"),
        ({"attention": "no_such_attention"}, "cannot be built with these sizes"),
        ({"quantization": "nf4"}, "backbone.quantization: random weights cannot be quantized"),
    ],
)
def test_mistakes(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_backbone(BackboneConfig(**options), VOCABULARY)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "Expected" in str(error.value)


def test_an_unknown_name_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="no model loads from here") as error:
        load_backbone(BackboneConfig(model="nobody/has-this-model"), VOCABULARY)
    assert "got 'nobody/has-this-model'. Expected tiny-qwen2, a config.json" in str(error.value)
    assert "without a network, give the folder of a downloaded model." in str(error.value)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model loads from here"):
        load_backbone(BackboneConfig(model=str(tmp_path)), VOCABULARY)
    (tmp_path / "config.json").write_text("{broken")
    with pytest.raises(ConfigError, match="no model loads from here"):
        load_backbone(BackboneConfig(model=str(tmp_path)), VOCABULARY)


def test_damaged_or_missing_weights(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    save_file(
        {k: v for k, v in weights.items() if "layers.1.mlp.up" not in k}, path, {"format": "pt"}
    )
    with pytest.raises(ConfigError, match=r"does not load \(no weights for model.layers.1.mlp.up"):
        load_backbone(BackboneConfig(model=folder), VOCABULARY)
    path.write_bytes(b"broken")
    with pytest.raises(ConfigError, match=r"backbone: .* does not load") as error:
        load_backbone(BackboneConfig(model=folder), VOCABULARY)
    assert "Correct these options, or save or download the model again." in str(error.value)
    path.unlink()
    with pytest.raises(ConfigError, match=r"does not load \(.*no file named model.safetensors"):
        load_backbone(BackboneConfig(model=folder), VOCABULARY)


def test_an_attention_that_is_not_there(tmp_path: Path) -> None:
    config = BackboneConfig(model=save_tiny(tmp_path), attention="no_such_attention")
    with pytest.raises(ConfigError, match=r"does not load .*no_such_attention"):
        load_backbone(config, VOCABULARY)


def test_a_saved_model_keeps_its_sizes(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path)
    with pytest.raises(ConfigError, match="a saved model has its own sizes"):
        load_backbone(BackboneConfig(model=folder, config={"hidden_size": 64}), VOCABULARY)


def test_gradient_checkpointing_changes_no_gradient() -> None:
    plain, checkpointed = tiny(), tiny(gradient_checkpointing=True)
    assert checkpointed.is_gradient_checkpointing
    for model in (plain, checkpointed):
        causal_loss(model, packed())[0].backward()
    for a, b in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_missing_bitsandbytes_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    config = BackboneConfig(model=save_tiny(tmp_path), quantization="nf4")
    with pytest.raises(ConfigError) as error:
        load_backbone(config, VOCABULARY)
    assert 'pip install "arcflow[bnb]"' in str(error.value)
