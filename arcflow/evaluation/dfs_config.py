"""The options of answering by depth-first search in place of sampling."""

from dataclasses import dataclass

from arcflow.core.errors import ConfigError, located
from arcflow.engines.base import SearchParams, check_search
from arcflow.text.encode import Encoder


@dataclass(frozen=True)
class DFSConfig:
    """How answers are searched: all that are probable enough are found in each view.

    Attributes:
        min_probability: the bound: an answer is found if the model gives it at least this
            probability, above 0 and below 1. Half the bound finds more and takes up to twice as
            long.
        grammar: follow only what can become a grid.
        max_forwards: limit of the tokens that are computed for one view of a test input, without
            its prompt; what was found by then counts.
        best_guess: first complete the most probable token at each place, even below the bound, so
            that every view has an answer.
    """

    min_probability: float = 0.1
    grammar: bool = True
    max_forwards: int = 1000
    best_guess: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        with located("pass_n.answer.dfs", of=ConfigError):
            check_search(self.params())

    def params(self, encoder: Encoder | None = None) -> SearchParams:
        """Return how an engine searches.

        Args:
            encoder: The encoder whose answers are searched; None leaves the grammar out.
        """
        grammar = encoder.grammar() if self.grammar and encoder is not None else None
        return SearchParams(self.min_probability, self.max_forwards, self.best_guess, grammar)
