"""The last layer works only where the loss reads it.

With the loss on a task's answer, most outputs of a model's last layer are used by nobody: they
predict tokens that are not scored, and no later layer sees them. Its keys and values are needed
everywhere; its attention is asked from each sample's first scored prediction on, and its
feed-forward part runs on the scored positions alone. The loss and the gradients stay the same.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.modules.attention import NAME, ask_from_first_read, mark_last
from arcflow.text.encode import IGNORED_LABEL

_READ = "_arcflow_read_rows"
_WATCHED = "_arcflow_watched"


def restrict_to_scored(
    model: PreTrainedModel, inputs: Mapping[str, Tensor], labels: Tensor
) -> dict[str, Tensor]:
    """Inputs with which the model's last hidden states are right at scored positions only.

    Args:
        model: a causal language model.
        inputs: what the model would be called with.
        labels: (1, T), aligned with the inputs, -100 where not scored.

    Returns:
        The inputs; for packed rows under segment attention with positions that tell the last
        layer where to work. Other batches, and models that :func:`watch_last_layer` has not
        prepared, get all hidden states.
    """
    kept = dict(inputs)
    packed = "attention_mask" not in inputs and "position_ids" in inputs and len(labels) == 1
    segments = model.config._attn_implementation == NAME
    if not (packed and segments and getattr(model, _WATCHED, False)):
        return kept
    # A tensor object of its own: what is noted on it ends with this forward pass and its
    # backward pass, which under gradient checkpointing asks again.
    positions = inputs["position_ids"].view_as(inputs["position_ids"])
    read = torch.zeros_like(labels[0], dtype=torch.bool)
    read[:-1] = labels[0, 1:] != IGNORED_LABEL
    if not read.any():  # rows of no queries at all are more than a GPU's kernel takes
        return kept
    ask_from_first_read(positions, read)
    setattr(positions, _READ, read.nonzero()[:, 0])
    return kept | {"position_ids": positions}


def watch_last_layer(model: PreTrainedModel) -> None:
    """Prepare a model's last layer, once and for good: what trains on it later changes nothing.

    Nothing happens to models without layers of attention and "mlp".
    """
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, nn.ModuleList) or getattr(model, _WATCHED, False):
        return
    layer: Any = layers[-1]
    if not {"self_attn", "mlp"} <= {name for name, _ in layer.named_children()}:
        return
    mark_last(layer.self_attn)
    layer.register_forward_pre_hook(_before_layer, with_kwargs=True)
    layer.mlp.register_forward_pre_hook(_before_mlp)
    layer.mlp.register_forward_hook(_after_mlp)
    layer.mlp.__dict__[_READ] = None
    setattr(model, _WATCHED, True)


def _before_layer(layer: Any, _args: Any, kwargs: Mapping[str, Any]) -> None:
    layer.mlp.__dict__[_READ] = getattr(kwargs.get("position_ids"), _READ, None)


def _before_mlp(mlp: nn.Module, args: tuple[Tensor]) -> tuple[Tensor] | None:
    rows = mlp.__dict__.get(_READ)
    if rows is None:
        return None
    mlp.__dict__[_READ] = (rows, args[0].shape[1])
    return (args[0].index_select(1, rows),)


def _after_mlp(mlp: nn.Module, _args: Any, output: Tensor) -> Tensor:
    if mlp.__dict__.get(_READ) is None:
        return output
    rows, tokens = mlp.__dict__[_READ]
    mlp.__dict__[_READ] = None
    return output.new_zeros(1, tokens, output.shape[-1]).index_copy(1, rows, output)
