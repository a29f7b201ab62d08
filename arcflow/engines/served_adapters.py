"""What is looked at in an adapter's folder before an engine in another process serves it."""

from pathlib import Path

import torch
from safetensors import safe_open

from arcflow.core.errors import ConfigError

_WEIGHTS = "adapter_model.safetensors"


def check_folder(folder: Path) -> None:
    """Refuse an adapter whose numbers are not finite: its answers would be nonsense.

    Args:
        folder: The adapter's folder, in PEFT's format; without weights it is left to the engine.

    Raises:
        ConfigError: A tensor holds NaN or an infinity; the message names it.
    """
    path = folder / _WEIGHTS
    if not path.is_file():
        return
    with safe_open(str(path), framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 (a handle, not a dict)
            if not bool(torch.isfinite(file.get_tensor(name)).all()):
                raise ConfigError(
                    f"adapter {folder}: the numbers of a tensor are not finite, as after training "
                    "that diverged",
                    value=name,
                    expected="finite numbers",
                    next_step="Train it again with a smaller learning rate.",
                )
