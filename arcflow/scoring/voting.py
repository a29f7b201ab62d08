"""Candidates and votes: many answers to one test input become a ranking."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, GridKey, grid_key, make_grid
from arcflow.core.json_file import parse_json, read_bytes
from arcflow.scoring.journal import is_journal, read_journal
from arcflow.scoring.rescored import Values, ranked_by_votes, solver_values

MODEL_VARIANTS = ("ttft", "baseline")
"""The variants of a journal that a language model answers, the better one first."""

Rank = Literal["", "rescored", "votes"]
"""What ranks answers: the values of re-scoring, votes alone, or what a journal's run chose."""

LOWEST_SCORE = -1e9
"""The lowest score, in nats per token; it also stands for a score that is not finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One answer to one test input, as a grid of the original task.

    Attributes:
        task_id: The id of the task.
        test_index: The index of the test input in the task, from 0.
        grid: The answer, or None if the model's text held no grid (unanswered).
        log_prob: The log-probability of the whole answer, summed over its tokens, in nats.
        n_tokens: The number of tokens counted in ``log_prob``.
        view: The name of the augmentation under which the question was asked.
        text: What the model wrote, if it is worth keeping.
        reason: The reason why there is no answer, if there is none.
        source: The solver or the system that gave the answer, e.g. ``"search"``; empty for a
            language model, whose answers vote.
        confidence: The probability that the answer is right, in [0, 1], if the source says so.
        fits: Whether the rule behind the answer reproduces all train pairs.
        weight: How many votes the answer has, from 0 to 1. An answer found by a search has its
            probability: the share of the votes that endless sampling would give it.
        rescored: The mean over other views of the log-probability of the whole answer, in nats;
            None if the answer was not scored again.
        rescore_views: The number of these views.
    """

    task_id: str
    test_index: int
    grid: Grid | None
    log_prob: float
    n_tokens: int
    view: str = ""
    text: str = ""
    reason: str = ""
    source: str = ""
    confidence: float | None = None
    fits: bool = False
    weight: float = 1.0
    rescored: float | None = None
    rescore_views: int = 0

    @property
    def score(self) -> float:
        """The log-probability per token, in nats; always finite, so that ranking never fails.

        A half-precision model can produce NaN or -inf: such an answer keeps its vote and loses
        every tie.
        """
        score = self.log_prob / max(self.n_tokens, 1)
        return max(score, LOWEST_SCORE) if math.isfinite(score) else LOWEST_SCORE


def with_value(candidate: Candidate, values: Values) -> Candidate:
    """Return a solver's candidate with its value of re-scoring, if there is one."""
    if not values or candidate.grid is None or not candidate.source:
        return candidate
    found = values.get((candidate.task_id, candidate.test_index, grid_key(candidate.grid)))
    if found is None:
        return candidate
    return replace(candidate, rescored=found[0], rescore_views=found[1])


def without_value(candidate: Candidate) -> Candidate:
    """Return a candidate without its value of re-scoring, so that votes alone rank it."""
    if candidate.rescored is None:
        return candidate
    return replace(candidate, rescored=None, rescore_views=0)


@dataclass(frozen=True, slots=True, eq=False)
class Vote:
    """One distinct answer to a test input.

    Attributes:
        grid: The answer.
        count: The number of candidates that gave it.
        score: The mean over these candidates of the log-probability per token, in nats.
        weight: The sum of these candidates' weights, which is their number if they were sampled.
        rescored: The mean of their values of re-scoring, in nats; None without any.
    """

    grid: Grid
    count: int
    score: float
    weight: float
    rescored: float | None = None

    @property
    def rank_key(self) -> tuple[bool, float, float, float]:
        """The key that sorts answers, best first."""
        return self.rescored is None, -(self.rescored or 0.0), -self.weight, -self.score


