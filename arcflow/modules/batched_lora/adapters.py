"""Many adapters of one shape on one model, trained in the same forward pass.

Their tensors are the rows of one matrix (k, P), with P the count of one adapter's numbers. Each
row is one parameter, so that its gradient, its norm and its optimizer state are the adapter's own,
and one fused optimizer step serves all. Layers see the matrix as stacks A (k, r, d), B (k, o, r).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.core.errors import ConfigError
from arcflow.modules.batched_lora.low_rank import (
    LowRank,
    Slices,
    Strategy,
    add_low_rank,
    make_slices,
)
from arcflow.modules.batched_lora.stacked_weights import StackedWeights, aligned, stack_weights
from arcflow.modules.lora.adapters import State

NAME = "joint"
"""The name of the PEFT adapter that the stacks replace."""
_TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers of one parent that read the same input, with which their A are multiplied at once."""


class BatchedAdapters:
    """The adapters that are on a model within
    :func:`arcflow.modules.batched_lora.attach.batched_adapters`.

    Args:
        model: The model.
        peft_layers: The PEFT layers that carry the adapter :data:`NAME`, by path.
        states: The first values of each adapter.
        strategy: How the adapters' slices are multiplied; None takes what suits the device.

    Attributes:
        parameters: One parameter, shape (1, P), for each adapter that is still trained, with its
            gradient in place; P is padded with zeros so that each row begins a cache line.
        layers: The layers that replace the model's own, by path.
        strategy: How the adapters' slices are multiplied.
        anchor: A scalar that requires a gradient, so that the layers' outputs require one.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        peft_layers: dict[str, Any],
        states: Sequence[State],
        strategy: Strategy | None,
    ) -> None:
        device = model.device
        self.strategy: Strategy = strategy or ("padded" if device.type == "cuda" else "loop")
        self._places: dict[str, tuple[int, torch.Size]] = {}
        groups = list(_groups(peft_layers))
        begin = 0
        for paths in groups:
            # A of layers with the same input side by side: one stack in memory.
            for kind in ("lora_A", "lora_B"):
                for path in paths:
                    key = f"{path}.{kind}.weight"
                    self._places[key] = (begin, states[0][key].shape)
                    begin += states[0][key].numel()
        values = torch.zeros(len(states), aligned(begin))
        for own, state in zip(values, states, strict=True):
            torch.cat([state[key].flatten().float() for key in self._places], out=own[:begin])
        self._take(values.to(device))
        self.parameters = [nn.Parameter(row) for row in self._values.split(1)]
        self._give_gradients()
        self._version = 0
        self._cast: tuple[int, torch.dtype, Tensor] | None = None
        self._slices: dict[int, Slices] = {}
        self._lengths: dict[int, list[int]] = {}
        self.anchor = torch.zeros((), device=device, requires_grad=True)
        self.layers: dict[str, BatchedLinear] = {}
        self._all: list[LayerGroup] = []
        for paths in groups:
            group = LayerGroup(self, paths, [peft_layers[path] for path in paths])
            self._all.append(group)
            for i, path in enumerate(paths):
                self.layers[path] = BatchedLinear(group, i)

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def names(self) -> list[str]:
        """The names of one adapter's tensors, in the order of memory."""
        return list(self._places)

    def place(self, tokens: Sequence[int], scored: Sequence[int]) -> None:
        """Set which adapter each token of the next row belongs to.

        Args:
            tokens: The number of tokens of each adapter, in order; their sum is the row's length.
            scored: How many of them predict a scored token; the last layer may compute only these
                (:mod:`arcflow.modules.loss.skip_unscored`).
        """
        self._version += 1
        device = self._values.device
        self._slices = {
            sum(lengths): make_slices(self.strategy, lengths, device)
            for lengths in (scored, tokens)
        }
        self._lengths = {sum(lengths): list(lengths) for lengths in (scored, tokens)}

    def slices(self, rows: int) -> Slices:
        """Return the slices of a layer's input.

        Args:
            rows: The number of rows of the input.

        Returns:
            The slices, one for each adapter.

        Raises:
            ConfigError: If the layer is given neither all tokens nor the scored ones.
        """
        self._check_rows(rows)
        return self._slices[rows]

    def knows(self, rows: int) -> bool:
        """Return whether this many rows are all tokens of the batch's row, or its scored ones."""
        return rows in self._slices

    def lengths(self, rows: int) -> list[int]:
        """Return how many of the rows of a layer's input belong to each adapter.

        Args:
            rows: The number of rows of the input.

        Returns:
            The number of rows of each adapter, in order.

        Raises:
            ConfigError: If the layer is given neither all tokens nor the scored ones.
        """
        self._check_rows(rows)
        return self._lengths[rows]

    def _check_rows(self, rows: int) -> None:
        if rows not in self._slices:
            raise ConfigError(
                "test_time.tasks_together: a layer of this model is given a part of the tokens",
                value=rows,
                expected=f"all of them ({max(self._slices)})",
                next_step="Set --test_time.tasks_together 1.",
            )

    def clip(self, most: float) -> None:
        """Scale each adapter's gradient to a norm of at most ``most``.

        The result is what torch's own clipping gives for an adapter that is trained alone.
        """
        if self._grads.is_cuda:  # without reading the norms, which would wait for the GPU
            norms = torch.linalg.vector_norm(self._grads, dim=1, keepdim=True)
            self._grads.mul_((most / (norms + 1e-6)).clamp_(max=1.0))
            return
        for own in self._grads.unbind():
            factor = most / (float(torch.linalg.vector_norm(own)) + 1e-6)
            if factor < 1.0:
                own.mul_(factor)

    def complete_grad(self) -> None:
        """Set the gradients of layers that the last backward pass did not reach to 0."""
        for group in self._all:
            if not group.keep():
                group.zero_grad()

    def zero_grad(self) -> None:
        """Mark all gradients as old, so that the next backward pass overwrites them."""
        for group in self._all:
            group.written = False

    def leave(self, keep: Sequence[int]) -> None:
        """Keep only some adapters; their parameters stay the same objects.

        Args:
            keep: The indices of the adapters that go on, in their new order.
        """
        chosen = torch.tensor(keep, device=self._values.device)
        self._take(self._values.index_select(0, chosen))
        self.parameters = [self.parameters[i] for i in keep]
        for parameter, row in zip(self.parameters, self._values.split(1), strict=True):
            parameter.data = row
        self._give_gradients()
        self._version += 1
        for group in self._all:
            group.forget()

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """Return one adapter's numbers as tensors by name, copied to the CPU.

        Args:
            flat: P numbers, such as a parameter or its optimizer state.
        """
        flat = flat.detach().flatten()
        return {
            key: flat[begin : begin + shape.numel()].view(shape).to("cpu", copy=True)
            for key, (begin, shape) in self._places.items()
        }

    def stack(self, keys: Sequence[str], dtype: torch.dtype | None = None) -> Tensor:
        """Return neighbouring tensors of all adapters as one stack.

        Args:
            keys: The tensors' names, in the order of memory.
            dtype: The dtype of the weights that are returned; None returns the gradients.

        Returns:
            The tensors one below the other, shape (k, sum of rows, columns): a view of the
            adapters' memory, or a copy of the weights if ``dtype`` is not float32.
        """
        begin, shape = self._places[keys[0]]
        rows = sum(self._places[key][1][0] for key in keys)
        source = self._grads if dtype is None else self._numbers(dtype)
        return source[:, begin : begin + rows * shape[1]].view(len(self), rows, shape[1])

    def _numbers(self, dtype: torch.dtype) -> Tensor:
        if dtype == torch.float32:
            return self._values
        if self._cast is None or self._cast[:2] != (self._version, dtype):
            self._cast = (self._version, dtype, self._values.to(dtype))
        return self._cast[2]

    def _take(self, values: Tensor) -> None:
        self._values, self._grads = values, torch.zeros_like(values)

    def _give_gradients(self) -> None:
        for parameter, row in zip(self.parameters, self._grads.split(1), strict=True):
            parameter.grad = row


