"""Write the pages of the reference: one for each package, and one with the shipped configs.

The package and the folder of configs are walked at each build: whoever adds or moves a module has
nothing to do here. Pages go to ``docs/reference``, which git ignores.
"""

import pkgutil
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "arcflow"
CONFIGS = ROOT / "configs"
FOLDER = "reference"

SKIPPED = ("arcflow.omniarc.tasks",)
"""Packages that are no library: the 399 programs are read with ``arcflow omniarc show``."""

_INDEX = """# API reference

Everything that is public, from the docstrings, a page for each package. What the names mean is in
the [glossary](../glossary.md), how the packages build on each other in the
[architecture](../architecture.md).

```{toctree}
:maxdepth: 1

%s
```
"""

_MODULE = """
## {name}

```{{eval-rst}}
.. automodule:: {name}
   :ignore-module-all:
```
"""

_CONFIGS = """# Configs

The files that come with arcflow. `arcflow init DIR` copies them to `DIR/configs`; several go
together, a later `-c` over an earlier one.
"""

_CONFIG = """
({label})=
## {name}

```{{literalinclude}} ../../configs/{name}
:language: yaml
```
"""


def packages(name: str = "arcflow", folder: Path = PACKAGE) -> Iterator[tuple[str, list[str]]]:
    """Walk a package and the packages in it, without importing them.

    Args:
        name: The package's dotted name.
        folder: Where it lies.

    Yields:
        A package's name and the names of its public modules.
    """
    found = [info for info in pkgutil.iter_modules([str(folder)]) if info.name[0] != "_"]
    yield name, [f"{name}.{info.name}" for info in found if not info.ispkg]
    for info in found:
        inner = f"{name}.{info.name}"
        if info.ispkg and inner not in SKIPPED:
            yield from packages(inner, folder / info.name)


def config_label(path: Path) -> str:
    """Return the label of a config's section on the page of configs.

    Args:
        path: The file's path below ``configs``.
    """
    return "config-" + path.with_suffix("").as_posix().replace("/", "-").lower()


def _package_page(package: str, modules: list[str]) -> str:
    # The package's own docstring stands above the sections of its modules.
    own = _MODULE.format(name=package).replace("## ", "# ", 1).lstrip()
    return own + "".join(_MODULE.format(name=module) for module in modules)


def _config_page() -> str:
    # A folder's files together: those at the top first, as in a listing of the folder.
    paths = sorted(CONFIGS.rglob("*.yaml"), key=lambda path: (path.parent, path.name))
    names = [path.relative_to(CONFIGS) for path in paths]
    return _CONFIGS + "".join(
        _CONFIG.format(label=config_label(name), name=name.as_posix()) for name in names
    )


def write_pages(app: Sphinx) -> None:
    """Write all pages; a page that has not changed is left alone, so that it is not built again."""
    found = dict(packages())
    pages = {name: _package_page(name, modules) for name, modules in found.items()}
    pages["index"] = _INDEX % "\n".join(found)
    pages["configs"] = _config_page()
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
