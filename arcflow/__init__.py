"""arcflow: train, adapt at test time and evaluate language models on ARC.

Importing the package is light: a public name is imported at its first use, so that neither
torch nor Lightning is loaded before something needs it. ``docs/python.md`` shows the names at
work, and the stub ``__init__.pyi`` beside this file gives type checkers the same names. The
command line is ``arcflow`` (:mod:`arcflow.cli.main`); ``docs/architecture.md`` draws the layers.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "ARCDataModule": "datamodules.arc",
    "BackboneConfig": "modules.backbone",
    "Candidate": "scoring.voting",
    "Grid": "core.grid",
    "LoRAConfig": "modules.lora.adapters",
    "LoRAModule": "modules.lora_module",
    "MixtureDataModule": "datamodules.mixture",
    "OmniARCDataModule": "datamodules.omniarc",
    "Pair": "core.task",
    "PassN": "callbacks.pass_n",
    "ReARCDataModule": "datamodules.rearc",
    "Sandbox": "sandbox",
    "Task": "core.task",
    "TestTimeFineTuning": "callbacks.ttft",
    "Vote": "scoring.voting",
    "answer": "api.answers",
    "build_submission": "scoring.submission",
    "draw": "api.pictures",
    "evaluation_views": "evaluation.views",
    "fine_tune": "api.answers",
    "load_model": "api.models",
    "load_tasks": "api.tasks",
    "read_journal": "scoring.journal",
    "read_submission": "scoring.submission",
    "score": "api.tasks",
    "vote": "api.tasks",
    "write_submission": "scoring.submission",
}
"""Public name -> the module that defines it."""

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    """Import a public name at its first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not, and the package's own."""
    return sorted({*globals(), *__all__})
