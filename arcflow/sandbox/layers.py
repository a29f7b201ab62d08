"""The layers that a worker reports, and the decision whether they are enough."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from arcflow.sandbox.results import SandboxError

MUST = ("environment", "descriptors", "rlimits", "user", "capabilities")
"""The layers that every Linux has; without one of them nothing runs."""
KERNEL = ("landlock", "seccomp", "namespaces")
"""The layers that kernels and containers may lack.

One of them may be missing, because the other two then stop what it would have stopped.
"""

_warned: set[str] = set()


@dataclass(frozen=True, slots=True)
class Layer:
    """A report on one layer of protection.

    Attributes:
        name: The layer's name.
        holds: Whether the layer is in place.
        detail: What was done, or why it could not be done.
    """

    name: str
    holds: bool
    detail: str


def judge(layers: Sequence[Layer], strict: bool) -> None:
    """Check that enough layers hold, and warn once a process of each layer that is missing.

    Args:
        layers: The layers that a worker reported.
        strict: Whether to refuse if any layer is missing.

    Raises:
        SandboxError: If a layer is missing that must hold, if more than one layer is missing, or if
            ``strict`` is set and any layer is missing.
    """
    lost = [layer for layer in layers if not layer.holds]
    names = {layer.name for layer in layers if layer.holds}
    lacking = [name for name in (*MUST, *KERNEL) if name not in names]
    shown = "; ".join(f"{layer.name}: {layer.detail}" for layer in lost) or "no report"
    if lacking and (strict or len(lacking) > 1 or lacking[0] in MUST):
        raise SandboxError(
            f"the sandbox lacks {', '.join(lacking)}",
            value=shown,
            expected="all layers" if strict else "at most one of " + ", ".join(KERNEL) + " missing",
            next_step="Use a Linux with Landlock, seccomp and user namespaces"
            + (", or strict=False." if strict and len(lacking) == 1 else "."),
        )
    for name in lacking:
        if name not in _warned:
            _warned.add(name)
            warnings.warn(f"The sandbox goes on without {name} ({shown}).", stacklevel=3)