class LayerGroup:
    """Layers that read the same input, whose low-rank parts are computed together.

    Args:
        stack: The adapters.
        paths: The layers' paths in the model.
        layers: The PEFT layers at these paths.

    Attributes:
        stack: The adapters.
        bases: The model's own layers.
        scale: The factor of the low-rank part.
        plain: Whether the layers' own products can be computed without calling them.
        written: Whether the buffers hold gradients of this step.
    """

    def __init__(self, stack: BatchedAdapters, paths: Sequence[str], layers: Sequence[Any]) -> None:
        self.stack = stack
        self.bases: list[nn.Module] = [layer.base_layer for layer in layers]
        self.scale = float(layers[0].scaling[NAME])
        self._downs = [f"{path}.lora_A.weight" for path in paths]
        self._ups = [f"{path}.lora_B.weight" for path in paths]
        self.plain = all(_is_plain(base) for base in self.bases)
        self._ready: tuple[Tensor, dict[int, Tensor]] | None = None
        self._views: StackedWeights | None = None
        self.written = False

    def output(self, i: int, x: Tensor) -> Tensor:
        """Return the output of one layer.

        The first layer that is asked computes the outputs of all, which the others then fetch.

        Args:
            i: The layer's index in the group.
            x: The layers' input, shape (..., d).

        Returns:
            The output, shape (..., o).
        """
        if self._ready is None or self._ready[0] is not x or i not in self._ready[1]:
            self._ready = (x, dict(enumerate(self._compute(x))))
        outs = self._ready[1]
        out = outs.pop(i)
        if not outs:
            self._ready = None
        return out

    def views(self) -> StackedWeights:
        """Return views of each adapter's float32 matrices, made at the first call."""
        if self._views is None:
            stack = self.stack
            self._views = stack_weights(
                stack.stack(self._downs, torch.float32),
                stack.stack(self._downs),
                [stack.stack([key], torch.float32) for key in self._ups],
                [stack.stack([key]) for key in self._ups],
                self.scale,
                self.keep,
            )
        return self._views

    def keep(self) -> bool:
        """Return whether the buffers hold gradients of this step, and note that they now do."""
        written, self.written = self.written, True
        return written

    def zero_grad(self) -> None:
        """Set the gradients of these layers to 0."""
        for keys in (self._downs, self._ups):
            for key in keys:
                self.stack.stack([key]).zero_()

    def forget(self) -> None:
        """Drop all views, because the adapters have moved to other memory."""
        self._views, self.written = None, False

    def _compute(self, x: Tensor) -> list[Tensor]:
        flat = x.reshape(-1, x.shape[-1])
        device = x.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else torch.float32
        plain = self.plain and not autocast and x.dtype == torch.float32
        outs: list[Tensor] = []
        if not plain:
            outs = [_fresh(base(flat)) for base in self.bases]
        slices = self.stack.slices(len(flat))
        found = add_low_rank(flat, outs, self._part(dtype, plain), slices, self.stack.anchor)
        return [out.view(*x.shape[:-1], -1) for out in found]

    def _part(self, dtype: torch.dtype, plain: bool) -> LowRank:
        stack = self.stack
        bases: Any = self.bases if plain else None
        return LowRank(
            stack.stack(self._downs, dtype),
            [stack.stack([key], dtype) for key in self._ups],
            stack.stack(self._downs),
            [stack.stack([key]) for key in self._ups],
            self.scale,
            bases,
            self.keep,
        )


