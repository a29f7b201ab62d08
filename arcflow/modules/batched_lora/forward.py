"""Hand-written forward methods that replace those of a model's layers while adapters are trained.

Everything but the adapters is frozen then, which autograd alone does not take advantage of. A
layer is left alone unless it is of a known type, and its own method is called whenever the
hand-written one does not apply, for example under autocast.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaMLP,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
)
from transformers.models.mistral.modeling_mistral import (
    MistralMLP,
    MistralRMSNorm,
    MistralRotaryEmbedding,
)
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2Attention,
    Qwen2MLP,
    Qwen2RMSNorm,
    Qwen2RotaryEmbedding,
)
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP, Qwen3RMSNorm, Qwen3RotaryEmbedding

from arcflow.modules.attention import NAME, RowSegments, packed_row
from arcflow.modules.batched_lora.adapters import BatchedAdapters, LayerGroup
from arcflow.modules.batched_lora.attention import AttentionWeights, batched_attention
from arcflow.modules.batched_lora.block_attention import LONGEST
from arcflow.modules.batched_lora.low_rank import slice_linear
from arcflow.modules.batched_lora.mlp import batched_mlp
from arcflow.modules.batched_lora.rms_norm import frozen_norm

Forward = Callable[..., Any]

_NORMS = (Qwen2RMSNorm, Qwen3RMSNorm, LlamaRMSNorm, MistralRMSNorm)
_ATTENTIONS = (Qwen2Attention, LlamaAttention)
_ROTATIONS = (
    Qwen2RotaryEmbedding,
    Qwen3RotaryEmbedding,
    LlamaRotaryEmbedding,
    MistralRotaryEmbedding,
)
_MLPS = (Qwen2MLP, Qwen3MLP, LlamaMLP, MistralMLP)


def forwards(model: PreTrainedModel, stack: BatchedAdapters) -> list[tuple[nn.Module, Forward]]:
    """Return a hand-written forward method for each of the model's layers that can have one.

    Args:
        model: The model, with the layers of ``stack`` in place; it is not changed.
        stack: The adapters.

    Returns:
        The layers, each with the method that can replace its own.
    """
    found: list[tuple[nn.Module, Forward]] = []
    for module in model.modules():
        made: Forward | None = None
        if "forward" in vars(module):
            continue
        if type(module) in _NORMS:
            made = _norm(module)
        elif type(module) in _MLPS:
            made = _mlp(module, stack)
            act = getattr(module, "act_fn", None)
            if made is None and isinstance(act, nn.Module) and "forward" not in vars(act):
                found.append((act, _activation(act, stack)))
        elif type(module) in _ATTENTIONS:
            made = _attention(module, stack)
        elif type(module) in _ROTATIONS:
            made = _rotation(module)
        elif type(module) is nn.Linear and not module.weight.requires_grad:
            made = _linear(module, stack)
        if made is not None:
            found.append((module, made))
    return found


def applies(x: Tensor) -> bool:
    """Return whether the hand-written methods compute what the layer itself would.

    They do so for float32 without autocast.
    """
    return x.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)


def _norm(module: Any) -> Forward | None:
    weight, eps, own = module.weight, module.variance_epsilon, module.forward
    if weight.requires_grad or weight.dtype != torch.float32:
        return None

    def forward(hidden_states: Tensor) -> Tensor:
        out: Tensor = (
            frozen_norm(hidden_states, weight, eps)
            if applies(hidden_states)
            else own(hidden_states)
        )
        return out

    return forward


def _rotation(module: Any) -> Forward:
    """Return a method that computes the rotation on a padded row.

    The CPU computes cosines and sines in vectors of several numbers, and the last few numbers of a
    tensor by another method with other bits. Padding the tokens to a multiple of 32 leaves no
    such last numbers, so that the bits do not depend on the row's length.
    """
    own = module.forward

    def forward(x: Tensor, position_ids: Tensor, **options: Any) -> tuple[Tensor, ...]:
        tokens = position_ids.shape[1]
        filled = nn.functional.pad(position_ids, (0, -tokens % 32))
        return tuple(table[:, :tokens] for table in own(x, filled, **options))

    return forward


def _activation(module: nn.Module, stack: BatchedAdapters) -> Forward:
    """Return a method that computes the activation slice by slice.

    The last few numbers of a tensor are computed by another method than the others (see
    :func:`_rotation`); slice by slice, an adapter's bits do not depend on the others.
    """
    own = module.forward

    def forward(x: Tensor) -> Tensor:
        rows = x.numel() // x.shape[-1]
        if not applies(x) or not stack.knows(rows):
            out: Tensor = own(x)
            return out
        parts = x.reshape(rows, -1).split(stack.lengths(rows))
        return torch.cat([own(part) for part in parts]).view(x.shape)

    return forward


def _linear(module: nn.Linear, stack: BatchedAdapters) -> Forward:
    """Return a method for a layer without adapters that multiplies slice by slice."""
    own = module.forward

    def forward(x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        if not applies(x) or module.weight.dtype != torch.float32 or not stack.knows(len(flat)):
            out: Tensor = own(x)
            return out
        found = slice_linear(flat, module.weight, module.bias, stack.slices(len(flat)))
        return found.view(*x.shape[:-1], -1)

    return forward


def _mlp(module: Any, stack: BatchedAdapters) -> Forward | None:
    groups = [_whole_group(module, names) for names in (("gate_proj", "up_proj"), ("down_proj",))]
    inner, outer = groups
    if inner is None or outer is None or not _is_silu(module.act_fn):
        return None
    bases: Any = [*inner.bases, *outer.bases]
    if any(base.bias is not None for base in bases):
        return None
    weights, own = [base.weight for base in bases], module.forward

    def forward(x: Tensor) -> Tensor:
        if not applies(x):
            out: Tensor = own(x)
            return out
        flat = x.reshape(-1, x.shape[-1])
        lengths = stack.lengths(len(flat))
        found = batched_mlp(flat, stack.anchor, lengths, weights, inner.views(), outer.views())
        return found.view(x.shape)

    return forward


def _attention(module: Any, stack: BatchedAdapters) -> Forward | None:
    inner = _whole_group(module, ("q_proj", "k_proj", "v_proj"))
    outer = _whole_group(module, ("o_proj",))
    if inner is None or outer is None or getattr(module, "sliding_window", None) is not None:
        return None
    bases: Any = [*inner.bases, *outer.bases]
    weights = AttentionWeights(
        [base.weight for base in bases],
        [base.bias for base in bases],
        module.head_dim,
        module.scaling,
    )
    own = module.forward

    def forward(
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        position_ids: Tensor | None = None,
        **options: Any,
    ) -> tuple[Tensor, None]:
        row = None
        if attention_mask is None and past_key_values is None:
            row = _row_of(module, hidden_states, position_ids)
        if row is None or max(row.lengths) > LONGEST or not applies(hidden_states):
            answer: tuple[Tensor, None] = own(
                hidden_states,
                position_embeddings=position_embeddings,
                attention_mask=attention_mask,
                past_key_values=past_key_values,
                position_ids=position_ids,
                **options,
            )
            return answer
        flat = hidden_states[0]
        cos, sin = (part.expand(1, len(flat), -1)[0] for part in position_embeddings)
        lengths = stack.lengths(len(flat))
        views = inner.views(), outer.views()
        out = batched_attention(flat, stack.anchor, (cos, sin), row, lengths, weights, *views)
        if row.places is not None:
            # Tokens that do not ask get what attention that answers 0 would give them.
            whole = out.new_zeros(len(flat), out.shape[1])
            if weights.biases[3] is not None:
                whole += weights.biases[3]
            out = whole.index_copy(0, row.places, out)
        return out[None], None

    return forward


def _row_of(module: Any, hidden_states: Tensor, position_ids: Tensor | None) -> RowSegments | None:
    """Return the samples of a packed row, or None if the input is not one row under segments."""
    packed = (
        position_ids is not None
        and position_ids.shape == hidden_states.shape[:2]
        and len(position_ids) == 1
        and module.config._attn_implementation == NAME
        and not (module.training and module.attention_dropout)
    )
    return packed_row(module, position_ids) if packed and position_ids is not None else None


def _whole_group(module: nn.Module, names: tuple[str, ...]) -> LayerGroup | None:
    """Return the group that consists of exactly these layers, all of them plain, or None."""
    group: LayerGroup | None = getattr(getattr(module, names[0]), "group", None)
    if group is None or not group.plain:
        return None
    own = [getattr(getattr(module, name), "base_layer", None) for name in names]
    same = len(own) == len(group.bases) and all(map(_is, own, group.bases))
    return group if same else None


def _is(a: object, b: object) -> bool:
    return a is b


def _is_silu(act: nn.Module) -> bool:
    """Return whether an activation is SiLU, found by trying it: activations have many names."""
    x = torch.linspace(-4.0, 4.0, 17)
    with torch.no_grad():
        return torch.equal(act(x), nn.functional.silu(x))
