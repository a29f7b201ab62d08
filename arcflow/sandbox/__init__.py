"""A sandbox that runs untrusted programs in processes without any rights.

:func:`run_programs` runs texts that define ``task(grid)``; :class:`Sandbox` does the same with
workers that stay warm. ``docs/sandbox.md`` says what each layer stops, and what none does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arcflow.sandbox.layers import Layer as Layer
    from arcflow.sandbox.pool import Sandbox as Sandbox
    from arcflow.sandbox.pool import run_programs as run_programs
    from arcflow.sandbox.results import BadOutput as BadOutput
    from arcflow.sandbox.results import Grids as Grids
    from arcflow.sandbox.results import Limits as Limits
    from arcflow.sandbox.results import Nondeterministic as Nondeterministic
    from arcflow.sandbox.results import OutOfMemory as OutOfMemory
    from arcflow.sandbox.results import Raised as Raised
    from arcflow.sandbox.results import Refused as Refused
    from arcflow.sandbox.results import Result as Result
    from arcflow.sandbox.results import SandboxError as SandboxError
    from arcflow.sandbox.results import SyntaxProblem as SyntaxProblem
    from arcflow.sandbox.results import TimedOut as TimedOut

_HOME = {"Sandbox": "pool", "run_programs": "pool", "Layer": "layers"}


def __getattr__(name: str) -> Any:
    """Import a public name at first use.

    A worker needs none of these names, and without them it stays small, so that forks are cheap.
    """
    home = import_module(f"arcflow.sandbox.{_HOME.get(name, 'results')}")
    try:
        return getattr(home, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