class BatchedLinear(nn.Module):
    """A linear layer of the model whose rows each get the low-rank part of their own adapter.

    Args:
        group: The layers that read the same input.
        index: The index of this layer in the group.
    """

    def __init__(self, group: LayerGroup, index: int) -> None:
        super().__init__()
        self.base_layer = group.bases[index]
        self.group, self._index = group, index

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, shape (..., o), for an input of shape (..., d)."""
        return self.group.output(self._index, x)


def _groups(layers: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the paths of layers that read the same input, in the order of the model."""
    done: set[str] = set()
    for path, layer in layers.items():
        if path in done:
            continue
        parent, _, child = path.rpartition(".")
        paths = [path]
        for names in _TOGETHER:
            if child in names:
                siblings = [f"{parent}.{name}" for name in names]
                paths = [p for p in siblings if p in layers and p not in done]
                paths = [p for p in paths if layers[p].in_features == layer.in_features]
        done.update(paths)
        yield paths


def _is_plain(base: nn.Module) -> bool:
    """Return whether a layer's product can be computed without calling the layer."""
    hooks = (base._forward_hooks, base._forward_pre_hooks, base._backward_hooks)
    return type(base) is nn.Linear and base.weight.dtype == torch.float32 and not any(hooks)


def _fresh(out: Tensor) -> Tensor:
    """Return the output, copied if it is a view: changing a view in place costs autograd more."""
    return out.clone() if out._is_view() else out
