"""The process that runs programs: one after the other, each leaves bytes."""

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
    RAISED,
    UNSTEADY,
    ProgramRequest,
    pack_grids,
    pack_words,
    unpack_grids,
)
from arcflow.sandbox.shared_results import SharedResults


def run_programs(
    asks: Sequence[ProgramRequest], offer: ProgramNamespace, board: SharedResults
) -> None:
    """Run programs until one is left that needs a process without a past.

    That is one after a program that changed what it shares with others, and one that may have
    failed because of those before it.

    Args:
        asks: compiled programs.
        offer: what they may name.
        board: where answers go.
    """
    for ask in asks:
        board.begin()
        answer = run_program(ask.text, unpack_grids(ask.grids, ask.n_grids), offer)
        alone = ask is asks[0]
        if not alone and answer[0] in (MEMORY, UNSTEADY):
            return
        if not board.leave(answer) or not offer.intact():
            return


def run_program(code: bytes, grids: list[Grid], offer: ProgramNamespace) -> bytes:
    """Run ``task`` on every grid, and on the first again; never raises.

    Args:
        code: marshalled by the parser.
        grids: inputs; each call gets a copy.
        offer: what the program may name.

    Returns:
        An answer.
    """
    index = 0
    try:
        namespace = {**offer.names, "__builtins__": {**offer.builtins}, "__name__": "program"}
        program: CodeType = marshal.loads(code)
        exec(program, namespace)
        task: Any = namespace.get("task")
        outputs: list[Grid] = []
        for grid in grids:
            index = len(outputs)
            outputs.append(check_output(task(grid.copy())))
        if not _steady(task, grids, outputs):
            return bytes([UNSTEADY])
        return bytes([GRIDS]) + pack_grids(outputs)
    except MemoryError:
        return bytes([MEMORY])
    except NotAGridError as bad:
        return pack_words(BAD, bad.args[0], bad.args[1], index)
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        try:
            return pack_words(RAISED, type(error).__name__, _message(error), last_line(error))
        except MemoryError:
            return bytes([MEMORY])


def _steady(task: Any, grids: list[Grid], outputs: list[Grid]) -> bool:
    """Whether the first input gives the same once the program has seen all the others."""
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
