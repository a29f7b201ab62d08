"""Every field of PEFT's LoraConfig: an adapter that PEFT wrote gives PEFT's logits, or is refused.

The fields come from PEFT itself. A field that a later PEFT adds fails here until it has a value to
be tried with and a place in ``arcflow.modules.adapter_config``.
"""

import json
import logging
import warnings
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig as PeftLoraConfig
from peft import PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, Qwen2Config

from arcflow.core.errors import ArcflowError, CheckpointError
from arcflow.modules import adapter_config
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from tests.helpers.adapters import logits
from tests.helpers.tiny import SIZES, VOCABULARY

FIELDS = {field.name: field for field in fields(PeftLoraConfig)}

OURS = LoRAConfig(rank=4, alpha=8, target_modules=["q_proj", "down_proj"])
THEIRS: dict[str, Any] = {
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj", "down_proj"],
    "task_type": "CAUSAL_LM",
}

EMBEDDINGS = ["q_proj", "down_proj", "lm_head", "embed_tokens"]

VALUES: dict[str, list[Any]] = {
    "task_type": ["CAUSAL_LM", None, "FEATURE_EXTRACTION", "SEQ_CLS"],
    "peft_type": ["LORA", "LOHA", None],
    "auto_mapping": [{"base_model_class": "Qwen2ForCausalLM", "parent_library": "transformers"}],
    "peft_version": ["0.21.2", "0.22.0"],
    "base_model_name_or_path": [None, "Some/Other-7B"],
    "revision": ["main"],
    "inference_mode": [True, False],
    "r": [4, 8],
    "target_modules": [["q_proj", "down_proj"], ["q_proj"], ["lm_head"], EMBEDDINGS, ".*q_proj"],
    "exclude_modules": [["k_proj"], ["q_proj"]],
    "lora_alpha": [8, 3, 2.5],
    "lora_dropout": [0.3],
    "fan_in_fan_out": [True],
    "bias": ["none", "all", "lora_only"],
    "use_rslora": [True],
    "modules_to_save": [["embed_tokens"], ["lm_head"], []],
    "init_lora_weights": [
        True,
        False,
        "gaussian",
        "orthogonal",
        "eva",
        "mica",
        "pissa",
        "pissa_niter_4",
        "olora",
        "corda",
        "loftq",
        "lora_ga",
        "something new",
    ],
    "layers_to_transform": [[0], 1],
    "layers_pattern": ["layers"],
    "rank_pattern": [{"q_proj": 2}],
    "alpha_pattern": [{"q_proj": 2}],
    "megatron_config": [{"tensor_model_parallel_size": 1}],
    "megatron_core": ["megatron.core", "mine.core"],
    "trainable_token_indices": [[0, 1], {"embed_tokens": [2]}],
    "loftq_config": [{"loftq_bits": 4}],
    "eva_config": [{"rho": 1.5}],
    "corda_config": [{"corda_method": "ipm"}],
    "lora_ga_config": [{"direction": "ArBr"}],
    "use_dora": [True],
    "velora_config": [{"num_groups": 8}],
    "alora_invocation_tokens": [[5, 6]],
    "use_qalora": [True],
    "qalora_group_size": [8],
    "monteclora_config": [{"num_samples": 4}],
    "layer_replication": [[[0, 2], [1, 2]]],
    "runtime_config": [{"ephemeral_gpu_offload": True}],
    "lora_bias": [True],
    "target_parameters": [["q_proj.weight"]],
    "use_bdlora": [{"target_modules_bd_a": ["q_proj"], "nblocks": 2}],
    "arrow_config": [{"top_k": 2}],
    "kasa_config": [{"beta": 0.1}],
    "ensure_weight_tying": [True],
}
"""Values that are not the default, for each field."""

BESIDE: dict[str, dict[str, Any]] = {"layers_pattern": {"layers_to_transform": [0]}}
"""What PEFT asks for beside a field."""

