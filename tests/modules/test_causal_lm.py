"""The training loss is that of the model's own logits, packed or padded."""

import itertools
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
)

from arcflow.modules.lora.adapters import LoRAConfig, attach_adapter, temporary_adapter
from arcflow.modules.loss.causal_lm import causal_loss
from tests.helpers.adapters import shake
from tests.helpers.tiny import LIGHTNING_WARNINGS, SIZES, VOCABULARY, packed, tiny
from tests.helpers.training import SMALL

pytestmark = [pytest.mark.filterwarnings(w) for w in LIGHTNING_WARNINGS]


def by_hand(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross entropy over the model's own logits, one segment after the other."""
    losses = []
    labels, positions = batch["labels"][0], batch["position_ids"][0]
    starts = [*torch.nonzero(positions == 0).flatten().tolist(), len(positions)]
    for a, b in itertools.pairwise(starts):
        logits = model(input_ids=batch["input_ids"][:, a:b], use_cache=False).logits[0, :-1].float()
        target = labels[a + 1 : b]
        losses.append(
            torch.nn.functional.cross_entropy(logits, target, reduction="none", ignore_index=-100)
        )
    return torch.cat(losses).sum() / (labels != -100).sum()


FAMILIES: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "llama": {},
    "gemma2": {"final_logit_softcapping": 1.0, "head_dim": 16},
    "granite": {"logits_scaling": 3.0},
    "cohere": {"logit_scale": 0.25},
    "phi": {},  # its head has a bias
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lora", [None, SMALL])
def test_the_loss_is_that_of_the_models_own_logits(family: str, lora: LoRAConfig | None) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family, **SIZES | FAMILIES[family], vocab_size=VOCABULARY, pad_token_id=0
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    if lora is not None:
        attach_adapter(model, lora)
    batch = packed((17,))
    batch["labels"][0, 3:6] = -100
    loss, scored = causal_loss(model, batch)
    assert scored == 13
    wanted = by_hand(model, batch)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
    gradient = torch.autograd.grad(loss, some := [p for p in model.parameters() if p.requires_grad])
    for mine, theirs in zip(gradient, torch.autograd.grad(wanted, some), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_packed_and_padded_batches_have_the_same_loss() -> None:
    model = tiny(attention="sdpa").eval()
    segments = [packed((9,), seed=1), packed((14,), seed=2)]
    losses, counts = zip(*(causal_loss(model, segment) for segment in segments), strict=True)
    wanted = sum(a * b for a, b in zip(losses, counts, strict=True)) / sum(counts)

    def pad(name: str, value: int) -> torch.Tensor:
        rows = [
            torch.nn.functional.pad(s[name][0], (0, 14 - s[name].shape[1]), value=value)
            for s in segments
        ]
        return torch.stack(rows)

    batch = {
        "input_ids": pad("input_ids", 0),
        "labels": pad("labels", -100),
        "position_ids": pad("position_ids", 0),
        "attention_mask": pad("input_ids", -1) != -1,
    }
    loss, scored = causal_loss(model, {k: v.long() for k, v in batch.items()})
    assert scored == sum(counts)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_nothing_scored_is_a_loss_of_zero_with_zero_gradients() -> None:
    model = tiny()
    batch = packed()
    batch["labels"].fill_(-100)
    loss, scored = causal_loss(model, batch)
    assert (loss.item(), scored) == (0.0, 0)
    loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def test_an_adapter_on_the_head_counts_though_the_head_was_plain_before() -> None:
    model, batch = tiny().eval(), packed()
    plain, _ = causal_loss(model, batch)
    config = LoRAConfig(rank=4, target_modules=["lm_head"])
    with temporary_adapter(model, config, "head"):
        shake(model, "head")
        adapted, _ = causal_loss(model, batch)
        logits = model(**{k: v for k, v in batch.items() if k != "labels"}, use_cache=False).logits
        wanted = torch.nn.functional.cross_entropy(logits[0, :-1], batch["labels"][0, 1:])
    assert adapted.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert abs(adapted.item() - plain.item()) > 0.1
    assert torch.equal(causal_loss(model, batch)[0], plain)
