import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.modules.adapter_files import export_adapter, read_adapter
from arcflow.modules.adapters import (
    LoRAConfig,
    adapter_names,
    adapter_parameters,
    adapter_state,
    attach_adapter,
    load_adapter_state,
    remove_adapter,
    set_active,
    temporary_adapter,
)
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.export import merge_and_export
from arcflow.modules.identity import describe_base, identity
from arcflow.modules.objective import causal_loss
from arcflow.text.tokenizer import load_tokenizer
from tests.tiny import VOCABULARY, packed, save_tiny, tiny

SMALL = LoRAConfig(rank=4, alpha=8)


def logits(model: nn.Module) -> Tensor:
    batch = packed((12,))
    with torch.no_grad():
        found: Tensor = model(input_ids=batch["input_ids"], use_cache=False).logits
    return found


def shake(model: PreTrainedModel, name: str = "default", seed: int = 0) -> None:
    """Give an adapter numbers that matter, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapter_parameters(model, name).values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def snapshot(model: PreTrainedModel) -> dict[str, Any]:
    """Everything that a temporary adapter could leave a trace in."""
    return {
        "state": {k: v.clone() for k, v in model.state_dict().items()},
        "ids": {k: id(v) for k, v in model.named_parameters()},
        "flags": {k: v.requires_grad for k, v in model.named_parameters()},
        "types": [(k, type(m), id(m), m.training) for k, m in model.named_modules()],
        "attributes": {k: sorted(m.__dict__) for k, m in model.named_modules()},
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        "active": [m.active_adapters for m in model.modules() if hasattr(m, "lora_A")],
        "adapters": adapter_names(model),
        "configs": list(getattr(model, "peft_config", {})),
        "random": torch.get_rng_state(),
    }


def assert_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for key in before.keys() - {"state", "random"}:
        assert before[key] == after[key], key
    assert list(before["state"]) == list(after["state"])
    assert all(torch.equal(v, after["state"][k]) for k, v in before["state"].items())
    assert torch.equal(before["random"], after["random"])


# --- attaching -----------------------------------------------------------------------------


@pytest.mark.parametrize("init", ["default", "gaussian", "orthogonal", "pissa", "olora"])
def test_a_new_adapter_changes_no_logit_and_is_alone_trained(init: Any) -> None:
    model = tiny().eval()
    before = logits(model)
    attach_adapter(model, replace(SMALL, init=init))
    assert torch.allclose(before, logits(model), atol=1e-5)
    trained = {k for k, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * 7 * 2
    assert all(".lora_" in key for key in trained)
    assert not any("lm_head" in key for key in trained)


def test_first_values_are_a_function_of_the_seed() -> None:
    torch.manual_seed(0)
    random_state = torch.get_rng_state()
    states = []
    for seed in (1, 1, 2):
        model = tiny()
        attach_adapter(model, SMALL, seed=seed)
        states.append(adapter_state(model))
        torch.rand(3)
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert not all(torch.equal(states[0][k], states[2][k]) for k in states[0])
    torch.set_rng_state(random_state)
    attach_adapter(tiny(), SMALL, seed=1)
    assert torch.equal(random_state, torch.get_rng_state())


def test_adapters_are_trained_in_float32_on_a_bfloat16_model() -> None:
    model = tiny(dtype="bfloat16")
    attach_adapter(model, replace(SMALL, dora=True))
    assert {p.dtype for p in adapter_parameters(model).values()} == {torch.float32}
    assert logits(model).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "lora.rank: out of range: got 0. Expected 1 or more. Correct model.lora"),
        ({"alpha": 0.0}, "lora.alpha: out of range: got 0.0"),
        ({"dropout": 1.0}, "lora.dropout: out of range: got 1.0"),
        ({"rank": 3, "init": "orthogonal"}, "lora.rank: out of range: got 3. Expected an even"),
        ({"init": "pissa", "dora": True}, "lora.init: out of range: got 'pissa'"),
        (
            {"target_modules": ["q_proj", "query"]},
            "the model has no such layer: got 'query'. Expected \"all-linear\" or some of down_pr",
        ),
    ],
)
def test_mistakes(options: dict[str, Any], message: str) -> None:
    model = tiny()
    before = snapshot(model)
    with pytest.raises(ConfigError) as error:
        attach_adapter(model, LoRAConfig(**options))
    assert message in str(error.value)
    assert_same(before, snapshot(model))


def test_state_goes_out_and_in() -> None:
    first, second = tiny(), tiny()
    config = replace(SMALL, dora=True, target_modules=["q_proj", "up_proj"])
    attach_adapter(first, config, "one", seed=1)
    attach_adapter(second, config, "other", seed=2)
    shake(first, "one")
    state = adapter_state(first, "one")
    assert len(state) == 2 * 2 * 3
    load_adapter_state(second, state, "other")
    assert torch.equal(logits(first.eval()), logits(second.eval()))
    shake(first, "one", seed=5)
    assert not torch.equal(state[key := next(iter(state))], adapter_state(first, "one")[key])


def test_state_of_another_shape_is_refused_before_anything_changes() -> None:
    model = tiny()
    attach_adapter(model, SMALL)
    before = adapter_state(model)
    wider = tiny()
    attach_adapter(wider, replace(SMALL, rank=8))
    with pytest.raises(CheckpointError, match=r"lora_A.weight has another shape.*Expected \(4, "):
        load_adapter_state(model, adapter_state(wider))
    less = dict(before)
    less.pop(key := sorted(less)[-1])
    with pytest.raises(CheckpointError, match=f"a tensor is missing: got '{key}'"):
        load_adapter_state(model, less)
    with pytest.raises(CheckpointError, match="a tensor is not of this model: got 'zzz'"):
        load_adapter_state(model, {**before, "zzz": torch.zeros(1)})
    assert all(torch.equal(v, before[k]) for k, v in adapter_state(model).items())


# --- no trace ------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    trained=st.sampled_from([None, SMALL, replace(SMALL, rank=2, target_modules=["q_proj"])]),
    resting=st.booleans(),
    config=st.sampled_from(
        [
            SMALL,
            replace(SMALL, dropout=0.3),
            replace(SMALL, dora=True, init="gaussian"),
            replace(SMALL, rslora=True, target_modules=["q_proj", "down_proj"]),
        ]
    ),
    training=st.booleans(),
    fails=st.booleans(),
)
def test_a_temporary_adapter_leaves_no_trace(
    trained: LoRAConfig | None, resting: bool, config: LoRAConfig, training: bool, fails: bool
) -> None:
    model = tiny().train(training)
    if trained is not None:
        attach_adapter(model, trained)
        shake(model)
        set_active(model, None if resting else "default")
    before, answers = snapshot(model), logits(model.eval()) if not training else None
    try:
        with temporary_adapter(model, config) as parameters:
            assert {id(p) for p in model.parameters() if p.requires_grad} == {
                id(p) for p in parameters
            }
            optimizer = torch.optim.AdamW(parameters, lr=0.1)
            with torch.random.fork_rng():
                for _ in range(2):
                    causal_loss(model, packed())[0].backward()
                    optimizer.step()
                    optimizer.zero_grad()
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert_same(before, snapshot(model))
    if answers is not None:
        assert torch.equal(answers, logits(model))
    assert all(p.grad is None for p in model.parameters())


def test_a_temporary_copy_starts_where_the_trained_adapter_is_and_replaces_it() -> None:
    model = tiny().eval()
    base = logits(model)
    attach_adapter(model, SMALL)
    shake(model)
    trained = logits(model)
    with temporary_adapter(model, SMALL, start=adapter_state(model)) as parameters:
        assert torch.equal(trained, logits(model))
        with torch.no_grad():
            for parameter in parameters:
                parameter.zero_()
        assert torch.allclose(base, logits(model), atol=1e-6)
    assert torch.equal(trained, logits(model))


def test_temporary_adapters_that_do_not_fit() -> None:
    model = tiny()
    attach_adapter(model, SMALL)
    before = snapshot(model)
    with (
        pytest.raises(CheckpointError, match="has another shape"),
        temporary_adapter(model, replace(SMALL, rank=2), start=adapter_state(model)),
    ):
        pass
    assert_same(before, snapshot(model))
    with (
        pytest.raises(ConfigError, match="must leave the base weights alone: got 'pissa'"),
        temporary_adapter(model, replace(SMALL, init="pissa")),
    ):
        pass
    assert_same(before, snapshot(model))


def test_a_temporary_adapter_only_for_answers_is_frozen() -> None:
    model = tiny()
    with temporary_adapter(model, SMALL, trainable=False):
        assert not any(p.requires_grad for p in model.parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_many_adapters_rest_beside_each_other() -> None:
    model = tiny().eval()
    answers = {None: logits(model)}
    for name in ("a", "b", "c"):
        attach_adapter(model, SMALL, name)
        shake(model, name, seed=ord(name))
        answers[name] = logits(model)
    for name in ("b", None, "a", "c"):
        set_active(model, name)
        assert torch.equal(answers[name], logits(model))
    remove_adapter(model, "b")
    assert adapter_names(model) == ["a", "c"]
    set_active(model, "c")
    assert torch.equal(answers["c"], logits(model))


# --- files ---------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> str:
    return save_tiny(tmp_path / "base")


def trained_on(folder: str, config: LoRAConfig, **options: Any) -> tuple[PreTrainedModel, Any]:
    model = load_backbone(BackboneConfig(model=folder, attention="sdpa", **options), VOCABULARY)
    base = describe_base(model, folder)
    attach_adapter(model, config)
    shake(model)
    return model.eval(), identity(base, config)


CONFIGS = [
    SMALL,
    replace(SMALL, rslora=True, alpha=3.5, target_modules=["v_proj", "q_proj"]),
    replace(SMALL, dora=True),
    replace(SMALL, init="pissa"),
    replace(SMALL, init="olora", rslora=True),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_peft_loads_an_exported_adapter_unchanged(
    saved: str, tmp_path: Path, config: LoRAConfig
) -> None:
    model, record = trained_on(saved, config)
    folder = export_adapter(model, tmp_path / "adapter", config, record)
    base = AutoModelForCausalLM.from_pretrained(saved)
    theirs = PeftModel.from_pretrained(base, str(folder)).eval()
    assert torch.allclose(logits(model), logits(theirs), atol=1e-5)
    assert json.loads((folder / "adapter_config.json").read_text())["peft_type"] == "LORA"
    assert json.loads((folder / "arcflow.json").read_text())["base_model"]["name"] == saved


@pytest.mark.parametrize("config", CONFIGS)
def test_transformers_loads_a_merged_model_unchanged(
    saved: str, tmp_path: Path, config: LoRAConfig
) -> None:
    model, _ = trained_on(saved, config)
    before = snapshot(model)
    tokenizer = load_tokenizer("characters")
    folder = merge_and_export(model, tmp_path / "merged", tokenizer=tokenizer)
    assert_same(before, snapshot(model))
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    assert torch.allclose(logits(model), logits(theirs), atol=1e-5)
    assert theirs.config.tie_word_embeddings
    assert load_tokenizer(str(folder)).get_vocab() == tokenizer.get_vocab()


def test_a_model_without_adapter_is_exported_too(tmp_path: Path) -> None:
    model = tiny().eval()
    theirs = AutoModelForCausalLM.from_pretrained(merge_and_export(model, tmp_path))
    assert torch.allclose(logits(model), logits(theirs), atol=1e-5)


def test_an_adapter_is_continued(saved: str, tmp_path: Path) -> None:
    model, record = trained_on(saved, SMALL)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    again, _ = trained_on(saved, SMALL)
    shake(again, seed=9)
    load_adapter_state(again, read_adapter(folder, again, SMALL, record))
    assert torch.equal(logits(model), logits(again))


def test_a_quantized_or_shorter_number_type_is_the_same_base(saved: str) -> None:
    first = describe_base(load_backbone(BackboneConfig(model=saved), VOCABULARY), saved)
    for dtype in ("bfloat16", "float16"):
        model = load_backbone(BackboneConfig(model=saved, dtype=dtype), VOCABULARY)
        other = identity(describe_base(model, "elsewhere"), SMALL)
        from arcflow.modules.identity import check_identity

        check_identity("adapter", identity(first, SMALL), other)


def test_an_adapter_for_another_base_model_is_refused(saved: str, tmp_path: Path) -> None:
    model, record = trained_on(saved, SMALL)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    other, other_record = trained_on(save_tiny(tmp_path / "other", seed=1), SMALL)
    with pytest.raises(CheckpointError) as error:
        read_adapter(folder, other, SMALL, other_record)
    assert "trained on another base model (its weights differ): got " in str(error.value)
    assert f"Set backbone.model to the model it was trained on ({saved})" in str(error.value)
    wrong = copy.deepcopy(other_record)
    wrong["base_model"]["sizes"]["hidden_size"] = 64
    with pytest.raises(CheckpointError, match=r"trained on another base model \(sizes\)"):
        read_adapter(folder, other, SMALL, wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 8}, "trained with another lora.rank: got 4. Expected 8, as configured. Set m"),
        ({"alpha": 16.0}, "trained with another lora.alpha: got 8.0"),
        ({"rslora": True}, "trained with another lora.rslora: got False"),
        ({"dora": True}, "trained with another lora.dora: got False"),
    ],
)
@pytest.mark.parametrize("ours", [True, False])
def test_other_lora_options_are_refused(
    saved: str, tmp_path: Path, change: dict[str, Any], message: str, ours: bool
) -> None:
    model, record = trained_on(saved, SMALL)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    if not ours:
        (folder / "arcflow.json").unlink()
    config = replace(SMALL, **change)
    with pytest.raises(CheckpointError) as error:
        read_adapter(folder, model, config, record | {"lora": config.spec()})
    assert message in str(error.value)


def test_adapters_of_peft_itself(saved: str, tmp_path: Path) -> None:
    model, record = trained_on(saved, SMALL)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    (folder / "arcflow.json").unlink()
    state = read_adapter(folder, model, SMALL, record)
    assert state.keys() == adapter_state(model).keys()
    settings_file = folder / "adapter_config.json"
    theirs = json.loads(settings_file.read_text())
    settings_file.write_text(json.dumps(theirs | {"base_model_name_or_path": "Some/Other-7B"}))
    with pytest.raises(CheckpointError, match="another base model: got 'Some/Other-7B'"):
        read_adapter(folder, model, SMALL, record)
    settings_file.write_text(json.dumps(theirs | {"rank_pattern": {"q_proj": 2}}))
    with pytest.raises(CheckpointError, match="uses PEFT's rank_pattern"):
        read_adapter(folder, model, SMALL, record)


def test_folders_that_hold_no_adapter(saved: str, tmp_path: Path) -> None:
    model, record = trained_on(saved, SMALL)
    with pytest.raises(CheckpointError, match="not an adapter folder: got 'no adapter_config"):
        read_adapter(tmp_path / "none", model, SMALL, record)
    folder = export_adapter(model, tmp_path / "adapter", SMALL, record)
    (folder / "adapter_model.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="damaged"):
        read_adapter(folder, model, SMALL, record)
    (folder / "arcflow.json").write_text(json.dumps(record | {"format": 99}))
    export_adapter(model, folder, SMALL, record | {"format": 99})
    with pytest.raises(CheckpointError, match=r"another format: got 99. Expected arcflow format 1"):
        read_adapter(folder, model, SMALL, record)


# --- quantized -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantization", "dora"),
    [("nf4", False), ("nf4", True), ("fp4", False), ("fp4", True), ("int8", False)],
)
def test_quantized_models_learn_export_and_merge(
    tmp_path: Path, quantization: Any, dora: bool
) -> None:
    pytest.importorskip("bitsandbytes")
    saved = save_tiny(tmp_path / "base")
    config = replace(SMALL, dora=dora)
    model, record = trained_on(saved, config, quantization=quantization, dtype="float32")
    assert all(p.dtype == torch.float32 for p in adapter_parameters(model).values())
    optimizer = torch.optim.AdamW(adapter_parameters(model).values(), lr=0.01)
    losses = []
    for _ in range(8):
        loss, _ = causal_loss(model, packed())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1

    folder = export_adapter(model, tmp_path / "adapter", config, record)
    plain, plain_record = trained_on(saved, config)
    load_adapter_state(plain, read_adapter(folder, plain, config, plain_record))

    before = snapshot(model)
    merged = AutoModelForCausalLM.from_pretrained(merge_and_export(model, tmp_path / "merged"))
    assert_same(before, snapshot(model))
    assert not hasattr(merged.config, "quantization_config")
    # int8 also rounds activations, which merged weights do not.
    assert torch.allclose(
        logits(model), logits(merged), atol=0.3 if quantization == "int8" else 1e-3
    )


def test_a_temporary_adapter_on_a_quantized_model_leaves_no_trace(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    model, _ = trained_on(save_tiny(tmp_path), SMALL, quantization="nf4")
    before, answers = snapshot(model), logits(model)
    with temporary_adapter(model, SMALL, start=adapter_state(model)) as parameters:
        causal_loss(model, packed())[0].backward()
        torch.optim.AdamW(parameters, lr=0.1).step()
        assert not torch.equal(answers, logits(model))
    assert_same(before, snapshot(model))
    assert torch.equal(answers, logits(model))


def test_inits_that_change_the_base_need_plain_weights(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    with pytest.raises(ConfigError, match=r"lora.init: out of range: got 'olora'"):
        trained_on(save_tiny(tmp_path), replace(SMALL, init="olora"), quantization="nf4")
    with pytest.raises(ConfigError, match=r"lora.dora: out of range: got True. Expected false"):
        trained_on(str(tmp_path), replace(SMALL, dora=True), quantization="int8")


def test_answers_of_a_4_bit_model_leave_it_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = save_tiny(tmp_path, hidden_size=64, intermediate_size=64)
    model, _ = trained_on(folder, SMALL, quantization="nf4")
    model.train()
    before = logits(model)
    logits(model.eval())
    assert torch.equal(before, logits(model.train()))


@pytest.mark.parametrize("damage", ["{", '{"format": 1}'])
def test_a_damaged_record_beside_an_adapter_is_refused(tmp_path: Path, damage: str) -> None:
    model = tiny()
    config = LoRAConfig(rank=2)
    attach_adapter(model, config)
    record = identity(describe_base(model, "tiny-qwen2"), config)
    folder = export_adapter(model, tmp_path / "adapter", config, record)
    (folder / "arcflow.json").write_text(damage)
    with pytest.raises(CheckpointError, match=r"damaged|written in another format"):
        read_adapter(folder, model, config, record)
