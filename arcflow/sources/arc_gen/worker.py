"""A script that runs ARC-GEN's generators in a process of its own: JSON lines in, JSON lines out.

:class:`arcflow.sources.arc_gen.process.GeneratorProcess` starts it with the clone's folder and the
memory limit in MiB; it imports nothing but the standard library and the clone. Its first line says
that it is ready. A request ``{"id", "seed", "draws"}`` is answered by what the generator returns, a
request ``{"id", "validate": true}`` by the pairs that the clone's author wrote down, and any
request may be answered by ``{"error": words}``. A request also holds its limits: ``seconds`` of
processor time, and ``patience``, in seconds by the clock.
"""

import copy
import importlib.util
import json
import os
import random
import resource
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

_PLAIN = (bool, int, float, str, tuple, list, dict, set)


class TooLong(BaseException):
    """A limit was reached. It is no Exception, so that a generator's own handlers let it pass."""


class CountedRandom(random.Random):
    """Python's generator of random numbers, with the calls counted and limited."""

    left = 0

    def random(self) -> float:
        """Return a random float in [0, 1)."""
        self._count()
        return super().random()

    def getrandbits(self, k: int) -> int:
        """Return an integer of ``k`` random bits."""
        self._count()
        return super().getrandbits(k)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TooLong("it drew too many random numbers")


class Generators:
    """The modules of a clone, each loaded when it is first needed.

    Args:
        clone: The folder of the clone.
    """

    def __init__(self, clone: Path) -> None:
        self.clone = clone
        self.draw = CountedRandom()
        # This happens before any module of the clone is loaded, as these may import functions from
        # `random` by name. The limited generator gives the same numbers as the global one.
        for name in dir(random):
            if isinstance(getattr(getattr(random, name), "__self__", None), random.Random):
                setattr(random, name, getattr(self.draw, name))
        sys.path.insert(0, str(clone))
        self._modules: dict[str, ModuleType] = {}
        self._states: dict[str, dict[str, Any]] = {}

    def answer(self, request: dict[str, Any]) -> Any:
        """Return what a request asks for.

        Args:
            request: The request, as the module describes it.
        """
        module = self._module(request["id"])
        # A sample must not depend on the one before it.
        for name in (request["id"], "common"):
            if name in self._states:
                vars(self._modules[name]).update(copy.deepcopy(self._states[name]))
        if "validate" in request:
            self.draw.left = 10**9
            return module.validate()
        self.draw.left = request["draws"]
        self.draw.seed(request["seed"])
        return module.generate()

    def _module(self, task_id: str) -> ModuleType:
        if task_id not in self._modules:
            path = self.clone / "tasks" / f"task_{task_id}.py"
            spec = importlib.util.spec_from_file_location(f"arc_gen_{task_id}", path)
            assert spec is not None
            assert spec.loader is not None
            self.draw.left = 10**9
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            self._keep(task_id, module)
            if "common" in sys.modules and "common" not in self._modules:
                self._keep("common", sys.modules["common"])
        return self._modules[task_id]

    def _keep(self, name: str, module: ModuleType) -> None:
        self._modules[name] = module
        state = {
            key: value
            for key, value in vars(module).items()
            if type(value) in _PLAIN and not key.startswith("__")
        }
        if state:
            self._states[name] = copy.deepcopy(state)


def main() -> None:
    """Answer requests until there are no more."""
    clone, memory = Path(sys.argv[1]), int(sys.argv[2]) << 20
    # Output that a generator prints must not come between the answers.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.dont_write_bytecode = True

    def late(number: int, frame: object) -> None:
        raise TooLong("it ran too long")

    signal.signal(signal.SIGPROF, late)
    generators = Generators(clone)
    answers.write(b"{}\n")
    answers.flush()
    for line in requests:
        request = json.loads(line)
        try:
            # The signal is repeated, for generators that catch it as an error of their own.
            signal.setitimer(signal.ITIMER_PROF, request["seconds"], 0.1)
            # The default action kills the process, so that it cannot outlive its parent and hang.
            signal.setitimer(signal.ITIMER_REAL, request["patience"] + 1)
            answer = json.dumps(generators.answer(request))
        except TooLong as error:
            answer = json.dumps({"error": str(error)})
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a generator raises is told
            answer = json.dumps({"error": f"it raised {type(error).__name__}: {error}"[:500]})
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(answer.encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
