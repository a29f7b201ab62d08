"""``arcflow score``: score submissions against solutions as Kaggle does."""

import argparse
import json
from collections.abc import Sequence

from arcflow.scoring.submission import Score, read_submission, score_submission
from arcflow.tools.run import WHERE_HELP, load_solutions, run


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow score`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow score",
        description="Score submissions as Kaggle does: a test input counts when one of its two "
        "attempts is exactly right; a task's score is the mean over its test inputs, the score "
        "the mean over tasks.",
    )
    parser.add_argument("submissions", nargs="+", metavar="SUBMISSION", help="submission.json")
    parser.add_argument(
        "--tasks",
        required=True,
        metavar="WHERE",
        help=f"where the solutions are: a Kaggle solutions file, {WHERE_HELP}",
    )
    parser.add_argument(
        "--present-only",
        action="store_true",
        help="score only the tasks that a submission has; without it, it must have all of them",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="print every task's result")
    parser.add_argument("--json", action="store_true", help="print one JSON list, for programs")
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    solutions = load_solutions(options.tasks)
    scores = []
    for path in options.submissions:
        submission = read_submission(path)
        wanted = solutions
        if options.present_only:
            wanted = {
                task_id: grids for task_id, grids in solutions.items() if task_id in submission
            }
        scores.append((path, score_submission(submission, wanted, path)))
    if options.json:
        print(json.dumps([_as_json(path, score) for path, score in scores]))
        return
    if options.verbose:
        for path, score in scores:
            print(path)
            for task in score.tasks:
                marks = " ".join("solved" if one else "-" for one in task.solved)
                print(f"  {task.task_id}  {task.score:6.1%}  {marks}")
            print()
    width = max(len("submission"), *(len(path) for path in options.submissions))
    print(f"{'submission':<{width}}   score  tasks solved  test inputs solved")
    for path, score in scores:
        tasks = f"{score.tasks_solved}/{len(score.tasks)}"
        inputs = f"{score.inputs_solved}/{score.inputs}"
        print(f"{path:<{width}}  {score.score:6.2%}  {tasks:>12}  {inputs:>18}")


def _as_json(path: str, score: Score) -> dict[str, object]:
    return {
        "submission": path,
        "score": score.score,
        "tasks": len(score.tasks),
        "tasks_solved": score.tasks_solved,
        "inputs": score.inputs,
        "inputs_solved": score.inputs_solved,
        "per_task": {
            task.task_id: {"score": task.score, "solved": list(task.solved)} for task in score.tasks
        },
    }
