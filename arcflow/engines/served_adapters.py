"""What is looked at in an adapter's folder before an engine in another process serves it."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from arcflow.core.errors import ConfigError

_WEIGHTS = "adapter_model.safetensors"


def check_folder(folder: Path) -> None:
    """Refuse an adapter whose numbers are not finite: its answers would be nonsense.

    Args:
        folder: The adapter's folder, in PEFT's format; without weights, or with a file that cannot
            be read, it is left to the engine, which says what is wrong with it.

    Raises:
        ConfigError: A tensor holds NaN or an infinity; the message names it.
    """
    path = folder / _WEIGHTS
    if not path.is_file():
        return
    try:
        bad = _not_finite(path)
    except SafetensorError:
        return
    if bad is not None:
        raise ConfigError(
            f"adapter {folder}: the numbers of a tensor are not finite, as after training that "
            "diverged",
            value=bad,
            expected="finite numbers",
            next_step="Train it again with a smaller learning rate.",
        )


def _not_finite(path: Path) -> str | None:
    """Return the name of a tensor that is not finite; None if all are."""
    with safe_open(str(path), framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 (a handle, not a dict)
            if not bool(torch.isfinite(file.get_tensor(name)).all()):
                return str(name)
    return None
