"""The last layer works only where the loss reads it: the same loss and gradients for less."""

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from arcflow.modules import attention
from arcflow.modules.attention import NAME, register
from arcflow.modules.lora.adapters import LoRAConfig, attach_adapter
from arcflow.modules.loss import causal_lm as objective
from arcflow.modules.loss import skip_unscored as last_layer
from arcflow.modules.loss.causal_lm import causal_loss
from tests.modules.test_attention import kernel_stand_in

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}
CONFIGS = {
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
    "llama": LlamaConfig(**SIZES),
    "mistral with windows": MistralConfig(**SIZES, sliding_window=5),
    "gemma3 with windows": Gemma3TextConfig(
        **SIZES, sliding_window=5, layer_types=["full_attention"] * 2 + ["sliding_attention"]
    ),
}
LENGTHS = [7, 1, 13, 2, 22]
# Where each sample is scored: its end; nowhere; two stretches; its second token; all but the first.
SCORED = [[5, 6], [], [3, 4, 11, 12], [1], list(range(1, 22))]


def batch_of(scored: list[list[int]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 50, (1, sum(LENGTHS)), generator=generator)
    labels = torch.full_like(ids, -100)
    start = 0
    for n, places in zip(LENGTHS, scored, strict=True):
        labels[0, [start + i for i in places]] = ids[0, [start + i for i in places]]
        start += n
    positions = torch.cat([torch.arange(n) for n in LENGTHS])[None]
    return {"input_ids": ids, "labels": labels, "position_ids": positions}


def model_of(name: str) -> PreTrainedModel:
    register()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[name], attn_implementation=NAME)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4 if parameter.ndim > 1 else 1)
    last_layer.watch_last_layer(model)
    return model.train()


def learn(model: PreTrainedModel, batch: dict[str, Tensor]) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    loss, _ = causal_loss(model, batch)
    loss.backward()
    return loss.item(), {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def same_with_and_without(model, batch, monkeypatch) -> None:
    loss, gradients = learn(model, batch)
    with monkeypatch.context() as patch:
        patch.setattr(objective, "restrict_to_scored", lambda model, inputs, labels: inputs)
        expected, reference = learn(model, batch)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert gradients.keys() == reference.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, reference[name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradients_are_those_of_the_whole_layer(name: str, monkeypatch) -> None:
    same_with_and_without(model_of(name), batch_of(SCORED), monkeypatch)


@pytest.mark.parametrize(
    "scored", [[[6], [], [], [], []], [[]] * 5, [list(range(n)) for n in LENGTHS]]
)
def test_one_scored_token_none_and_all(scored, monkeypatch) -> None:
    same_with_and_without(model_of("qwen2"), batch_of(scored), monkeypatch)


@pytest.mark.parametrize("reentrant", [True, False])
def test_under_gradient_checkpointing(reentrant: bool, monkeypatch) -> None:
    model = model_of("qwen2")
    _, plain = learn(model, batch_of(SCORED))
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    same_with_and_without(model, batch_of(SCORED), monkeypatch)
    _, again = learn(model, batch_of(SCORED))
    for name, gradient in again.items():
        torch.testing.assert_close(gradient, plain[name], atol=1e-4, rtol=1e-4)


def test_with_an_adapter_attached_after_the_first_loss(monkeypatch) -> None:
    model = model_of("qwen2")
    learn(model, batch_of(SCORED))
    attach_adapter(model, LoRAConfig(rank=4, alpha=8), seed=0)
    same_with_and_without(model, batch_of(SCORED), monkeypatch)


@pytest.mark.parametrize("name", ["qwen2", "mistral with windows"])
def test_with_the_variable_length_kernel(name: str, monkeypatch) -> None:
    model, batch = model_of(name), batch_of(SCORED)
    expected, reference = learn(model, batch)
    monkeypatch.setattr(attention, "_has_kernel", lambda query: True)
    monkeypatch.setattr(attention, "_kernel", lambda: kernel_stand_in)
    loss, gradients = learn(model, batch)
    assert loss == pytest.approx(expected, abs=1e-5)
    for key, gradient in gradients.items():
        torch.testing.assert_close(gradient, reference[key], atol=1e-4, rtol=1e-4)


def test_the_last_layer_does_less(monkeypatch) -> None:
    model = model_of("qwen2")
    rows: list[int] = []
    asked: list[list[int]] = []
    for layer in model.model.layers:
        layer.mlp.gate_proj.register_forward_hook(
            lambda module, args, output: rows.append(args[0].shape[1])
        )
    inner = attention._loop
    monkeypatch.setattr(
        attention,
        "_loop",
        lambda q, k, v, asking, *rest: (
            asked.append(asking.lengths),
            inner(q, k, v, asking, *rest),
        )[1],
    )
    learn(model, batch_of([[5, 6], [], [3, 12], [], [21]]))
    rows, asked = rows[-3:], asked[-3:]
    assert rows == [45, 45, 5]
    # A token is read from the one before it: 4 and 5; 2 to the end; 20 and 21.
    assert asked == [LENGTHS, LENGTHS, [3, 0, 11, 0, 2]]


def test_the_model_is_whole_again_after_the_loss() -> None:
    model, batch = model_of("qwen2"), batch_of(SCORED)
    inputs = {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"]}
    before = model(**inputs, use_cache=False).logits
    learn(model, batch)
    assert torch.equal(model(**inputs, use_cache=False).logits, before)


def test_padded_batches_and_other_attentions_get_all_states() -> None:
    model, batch = model_of("qwen2"), batch_of(SCORED)
    labels = batch.pop("labels")
    padded = batch | {"attention_mask": torch.ones_like(labels)}
    assert last_layer.restrict_to_scored(model, padded, labels) == padded
    model.set_attn_implementation("sdpa")
    kept = last_layer.restrict_to_scored(model, batch, labels)
    assert kept["position_ids"] is batch["position_ids"]
