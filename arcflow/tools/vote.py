"""``arcflow vote``: turn candidates into a submission."""

import argparse
from collections.abc import Sequence

from arcflow.core.errors import DataError
from arcflow.core.json_file import read_bytes
from arcflow.core.overwriting import refuse_overwriting
from arcflow.scoring.submission import (
    PLACEHOLDER,
    fill_submission,
    input_counts,
    is_submission,
    submission_candidates,
    write_submission,
)
from arcflow.scoring.voting import Candidate, Rank, read_answers
from arcflow.tools.ranking import add_rank_option, read_ranked
from arcflow.tools.run import WHERE_HELP, run, task_files

CANDIDATES_HELP = (
    "journal of an evaluation (.journal.jsonl), or one JSON object a line with task_id, "
    "test_index, grid (rows, or null for unanswered), log_prob (nats), n_tokens"
)
"""The help text on candidates of the tools that read them."""


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow vote`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow vote",
        description="Rank the answers to each test input and submit the first two. A model's "
        "answers are ranked by re-scoring, if they were scored again, else by votes, then by "
        "log-probability per token; several journals of models vote together, each line one "
        "vote. Answers of search and trees that fit all train pairs come before these, their "
        "other answers after them, and a submission counts as much as a model.",
    )
    parser.add_argument(
        "candidates",
        nargs="+",
        metavar="CANDIDATES",
        help=f"{CANDIDATES_HELP}; of a journal, the tuned answers to a task where it has them, and "
        "those of all solvers; or a submission.json",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="the submission.json to write"
    )
    parser.add_argument(
        "--tasks",
        metavar="WHERE",
        help="the tasks that the submission must have, those without candidates too: "
        f"{WHERE_HELP}; default: those that have candidates",
    )
    add_rank_option(parser)
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    refuse_overwriting(
        "--output", options.output, [*options.candidates, *task_files(options.tasks)]
    )
    candidates = [
        candidate
        for answers in read_ranked(options.candidates, options.rank, _read)
        for of_task in answers.values()
        for candidate in of_task
    ]
    if options.tasks is None:
        counts = _counts(candidates)
        if not counts:
            raise DataError(
                "no candidates",
                value=options.candidates,
                expected="at least one line",
                next_step="Check the paths, or name the tasks with --tasks.",
            )
    else:
        from arcflow.sources.files.by_name import named

        counts = input_counts(named(options.tasks))
    submission = fill_submission(counts, candidates)
    write_submission(options.output, submission)
    first = [attempts[0] for inputs in submission.values() for attempts in inputs]
    answered = sum(grid is not PLACEHOLDER for grid in first)
    print(
        f"{options.output}: {len(submission)} tasks, {len(first)} test inputs, "
        f"{answered} answered, from {len(candidates)} candidates"
    )


def _read(path: str, rank: Rank) -> dict[str, list[Candidate]]:
    """Return the answers of a journal, a file of candidates or a submission, by task id."""
    if not is_submission(read_bytes(path)):
        return read_answers(path, rank=rank)
    answers: dict[str, list[Candidate]] = {}
    for candidate in submission_candidates(path):
        answers.setdefault(candidate.task_id, []).append(candidate)
    return answers


def _counts(candidates: Sequence[Candidate]) -> dict[str, int]:
    """Return the number of test inputs of each task, as far as the candidates show it."""
    counts: dict[str, int] = {}
    for candidate in candidates:
        task_id = candidate.task_id
        counts[task_id] = max(counts.get(task_id, 0), candidate.test_index + 1)
    return counts
