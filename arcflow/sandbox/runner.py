"""The process that runs programs one after the other and writes their answers as bytes."""

import marshal
from collections.abc import Sequence
from types import CodeType
from typing import Any

from arcflow.core.grid import Grid
from arcflow.sandbox.namespace import ProgramNamespace
from arcflow.sandbox.outputs import NotAGridError, check_output, last_line
from arcflow.sandbox.protocol import (
    BAD,
    GRIDS,
    MEMORY,
    NONDETERMINISTIC,
    RAISED,
    REFUSED,
    ProgramRequest,
    pack_grids,
    pack_message,
    unpack_grids,
)
from arcflow.sandbox.shared_results import SharedResults
from arcflow.sandbox.shared_state import SharedState


def run_programs(
    requests: Sequence[ProgramRequest],
    namespace: ProgramNamespace,
    shared_state: SharedState,
    shared_results: SharedResults,
) -> None:
    """Run programs until one of the rest needs a fresh process.

    That is the case after a program that changed the state that it shares with others, whose own
    answer is replaced by a refusal, and for a program that may have failed because of those before
    it.

    Args:
        requests: The compiled programs.
        namespace: The names that the programs may use.
        shared_state: The state that the programs share, and that each has to leave as it was.
        shared_results: The memory that the answers are written to.
    """
    shared_state.begin()
    for request in requests:
        shared_results.begin()
        answer = run_program(request.text, unpack_grids(request.grids, request.n_grids), namespace)
        alone = request is requests[0]
        if not alone and answer[0] in (MEMORY, NONDETERMINISTIC):
            return
        change = shared_state.change()
        if change:
            answer = pack_message(REFUSED, f"changing what programs share: {change}")
        if not shared_results.add(answer) or change:
            return


def run_program(code: bytes, grids: list[Grid], namespace: ProgramNamespace) -> bytes:
    """Run ``task`` on every grid, and on the first one again; nothing is raised.

    Args:
        code: The program's code as the parser marshalled it.
        grids: The inputs; each call gets a copy.
        namespace: The names that the program may use.

    Returns:
        The bytes of an answer.
    """
    index = 0
    try:
        scope = {**namespace.names, "__builtins__": {**namespace.builtins}, "__name__": "program"}
        program: CodeType = marshal.loads(code)
        exec(program, scope)
        task: Any = scope.get("task")
        outputs: list[Grid] = []
        for grid in grids:
            index = len(outputs)
            outputs.append(check_output(task(grid.copy())))
        if not _is_deterministic(task, grids, outputs):
            return bytes([NONDETERMINISTIC])
        return bytes([GRIDS]) + pack_grids(outputs)
    except MemoryError:
        return bytes([MEMORY])
    except NotAGridError as bad:
        return pack_message(BAD, bad.args[0], bad.args[1], index)
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        try:
            return pack_message(RAISED, type(error).__name__, _message(error), last_line(error))
        except MemoryError:
            return bytes([MEMORY])


def _is_deterministic(task: Any, grids: list[Grid], outputs: list[Grid]) -> bool:
    """Return whether the first input gives the same output after all the others."""
    if not grids:
        return True
    try:
        again = check_output(task(grids[0].copy()))
    except NotAGridError:
        return False
    return again.shape == outputs[0].shape and again.tobytes() == outputs[0].tobytes()


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - its arguments may be anything
        return ""