UNABLE = (AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError)
"""What PEFT raises where data, a GPU, other packages or sensible values are missing."""

SETTINGS = [(field, value) for field, values in VALUES.items() for value in values]


def test_every_field_has_values_to_be_tried_and_a_place_in_the_list() -> None:
    assert set(VALUES) == set(FIELDS)
    groups = (
        adapter_config.FREE,
        adapter_config.KNOWN,
        adapter_config.OFF,
        adapter_config.COMPARED,
    )
    listed = [name for group in groups for name in group]
    assert sorted(listed) == sorted(FIELDS)
    for name, value in adapter_config.DEFAULTS.items():
        assert FIELDS[name].default == value
    for name in adapter_config.OFF:
        field = FIELDS[name]
        made = None if field.default_factory is MISSING else field.default_factory()
        assert field.default in (None, False) or made == {}, name


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, str]:
    """Saved models whose head is tied to the embedding, and is not."""
    made = {}
    for tied in (True, False):
        folder = tmp_path_factory.mktemp("tied" if tied else "untied") / "base"
        with torch.random.fork_rng():
            torch.manual_seed(0)
            sizes = Qwen2Config(**SIZES, vocab_size=VOCABULARY, tie_word_embeddings=tied)
            AutoModelForCausalLM.from_config(sizes).save_pretrained(folder)
        made[tied] = str(folder)
    return made


def theirs(base: str, folder: Path, field: str, value: Any) -> Tensor | None:
    """Write an adapter with PEFT; its logits there, loaded afresh, or None if PEFT loads none.

    Where PEFT cannot make such an adapter here, it is a plain one whose config says so.
    """
    options = THEIRS | BESIDE.get(field, {})
    edited = {}
    try:
        model = _trained(base, options | {field: value})
    except UNABLE:
        model = _trained(base, options)
        edited = {field: value}
    model.save_pretrained(str(folder))
    file = folder / "adapter_config.json"
    written = json.loads(file.read_text())
    if field not in written or written[field] != value:
        edited = {field: value if not isinstance(written.get(field), dict) else written[field]}
    if field == "target_modules":
        edited = {}
    file.write_text(json.dumps(written | edited))
    try:
        again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder))
        return logits(again.eval())
    except UNABLE:
        return None


def _trained(base: str, options: dict[str, Any]) -> Any:
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), PeftLoraConfig(**options)
    ).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    logits(model)  # some can be made, but do not compute
    return model


def ours(base: str, adapter: Path, config: LoRAConfig, road: str) -> LoRAModule:
    backbone = BackboneConfig(model=base, attention="sdpa")
    module = LoRAModule(backbone, config, vocab_size=VOCABULARY, **{road: str(adapter)})
    module.configure_model()
    return module.eval()