def rank_votes(candidates: Iterable[Candidate]) -> list[Vote]:
    """Return the distinct answers to one test input, best first, voted for with weights.

    :func:`arcflow.scoring.merge.rank_answers` ranks the answers of several sources.

    Args:
        candidates: All candidates for one test input; unanswered ones have no vote.

    Returns:
        The answers ordered by re-scoring, those without a value last; then by weight, then by
        score, then by the order in which they were seen.
    """
    groups: dict[GridKey, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.grid is not None:
            groups.setdefault(grid_key(candidate.grid), []).append(candidate)
    votes = []
    for group in groups.values():
        grid = group[0].grid
        if grid is not None:
            # fsum does not depend on the order, so a merged journal ranks as an unmerged one.
            mean = math.fsum(candidate.score for candidate in group) / len(group)
            weight = math.fsum(candidate.weight for candidate in group)
            values = [c.rescored for c in group if c.rescored is not None]
            rescored = math.fsum(values) / len(values) if values else None
            votes.append(Vote(grid, len(group), mean, weight, rescored))
    return sorted(votes, key=lambda vote: vote.rank_key)


def by_test_input(
    candidates: Iterable[Candidate], task_id: str, inputs: int
) -> list[list[Candidate]]:
    """Return the candidates of one task as a list for each of its test inputs.

    Args:
        candidates: The candidates of the task.
        task_id: The id that they must have.
        inputs: The number of the task's test inputs.

    Raises:
        DataError: A candidate is for another task, or for a test input that does not exist.
    """
    found: list[list[Candidate]] = [[] for _ in range(inputs)]
    for candidate in candidates:
        if candidate.task_id != task_id:
            raise DataError(
                f"task {task_id}: candidates of another task among its own",
                value=candidate.task_id,
                expected=f"candidates of {task_id} alone",
                next_step="Take one task at a time.",
            )
        if not 0 <= candidate.test_index < inputs:
            raise DataError(
                f"task {task_id}: a candidate for a test input that is not there",
                value=candidate.test_index,
                expected=f"a test index 0..{inputs - 1}",
                next_step="Check that candidates and tasks belong together.",
            )
        found[candidate.test_index].append(candidate)
    return found


def candidate_to_dict(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as plain JSON values, without optional fields that are empty.

    ``log_prob`` is None if it is not finite, which JSON cannot express.
    """
    obj: dict[str, Any] = {
        "task_id": candidate.task_id,
        "test_index": candidate.test_index,
        "grid": None if candidate.grid is None else candidate.grid.tolist(),
        "log_prob": candidate.log_prob if math.isfinite(candidate.log_prob) else None,
        "n_tokens": candidate.n_tokens,
        "view": candidate.view,
    }
    if candidate.text:
        obj["text"] = candidate.text
    if candidate.reason:
        obj["reason"] = candidate.reason
    if candidate.source:
        obj["source"] = candidate.source
    if candidate.confidence is not None:
        obj |= {"confidence": candidate.confidence, "fits": candidate.fits}
    if candidate.weight != 1.0:
        obj["weight"] = candidate.weight
    if candidate.rescored is not None:
        obj |= {"rescored": candidate.rescored, "rescore_views": candidate.rescore_views}
    return obj


def candidate_to_json(candidate: Candidate) -> str:
    """Return :func:`candidate_to_dict` as one line of JSON, without the line end."""
    return json.dumps(candidate_to_dict(candidate), separators=(",", ":"))


_NEXT = "Check that the file is a journal or has candidates, as an evaluation writes them."
_NEEDED = ("task_id", "test_index", "grid", "log_prob", "n_tokens")


def candidate_from_json(line: str | bytes, where: str = "candidate") -> Candidate:
    """Return the candidate that :func:`candidate_to_json` wrote, ignoring unknown keys.

    Args:
        line: The JSON text of one object.
        where: What the text is, for error messages, e.g. ``"candidates.jsonl, line 3"``.

    Raises:
        DataError: The text is not JSON, a key is missing or occurs twice, a type is wrong or the
            grid is bad.
    """
    raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
    return candidate_from_dict(parse_json(raw, where, is_line=True), where)


def candidate_from_dict(obj: object, where: str = "candidate") -> Candidate:
    """Return the candidate that :func:`candidate_to_dict` described, ignoring unknown keys.

    Args:
        obj: The decoded JSON.
        where: What the JSON is, for error messages.

    Raises:
        DataError: A key is missing, a type is wrong or the grid is bad.
    """
    if not isinstance(obj, Mapping):
        raise DataError(
            f"{where}: wrong type",
            value=obj,
            expected=f"an object with keys {', '.join(_NEEDED)}",
            next_step=_NEXT,
        )
    for key in _NEEDED:
        if key not in obj:
            raise DataError(
                f"{where}: missing key {key!r}",
                value=sorted(map(str, obj)),
                expected=f"keys {', '.join(_NEEDED)}",
                next_step=_NEXT,
            )
    log_prob = obj["log_prob"]
    if log_prob is None:
        log_prob = -math.inf
    if isinstance(log_prob, bool) or not isinstance(log_prob, int | float):
        raise _wrong(where, "log_prob", log_prob, "a number of nats, or null")
    if isinstance(log_prob, int) and abs(log_prob) > 2**53:
        raise _wrong(where, "log_prob", log_prob, "a number of nats that a float can hold")
    grid = obj["grid"]
    return Candidate(
        task_id=_text(where, obj, "task_id"),
        test_index=_count(where, obj, "test_index", 999),
        grid=None if grid is None else make_grid(grid, f"{where}, grid"),
        log_prob=float(log_prob),
        n_tokens=_count(where, obj, "n_tokens", 10**9),
        view=_text(where, obj, "view"),
        text=_text(where, obj, "text"),
        reason=_text(where, obj, "reason"),
        source=_text(where, obj, "source"),
        confidence=None if obj.get("confidence") is None else _share(where, obj, "confidence"),
        fits=_fits(where, obj),
        weight=_share(where, {"weight": 1.0, **obj}, "weight"),
        rescored=_rescored(where, obj),
        rescore_views=_count(where, {"rescore_views": 0, **obj}, "rescore_views", 10**6),
    )


def _text(where: str, obj: Mapping[str, Any], key: str) -> str:
    value = obj.get(key, "")
    if not isinstance(value, str):
        raise _wrong(where, key, value, "a string")
    return value


def _count(where: str, obj: Mapping[str, Any], key: str, largest: int) -> int:
    value = obj[key]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise _wrong(where, key, value, f"an integer 0..{largest}")
    return value


def _share(where: str, obj: Mapping[str, Any], key: str) -> float:
    value = obj[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _wrong(where, key, value, "a probability, 0 to 1")
    return float(value)


def _rescored(where: str, obj: Mapping[str, Any]) -> float | None:
    value = obj.get("rescored")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e9:
        raise _wrong(where, "rescored", value, "a finite number of nats, or null")
    return float(value)


def _fits(where: str, obj: Mapping[str, Any]) -> bool:
    value = obj.get("fits", False)
    if not isinstance(value, bool):
        raise _wrong(where, "fits", value, "true or false")
    return value


def _wrong(where: str, key: str, value: object, expected: str) -> DataError:
    return DataError(f"{where}: bad {key}", value=value, expected=expected, next_step=_NEXT)


def read_candidates(path: str | Path, variant: str = "") -> list[Candidate]:
    """Return all candidates of a file, task after task.

    Args:
        path: The file, as for :func:`read_answers`.
        variant: The variant to read, as for :func:`read_answers`.

    Raises:
        DataError: The file cannot be read, or a line holds no candidate; the message names the
            line.
    """
    return [candidate for found in read_answers(path, variant).values() for candidate in found]


def read_answers(
    path: str | Path, variant: str = "", rank: Rank = ""
) -> dict[str, list[Candidate]]:
    """Read an evaluation's journal, or a file with one candidate's JSON object on each line.

    Args:
        path: The file. A last line that a killed writer left torn is not read.
        variant: The variant to read from a journal, e.g. ``"ttft"``, ``"baseline"`` or
            ``"search"``; if empty, the answers after test-time fine-tuning are read for each task
            that has them, else those of the baseline, and with them those of all solvers. A file
            of candidates has no variants and may have blank lines.
        rank: Whether the values of re-scoring rank: "rescored" keeps them, "votes" drops them, ""
            does what the journal's own run did.

    Returns:
        The candidates by task id, in the file's order; a journal may have tasks without candidates.

    Raises:
        DataError: The file cannot be read, or a line holds no candidate; the message names the
            line.
    """
    data = read_bytes(path)
    if is_journal(data):
        return _journal_answers(path, variant, rank)
    answers: dict[str, list[Candidate]] = {}
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            candidate = candidate_from_json(line, f"{path}, line {number}")
            if rank == "votes":
                candidate = without_value(candidate)
            answers.setdefault(candidate.task_id, []).append(candidate)
    return answers


def _journal_answers(path: str | Path, variant: str, rank: Rank) -> dict[str, list[Candidate]]:
    found: dict[str, dict[str, list[Candidate]]] = {}  # by task, then by variant
    header, entries = read_journal(path)
    values = solver_values(entries, str(path))
    for number, entry in enumerate(entries, start=2):
        where = f"{path}, line {number}"
        candidates = entry.get("candidates")
        if not isinstance(candidates, list):
            raise _wrong(where, "candidates", candidates, "a list of candidates")
        of_task = found.setdefault(_text(where, entry, "task"), {})
        of_task.setdefault(_text(where, entry, "variant"), []).extend(
            candidate_from_dict(obj, f"{where}, candidate {i}") for i, obj in enumerate(candidates)
        )
    by_votes = rank == "votes" or (rank == "" and ranked_by_votes(header))
    answers = {}
    for task_id, of_task in found.items():
        names = [variant] if variant else _together(list(of_task))
        taken = [of_task[name] for name in names if name in of_task]
        if taken:
            together = [with_value(candidate, values) for part in taken for candidate in part]
            answers[task_id] = list(map(without_value, together)) if by_votes else together
    return answers


def _together(variants: list[str]) -> list[str]:
    """Return the variants whose answers vote together: the better model's, and all solvers'."""
    model = next(([name] for name in MODEL_VARIANTS if name in variants), [])
    return [*model, *(name for name in variants if name not in MODEL_VARIANTS)]
