"""A key-value cache whose rows are at places of their own and are cut back at no cost."""

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, CacheLayerMixin


class RowCache(Cache):
    """The keys and values of prompts, and of one path after each.

    A prompt is padded on the left, so every path begins at the same column. A row is cut back by
    computing its next token at an earlier column: the later columns are hidden by the mask, and
    overwritten later.

    Args:
        prompts: The cache of the prompts (B rows of P columns), which is taken apart.
        mask: A mask (B, P), 0 at padding.
        room: The number of columns for a path.
    """

    def __init__(self, prompts: DynamicCache, mask: Tensor, room: int) -> None:
        self.start = mask.shape[1]
        self._prompt_mask = mask
        self._lengths = mask.sum(-1)
        layers = []
        for layer in prompts.layers:
            layers.append(_RowLayer(layer.keys, layer.values, room))
            layer.keys = layer.values = None  # so that both are never held for all layers
        super().__init__(layers=layers)

    def move(self, depths: Tensor) -> tuple[Tensor, Tensor]:
        """Say where the next token of each row is.

        Args:
            depths: The number of tokens of the path before it, int64 of shape (B,).

        Returns:
            The mask (B, P + the deepest row's tokens) and the positions (B, 1) for the forward
            pass.
        """
        columns = self.start + depths
        width = int(columns.max()) + 1
        for layer in self.layers:
            layer.columns, layer.width = columns, width
        behind = torch.arange(self.start, width, device=depths.device) <= columns[:, None]
        mask = torch.cat([self._prompt_mask, behind.to(self._prompt_mask.dtype)], dim=1)
        return mask, (self._lengths + depths)[:, None]

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these.

        Args:
            rows: Their indices, int64 of shape (B',).
        """
        self._prompt_mask, self._lengths = self._prompt_mask[rows], self._lengths[rows]
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[rows], layer.values[rows]


class _RowLayer(CacheLayerMixin):
    """One layer: keys and values of shape (B, heads, P + room, D)."""

    is_sliding = False

    def __init__(self, keys: Tensor, values: Tensor, room: int) -> None:
        super().__init__()
        self.keys, self.values = _with_room(keys, room), _with_room(values, room)
        self.columns = torch.zeros(len(keys), dtype=torch.int64, device=keys.device)
        self.width = keys.shape[2]
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Do nothing: the layer was made with its tensors."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Write one token a row, (B, heads, 1, D), and return all up to the deepest row's."""
        rows = torch.arange(len(self.columns), device=self.columns.device)
        self.keys[rows, :, self.columns] = key_states[:, :, 0]
        self.values[rows, :, self.columns] = value_states[:, :, 0]
        return self.keys[:, :, : self.width], self.values[:, :, : self.width]

    def get_seq_length(self) -> int:
        """Return the number of columns before the deepest row's next token."""
        return self.width - 1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the columns that a query sees at most, and the first of them."""
        return self.width, 0

    def get_max_length(self) -> int:
        """Return the number of columns."""
        return self.keys.shape[2]


def _with_room(states: Tensor, room: int) -> Tensor:
    whole = states.new_zeros(*states.shape[:2], states.shape[2] + room, states.shape[3])
    whole[:, :, : states.shape[2]] = states
    return whole
