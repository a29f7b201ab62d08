"""The configs that come with arcflow, in a clone and in an installed package alike.

In a clone they lie in ``configs/`` at the top, where people read them; a wheel carries the same
files inside the package.
"""

from pathlib import Path

from arcflow.core.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]
_ANY_CONFIG = "quickstart.yaml"
"""A file that the right folder certainly has; another project may have a folder ``configs`` too."""


def config_folder() -> Path:
    """Return the folder of the shipped configs.

    Returns:
        ``arcflow/configs`` of an installed package, or the clone's ``configs``.

    Raises:
        ConfigError: The installation has neither.
    """
    places = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
    for folder in places:
        if (folder / _ANY_CONFIG).is_file():
            return folder
    raise ConfigError(
        "the configs that come with arcflow are missing",
        value=[str(folder) for folder in places],
        expected=f"one of these folders, with {_ANY_CONFIG} in it",
        next_step="Install arcflow again, from a whole clone or a wheel.",
    )


def config_names() -> list[str]:
    """Return the names of all shipped configs, as :func:`find_config` takes them.

    Returns:
        Paths below :func:`config_folder` without ``.yaml``, sorted, e.g. ``"engine/vllm"``.

    Raises:
        ConfigError: The installation has no configs.
    """
    folder = config_folder()
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))
    return sorted(path.removesuffix(".yaml") for path in paths)


def find_config(name: str) -> Path | None:
    """Return the file that a name after ``-c`` means.

    Args:
        name: A path, or the name of a shipped config: ``"quickstart"``, ``"quickstart.yaml"``,
            ``"engine/vllm"``, or ``"configs/quickstart.yaml"`` as the guides write it.

    Returns:
        The local file if there is one, else the shipped one, else None.

    Raises:
        ConfigError: There is no such local file, and the installation has no configs.
    """
    local = Path(name).expanduser()
    if local.is_file():
        return local
    shipped = name.removeprefix("./").removeprefix("configs/").removesuffix(".yaml")
    if shipped not in config_names():
        return None
    return config_folder() / f"{shipped}.yaml"
