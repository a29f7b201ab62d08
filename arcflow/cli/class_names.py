"""Names of classes in options, checked without importing what they name."""

import ast
import importlib.machinery
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from arcflow.cli.option_index import read_index
from arcflow.core.errors import ConfigError
from arcflow.tools.run import did_you_mean

LOGGER_PACKAGES = {
    "CometLogger": ("comet_ml",),
    "MLFlowLogger": ("mlflow",),
    "NeptuneLogger": ("neptune",),
    "TensorBoardLogger": ("tensorboard", "tensorboardX"),
    "WandbLogger": ("wandb",),
}
"""Lightning's loggers that need a package, with the packages of which one is enough."""

_FOLDERS = {"trainer.logger": "loggers", "trainer.callbacks": "callbacks"}


def check_class(option: str, name: str) -> None:
    """Check that there can be a class of that name.

    Args:
        option: The option, ``"model"``, ``"data"``, ``"trainer.logger"`` or
            ``"trainer.callbacks"``.
        name: A bare name, or a dotted path.

    Raises:
        ConfigError: If no class has this bare name, if the path's first module is not there, or if
            a module of arcflow has no such class.
    """
    module, _, last = name.rpartition(".")
    if not name.replace(".", "").isidentifier() or last in ("yaml", "yml", "json"):
        return  # a file that says what the option is, or no name at all
    if not module:
        known = list(_bare_names(option))
        if not known or name in known:
            return
        near, expected = did_you_mean(name, known), f"one of {', '.join(known)}"
        what, step = "no such class", "Give the dotted path of a class of your own."
    elif _spec(module.partition(".")[0]) is None:
        near, what = "", f"no module {module.partition('.')[0]}"
        expected = "the dotted path of a class in an installed package or the working directory"
        step = "Correct the path, or run in the folder that holds the module."
    elif name.startswith("arcflow."):
        spec = _spec(module)
        known = [] if spec is None or spec.origin is None else list(_classes_in(Path(spec.origin)))
        if last in known or (spec is not None and spec.submodule_search_locations):
            return
        near = did_you_mean(last, known)
        what, expected = "no such class", "the dotted path of a class"
        step = f"See `arcflow fit --{option}.help`." if option in ("model", "data") else ""
    else:
        return
    raise ConfigError(
        f"{option}: {what}", value=name, expected=expected, next_step=f"{near}{step}".strip()
    )


def check_logger_package(name: str) -> None:
    """Check that the package behind one of Lightning's loggers is installed.

    Args:
        name: The logger's bare name or dotted path.

    Raises:
        ConfigError: If it is missing.
    """
    module, _, last = name.rpartition(".")
    packages = LOGGER_PACKAGES.get(last, ())
    lightnings = not module or module.startswith(("lightning.", "pytorch_lightning."))
    if packages and lightnings and all(_spec(package) is None for package in packages):
        raise ConfigError(
            f"trainer.logger: {last} needs a package that is not installed",
            value=packages[0],
            expected=f"{' or '.join(packages)} beside arcflow",
            next_step=f"Run `pip install {packages[0]}`, or leave --trainer.logger out for CSV "
            "files.",
        )


def _bare_names(option: str) -> Iterator[str]:
    """Yield the classes that are found by their bare names; nothing if they cannot be told."""
    if option in ("model", "data"):
        for path in read_index()["classes"]:
            name = path.rpartition(".")[2]
            if name.endswith("DataModule") == (option == "data"):
                yield name
        return
    spec = _spec("lightning")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        yield from _exported(Path(folder) / "pytorch" / _FOLDERS[option] / "__init__.py")


def _exported(file: Path) -> Iterable[str]:
    """Return the texts of ``__all__`` in a file."""
    if not file.is_file():
        return ()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            value: list[str] = ast.literal_eval(node.value)
            return value
    return ()


def _classes_in(file: Path) -> Iterator[str]:
    """Yield the names of classes that a module defines or imports."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def _spec(module: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
