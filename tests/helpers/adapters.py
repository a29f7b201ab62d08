"""Adapters with numbers that matter, and everything that one could leave a trace in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.engines.base import AdapterRef
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.fingerprint import describe_base, make_fingerprint
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    adapter_names,
    adapter_parameters,
    attach_adapter,
)
from tests.helpers.tiny import VOCABULARY, packed

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


def trained_on(folder: str, config: LoRAConfig, **options: Any) -> tuple[PreTrainedModel, Any]:
    model = load_backbone(BackboneConfig(model=folder, attention="sdpa", **options), VOCABULARY)
    base = describe_base(model, folder)
    attach_adapter(model, config)
    shake(model)
    return model.eval(), make_fingerprint(base, config)


def swapping_weights(
    model: nn.Module, switches: list[int | None] | None = None
) -> Callable[[AdapterRef | None], AbstractContextManager[None]]:
    """What an engine changes adapters with: the whole weights of the model are swapped.

    The ids of the adapters are noted in ``switches``, in the order of their use.
    """
    own = {name: value.clone() for name, value in model.state_dict().items()}

    @contextmanager
    def use_adapter(ref: AdapterRef | None) -> Iterator[None]:
        if switches is not None:
            switches.append(ref and ref.id)
        if ref is not None:
            model.load_state_dict(ref.state)
        yield
        model.load_state_dict(own)

    return use_adapter
