"""Many adapters of one shape on one model, trained in the same forward pass.

Their tensors are the rows of one matrix (k, P), P the numbers of one adapter; each row is one
parameter, so that its gradient, its norm and its optimizer state are the adapter's own, and a
fused optimizer step serves all. Layers see the matrix as stacks A (k, r, d) and B (k, o, r).
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
"""The name of the PEFT adapter that the stacks take the place of."""
_TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers of one parent that read the same input: their A are multiplied with it at once."""


class BatchedAdapters:
    """Adapters on a model, between :func:`batched_adapters`'s two ends.

    Attributes:
        parameters: one an adapter that still learns, (1, P), with its gradient in place; P is
            filled up with zeros so that each begins a cache line.
        layers: the layers that take the places of the model's, by path.
        strategy: how slices are multiplied.
        anchor: requires a gradient, so that outputs of layers do.
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
        """Of one adapter's tensors."""
        return list(self._places)

    def place(self, tokens: Sequence[int], scored: Sequence[int]) -> None:
        """Say whose the next row's tokens are.

        Args:
            tokens: of each adapter, in order; their sum is the row's length.
            scored: those of them that predict a scored token: what the last layer may be left
                with (:mod:`arcflow.modules.loss.skip_unscored`).
        """
        self._version += 1
        device = self._values.device
        self._slices = {
            sum(lengths): make_slices(self.strategy, lengths, device)
            for lengths in (scored, tokens)
        }
        self._lengths = {sum(lengths): list(lengths) for lengths in (scored, tokens)}

    def slices(self, rows: int) -> Slices:
        """Whose the rows of a layer's input are."""
        self._check_rows(rows)
        return self._slices[rows]

    def knows(self, rows: int) -> bool:
        """Whether that many rows are all of a row's tokens, or those that are scored."""
        return rows in self._slices

    def lengths(self, rows: int) -> list[int]:
        """How many of the rows of a layer's input are each adapter's."""
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
        """Scale each adapter's gradient to a norm of at most ``most``, as torch would alone."""
        if self._grads.is_cuda:  # one that is not waited for
            norms = torch.linalg.vector_norm(self._grads, dim=1, keepdim=True)
            self._grads.mul_((most / (norms + 1e-6)).clamp_(max=1.0))
            return
        for own in self._grads.unbind():
            factor = most / (float(torch.linalg.vector_norm(own)) + 1e-6)
            if factor < 1.0:
                own.mul_(factor)

    def complete_grad(self) -> None:
        """After a backward pass: gradients of layers that it has not met are 0."""
        for group in self._all:
            if not group.keep():
                group.zero_grad()

    def zero_grad(self) -> None:
        """Forget all gradients: the next backward pass writes over them."""
        for group in self._all:
            group.written = False

    def leave(self, keep: Sequence[int]) -> None:
        """Only these adapters go on, in this order; their parameters stay the same objects."""
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
        """One adapter's numbers (P of them, such as a parameter's) by name, copied to the CPU."""
        flat = flat.detach().flatten()
        return {
            key: flat[begin : begin + shape.numel()].view(shape).to("cpu", copy=True)
            for key, (begin, shape) in self._places.items()
        }

    def stack(self, keys: Sequence[str], dtype: torch.dtype | None = None) -> Tensor:
        """Neighbouring tensors of all adapters, one below the other: (k, sum of rows, columns).

        Args:
            keys: names, in the order of memory.
            dtype: the numbers in this type; None gives the gradients.
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
    """Layers that read one input.

    Attributes:
        bases: the model's own layers.
        plain: whether their products can be made without calling them.
        written: whether this step's gradients are in their places.
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
        """Of layer i; the first that is asked computes all, for the others to fetch."""
        if self._ready is None or self._ready[0] is not x or i not in self._ready[1]:
            self._ready = (x, dict(enumerate(self._compute(x))))
        outs = self._ready[1]
        out = outs.pop(i)
        if not outs:
            self._ready = None
        return out

    def views(self) -> StackedWeights:
        """Each adapter's float32 matrices, made once."""
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
        """Whether this step's gradients are there to be added to; from now on they are."""
        written, self.written = self.written, True
        return written

    def zero_grad(self) -> None:
        """Set the gradients to 0."""
        for keys in (self._downs, self._ups):
            for key in keys:
                self.stack.stack([key]).zero_()

    def forget(self) -> None:
        """The adapters' memory is another: views are to be made again."""
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
    """A linear layer with its slices' adapters."""

    def __init__(self, group: LayerGroup, index: int) -> None:
        super().__init__()
        self.base_layer = group.bases[index]
        self.group, self._index = group, index

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., d) to (..., o)."""
        return self.group.output(self._index, x)


def _groups(layers: dict[str, Any]) -> Iterator[list[str]]:
    """Paths of layers that read one input, in the order of the model."""
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
    """Whether its product can be made without calling it."""
    hooks = (base._forward_hooks, base._forward_pre_hooks, base._backward_hooks)
    return type(base) is nn.Linear and base.weight.dtype == torch.float32 and not any(hooks)


def _fresh(out: Tensor) -> Tensor:
    """An output that may be changed in place without a detour through a view."""
    return out.clone() if out._is_view() else out
