"""Numbers that are no longer finite: NaN and infinities in tensors."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from arcflow.core.errors import CheckpointError


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor that holds NaN or an infinity; None if all are finite.

    Each device is waited for once.

    Args:
        tensors: The tensors by name.
    """
    by_device: dict[torch.device, list[str]] = {}
    for name, tensor in tensors.items():
        if tensor.numel() and tensor.is_floating_point():
            by_device.setdefault(tensor.device, []).append(name)
    bad = set[str]()
    with torch.no_grad():
        for names in by_device.values():
            finite = all_finite(tensors[name] for name in names).tolist()
            bad |= {name for name, right in zip(names, finite, strict=True) if not right}
    return next((name for name in tensors if name in bad), None)


def all_finite(tensors: Iterable[Tensor]) -> Tensor:
    """Return, for each tensor of one device, whether all its numbers are finite: a bool tensor.

    Nothing is allocated but one number for each tensor, and the device is not waited for.

    Args:
        tensors: Floating-point tensors with at least one number each.
    """
    # The largest magnitude is NaN or infinite as soon as one number is.
    largest = [torch.linalg.vector_norm(t.detach(), torch.inf).float() for t in tensors]
    return torch.isfinite(torch.stack(largest))


def check_finite(what: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse trained tensors that hold NaN or an infinity.

    Args:
        what: What the tensors are called in the message.
        tensors: The tensors by name.

    Raises:
        CheckpointError: A tensor is not finite; the message names the first.
    """
    bad = first_not_finite(tensors)
    if bad is not None:
        raise CheckpointError(
            f"{what}: the numbers of a tensor are not finite, as after training that diverged",
            value=bad,
            expected="finite numbers",
            next_step="Use an earlier checkpoint, or train again with a smaller learning rate.",
        )
