"""Depth-first search of one request's probable completions; plain Python, without a model."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from arcflow.engines.base import OUT_OF_TIME, Completion, SearchParams

NOT_PROBABLE = "no completion is as probable as min_probability"
OUT_OF_FORWARDS = "no completion was found within max_forwards"

Scored = tuple[int, float]
"""A token id and its log-probability in nats."""


@dataclass(frozen=True, slots=True)
class _Branch:
    """A way to go on from the first ``depth`` tokens of the path.

    Attributes:
        depth: The number of tokens before it.
        token: The token id; None ends the completion.
        log_prob: The log-probability of the path with it, in nats.
        state: The grammar's state after it.
    """

    depth: int
    token: int | None
    log_prob: float
    state: Any


class DepthFirst:
    """The search of one request: every completion that is at least so probable, each exactly once.

    The search follows the most probable token first and returns to the last place where another
    token leaves the path probable enough. It is the method of "the ARChitects" for the ARC Prize
    2024 (Franzen, Disselhoff and Hartmann, "The LLM ARChitect: Solving ARC-AGI Is a Matter of
    Perspective"). A probability cannot grow along a path, so a path that falls below the bound is
    left; at most 1 / min_probability paths of each length are followed.

    :meth:`expand` takes the model's log-probabilities after the path, :meth:`advance` names the
    token to compute next. The model's cache then has to keep the first ``len(path) - 1`` tokens
    of the path and lose all others.

    Sums are float64, so the order of a batch's rows plays no part in the comparison with the bound;
    a completion whose probability lies within the rounding of the model's own logits of the bound
    may still be found in one batch and not in another.

    Args:
        params: The bound, the limits and the grammar.
        stop_ids: The token ids that end a completion.
        max_tokens: The longest completion in tokens, the stop token included.

    Attributes:
        path: The token ids from the prompt's end to the place of the search.
        forwards: The number of tokens that the model was asked to compute, the prompt's excepted.
    """

    def __init__(self, params: SearchParams, stop_ids: Sequence[int], max_tokens: int) -> None:
        self.path: list[int] = []
        self.forwards = 0
        self._params, self._max_tokens = params, max_tokens
        self._stop_ids = frozenset(stop_ids)
        self._least = math.log(params.min_probability)
        self._log_prob = 0.0
        self._state = None if params.grammar is None else params.grammar.start
        self._open: list[_Branch] = []
        self._found: list[Completion] = []
        self._guessing = params.best_guess
        self._stopped = ""

    @property
    def bound(self) -> float:
        """The lowest log-probability in nats with which the path may go on."""
        return self._least - self._log_prob

    def expand(
        self, children: Iterable[Scored], stop: float, ranking: Iterable[Scored] = ()
    ) -> None:
        """Note how the path may go on.

        Args:
            children: The tokens that may follow, at least all whose log-probability reaches
                :attr:`bound`, in any order; stop tokens are ignored.
            stop: The log-probability that the completion ends here, whichever stop token ends it.
            ranking: All tokens, the most probable first. It is read only as far as needed, and
                only until the best guess is complete.
        """
        branches = [self._ending(stop)] if stop >= self.bound else []
        if len(self.path) + 1 < self._max_tokens:  # a token, and one more to stop
            branches += [self._going_on(c) for c in children if c[1] >= self.bound]
        allowed = [branch for branch in branches if branch is not None]
        if not allowed and self._guessing:
            allowed = self._guess(stop, ranking)
        # The branch that is taken first comes last.
        allowed.sort(key=_rank, reverse=True)
        self._open += allowed

    def advance(self) -> int | None:
        """Go on to the next token that the model has to compute.

        Completions on the way are kept.

        Returns:
            The token id, now the last one of ``path``; None if the search is over.
        """
        while self._open and not self._stopped:
            branch = self._open[-1]
            if branch.token is not None and self.forwards >= self._params.max_forwards:
                self._stopped = OUT_OF_FORWARDS
                break
            self._open.pop()
            if branch.depth < len(self.path):
                self._guessing = False  # the first path has come to its end
            if branch.token is None:
                ids = tuple(self.path[: branch.depth])
                self._found.append(Completion(ids, branch.log_prob, branch.depth + 1, True))
                self._guessing = False
                continue
            self.path[branch.depth :] = [branch.token]
            self._log_prob, self._state = branch.log_prob, branch.state
            self.forwards += 1
            return branch.token
        return None

    def expire(self) -> None:
        """End the search, since there is no time left."""
        self._stopped = self._stopped or OUT_OF_TIME

    def completions(self) -> list[Completion]:
        """Return what was found so far, the most probable first.

        Returns:
            The completions; if there are none, one without tokens that says why.
        """
        if not self._found:
            why = self._stopped or NOT_PROBABLE
            return [Completion((), 0.0, 0, finished=False, error=why)]
        return sorted(self._found, key=lambda found: (-found.log_prob, found.token_ids))

    def _ending(self, stop: float) -> _Branch | None:
        grammar = self._params.grammar
        if grammar is not None and not grammar.may_stop(self._state):
            return None
        return _Branch(len(self.path), None, self._log_prob + stop, None)

    def _going_on(self, child: Scored) -> _Branch | None:
        token, log_prob = child
        if token in self._stop_ids:
            return None
        state, grammar = None, self._params.grammar
        if grammar is not None:
            state = grammar.step(self._state, token)
            if state is None:
                return None
        return _Branch(len(self.path), token, self._log_prob + log_prob, state)

    def _guess(self, stop: float, ranking: Iterable[Scored]) -> list[_Branch]:
        """Return the most probable way to go on, however improbable, unless it is too long."""
        ending = self._ending(stop) if stop > -math.inf else None
        for child in ranking:
            if not child[1] > -math.inf or (ending is not None and stop >= child[1]):
                break
            branch = self._going_on(child)
            if branch is not None:
                return [branch] if len(self.path) + 1 < self._max_tokens else []
        return [] if ending is None else [ending]


def _rank(branch: _Branch) -> tuple[float, int]:
    """Return a key that sorts the most probable branch first, equal ones by token."""
    return -branch.log_prob, -1 if branch.token is None else branch.token
