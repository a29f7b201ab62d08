"""The model's last layer computes only the outputs that the loss reads.

If only a task's answer is scored, most outputs of a model's last layer are never used: they
predict tokens that are not scored, and no later layer sees them. Its keys and values are needed
everywhere. Its attention is computed from each sample's first scored prediction on, and its
feed-forward part on the scored positions alone. The loss and the gradients stay the same.

Where state is kept, and why: transformers calls the layers itself and offers no argument that
would carry the scored positions to the last one. They travel as an attribute of the
``position_ids`` tensor, which every layer is given. :func:`restrict_to_scored` makes a tensor
object of its own for each forward pass, so that the note cannot outlive that pass and its
backward pass. The hooks of the feed-forward part, which is not given the positions, read them from
an entry in its ``__dict__`` that a hook of the layer sets just before and that the last hook
clears. One model must therefore not be called by two threads at once.
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
    """Return inputs that make the model's last hidden states right at scored positions only.

    Args:
        model: A causal language model.
        inputs: The arguments that the model would be called with.
        labels: Labels of shape (1, T), aligned with the inputs; a token that is not scored has
            the label :data:`arcflow.text.encode.IGNORED_LABEL` (-100).

    Returns:
        A copy of the inputs. For a packed row under segment attention, its ``position_ids`` carry
        the scored positions to the last layer. For other batches, and for models that
        :func:`watch_last_layer` has not prepared, nothing is added: all hidden states are right.
    """
    kept = dict(inputs)
    packed = "attention_mask" not in inputs and "position_ids" in inputs and len(labels) == 1
    segments = model.config._attn_implementation == NAME
    if not (packed and segments and getattr(model, _WATCHED, False)):
        return kept
    # A tensor object of its own: what is noted on it lives as long as this forward pass and its
    # backward pass, which under gradient checkpointing runs the layer again.
    positions = inputs["position_ids"].view_as(inputs["position_ids"])
    read = torch.zeros_like(labels[0], dtype=torch.bool)
    read[:-1] = labels[0, 1:] != IGNORED_LABEL
    if not read.any():  # rows of no queries at all are more than a GPU's kernel takes
        return kept
    ask_from_first_read(positions, read)
    setattr(positions, _READ, read.nonzero()[:, 0])
    return kept | {"position_ids": positions}


def watch_last_layer(model: PreTrainedModel) -> None:
    """Register the hooks on a model's last layer that :func:`restrict_to_scored` needs.

    It is done once, when a model is loaded, and never undone, so that training or tuning the
    model later leaves no trace. Models whose last layer has no "self_attn" and "mlp" stay as they
    are.

    Args:
        model: The model, which is changed in place.
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
