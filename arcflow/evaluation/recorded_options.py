"""The options of PassN that its answers depend on, as a journal's header names them."""

from typing import Any, Protocol

from arcflow.engines.vllm import VLLMConfig
from arcflow.evaluation.program_runtime import Programs
from arcflow.evaluation.rescore_options import RescoreConfig, rescore_record
from arcflow.evaluation.solver_answers import solver_options

_VLLM_SAYS = ("dtype", "options")  # of its options, those that answers depend on


class AnswerOptions(Protocol):
    """What answers depend on beside those options that the fingerprint knows."""

    engine: str
    seed: int
    vllm: VLLMConfig
    rescore: RescoreConfig
    solvers: tuple[str, ...]
    solver_seconds: float


def recorded_options(
    chosen: AnswerOptions, precision: Any, programs: Programs | None
) -> dict[str, Any]:
    """Return the options that the answers depend on, by their names on the command line.

    Args:
        chosen: the options of the evaluation.
        precision: ``trainer.precision``.
        programs: how programs are asked for and run; None where answers are grids.
    """
    options = {
        "trainer.precision": precision,
        "pass_n.engine": chosen.engine,
        "pass_n.seed": chosen.seed,
    }
    if chosen.engine == "vllm":
        options |= {f"pass_n.vllm.{name}": getattr(chosen.vllm, name) for name in _VLLM_SAYS}
    options |= solver_options(chosen.solvers, chosen.solver_seconds)
    options |= rescore_record(chosen.rescore)
    return options if programs is None else options | programs.record()
