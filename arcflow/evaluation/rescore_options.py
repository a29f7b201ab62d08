"""The options of re-scoring, and what they do not go together with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from arcflow.core.errors import ConfigError
from arcflow.engines.base import Engine
from arcflow.evaluation.engine_setup import engine_class


@dataclass(frozen=True)
class RescoreConfig:
    """How answers are scored again before they are ranked.

    Attributes:
        views: other augmented views of a task, after those of pass_n.answer.views, under which the
            model scores each distinct answer, those of search and trees too; 0 scores none.
        max_candidates: answers to a test input that are scored, those with the most votes first;
            the others rank after them.
        rank: "rescored" ranks answers by the mean of their log-probabilities over these views, of
            equal ones by votes; "votes" ranks by votes and only keeps the values in the journal.
    """

    views: int = 0
    max_candidates: int = 32
    rank: Literal["rescored", "votes"] = "rescored"

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name, value, least in (
            ("views", self.views, 0),
            ("max_candidates", self.max_candidates, 1),
        ):
            if value < least:
                raise ConfigError(
                    f"pass_n.rescore.{name} is too small",
                    value=value,
                    expected=f"{least} or more",
                    next_step=f"Correct --pass_n.rescore.{name}.",
                )


def rescore_record(config: RescoreConfig) -> Mapping[str, Any]:
    """Return what the values depend on, by the options' names; {} if none are made."""
    if not config.views:
        return {}
    return {
        f"pass_n.rescore.{name}": getattr(config, name)
        for name in ("views", "max_candidates", "rank")
    }


def check_rescoring(config: RescoreConfig, engine: str, programs: bool) -> None:
    """Refuse what re-scoring cannot work with.

    Args:
        config: The options.
        engine: ``pass_n.engine``.
        programs: Whether programs are asked for, not grids.

    Raises:
        ConfigError: Answers are programs, or the engine cannot score.
    """
    if not config.views:
        return
    next_step = "Set --pass_n.rescore.views 0"
    if programs:
        raise ConfigError(
            "pass_n.rescore scores grids, but programs are asked for",
            value={"pass_n.rescore.views": config.views, "pass_n.code": "set"},
            expected="one of the two",
            next_step=f"{next_step}, or leave pass_n.code out.",
        )
    if engine != "vllm" and engine_class(engine).score is Engine.score:
        raise ConfigError(
            "pass_n.engine: this engine cannot score given answers",
            value=engine,
            expected="an engine with a method score, see arcflow.engines.base.Engine",
            next_step=f"{next_step}, or write the method.",
        )