def matching(field: str, value: Any) -> LoRAConfig:
    """The options of model.lora that a person gives beside such an adapter."""
    names = {"r": "rank", "lora_alpha": "alpha", "use_rslora": "rslora", "use_dora": "dora"}
    if field in names:
        return replace(OURS, **{names[field]: value})
    if field == "target_modules":
        targets = ["q_proj"] if isinstance(value, str) else list(value)
        return replace(OURS, target_modules=targets)
    if field == "exclude_modules":
        kept = [name for name in ("q_proj", "down_proj") if name not in value]
        return replace(OURS, target_modules=kept)
    if field in ("layers_to_transform", "layers_pattern"):
        layers = {"layers": [0], "1": [1]}.get(str(value), value)
        ends = [
            f"layers.{i}.{name}" for i in layers for name in ("self_attn.q_proj", "mlp.down_proj")
        ]
        return replace(OURS, target_modules=ends)
    return OURS


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize(("field", "value"), SETTINGS, ids=[f"{f}={v}" for f, v in SETTINGS])
def test_peft_logits_or_a_refusal_by_name(
    bases: dict[bool, str], tmp_path: Path, field: str, value: Any, tied: bool
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, about what this makes on purpose
        wanted = theirs(bases[tied], tmp_path / "adapter", field, value)
    config = matching(field, value)
    try:
        module = ours(bases[tied], tmp_path / "adapter", config, "adapter")
    except CheckpointError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        told = {"base_model_name_or_path": "trained on another base model"}.get(field, field)
        assert told in refusal
        assert field not in adapter_config.COMPARED
        return
    assert wanted is not None, "PEFT itself cannot load it"
    found = logits(module.model)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    again = ours(bases[tied], tmp_path / "adapter", config, "start_from")
    torch.testing.assert_close(logits(again.model), wanted, rtol=0, atol=1e-5)
    module.merge(tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(merged), wanted, rtol=0, atol=1e-5)
    exported = module.export(tmp_path / "exported")
    once_more = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(bases[tied]), str(exported)
    )
    torch.testing.assert_close(logits(once_more.eval()), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init_lora_weights": "pissa"}, "uses PEFT's init_lora_weights"),
        ({"alora_invocation_tokens": [3]}, "uses PEFT's alora_invocation_tokens"),
        ({"of_tomorrow": 1}, "uses PEFT's of_tomorrow"),
        ({"of_tomorrow": False}, "uses PEFT's of_tomorrow"),
        ({"bias": None}, "uses PEFT's bias"),
        ({"init_lora_weights": 1}, "uses PEFT's init_lora_weights"),
        ({"r": "4"}, "trained with another lora.rank: got '4'"),
        ({"r": None}, "trained with another lora.rank: got None"),
        ({"lora_alpha": None}, "trained with another lora.alpha: got None"),
        ({"use_rslora": None}, "trained with another lora.rslora: got None"),
    ],
)
def test_values_that_mean_nothing_here(
    bases: dict[bool, str], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    theirs(bases[True], tmp_path, "r", 4)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(CheckpointError) as error:
        ours(bases[True], tmp_path, OURS, "adapter")
    assert message in str(error.value)


def test_a_null_field_of_tomorrow_is_off(bases: dict[bool, str], tmp_path: Path) -> None:
    wanted = theirs(bases[True], tmp_path, "r", 4)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"of_tomorrow": None}))
    assert wanted is not None
    assert torch.allclose(logits(ours(bases[True], tmp_path, OURS, "adapter").model), wanted)


def test_pefts_defaults_for_rank_and_alpha_are_taken_and_said(
    bases: dict[bool, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs(bases[True], tmp_path, "r", 8)
    file = tmp_path / "adapter_config.json"
    found = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in found.items() if k not in ("r", "lora_alpha")}))
    base = AutoModelForCausalLM.from_pretrained(bases[True])
    wanted = logits(PeftModel.from_pretrained(base, str(tmp_path)).eval())
    with caplog.at_level(logging.WARNING, "arcflow"):
        module = ours(bases[True], tmp_path, replace(OURS, rank=8, alpha=8), "adapter")
    torch.testing.assert_close(logits(module.model), wanted, rtol=0, atol=1e-5)
    said = [record.getMessage() for record in caplog.records]
    assert any("has no r; PEFT's default, 8, is taken" in line for line in said)
    assert any("has no lora_alpha; PEFT's default, 8, is taken" in line for line in said)
    with pytest.raises(CheckpointError, match=r"another lora.alpha: got 8.0. Expected 32"):
        ours(bases[True], tmp_path, replace(OURS, rank=8, alpha=32), "adapter")


def test_base_weights_beside_an_adapter_must_be_the_models_own(
    bases: dict[bool, str], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs(bases[True], tmp_path, "target_modules", ["embed_tokens"])
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(str(file))
    [name] = [key for key in tensors if "base_layer" in key]
    tensors[name][0, 0] += 1
    save_file(tensors, str(file), metadata={"format": "pt"})
    with pytest.raises(ArcflowError, match="it replaces weights of the base model"):
        ours(bases[True], tmp_path, replace(OURS, target_modules=["embed_tokens"]), "adapter")
