"""Which engine can search, and for what: refused before anything else is done."""

from arcflow.core.errors import ConfigError
from arcflow.evaluation.engine_setup import EngineName, engine_class
from arcflow.evaluation.grid_requests import AnswerConfig


def check_method(name: EngineName, answer: AnswerConfig, programs: bool) -> None:
    """Refuse a search that the engine cannot do, or that is for programs.

    Args:
        name: one of :data:`~arcflow.evaluation.engine_setup.ENGINES` or a class path.
        answer: how answers are made.
        programs: whether answers are programs.

    Raises:
        ConfigError: answers are programs, or the engine cannot search.
    """
    if not answer.searches:
        return
    if programs:
        raise ConfigError(
            "pass_n.answer.method: programs are sampled, not searched",
            value=answer.method,
            expected="sampling, or answers that are grids (pass_n.code null)",
            next_step="Set --pass_n.answer.method sampling.",
        )
    if name == "vllm" or not getattr(engine_class(name), "can_search", False):
        raise ConfigError(
            "pass_n.answer.method: this engine cannot search",
            value={"method": answer.method, "engine": name},
            expected="method sampling, or the transformers engine",
            next_step="Set --pass_n.engine transformers.",
        )
