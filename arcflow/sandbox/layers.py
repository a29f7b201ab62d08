"""The layers a worker reports, and whether they are enough."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from arcflow.sandbox.results import SandboxError

MUST = ("environment", "descriptors", "rlimits", "user", "capabilities")
"""Every Linux has these; without one of them nothing runs."""
KERNEL = ("landlock", "seccomp", "namespaces")
"""Kernels and containers may lack these: one may be missing, the others then stand for it."""

_warned: set[str] = set()


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing that a worker gave up.

    Attributes:
        name: of the layer.
        holds: whether it is in place.
        detail: what was done, or why it could not be.
    """

    name: str
    holds: bool
    detail: str


def judge(layers: Sequence[Layer], strict: bool) -> None:
    """Go on, go on with a warning (once a process for each layer), or refuse.

    Args:
        layers: what a worker reported.
        strict: refuse where any layer is missing.

    Raises:
        SandboxError: a layer is missing that must hold, or two that may be missing alone.
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
