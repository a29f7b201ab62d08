"""``arcflow score``: score submissions against solutions as Kaggle and ARC Prize do."""

import argparse
import json
from collections.abc import Sequence

from arcflow.core.printable import printable
from arcflow.scoring.kaggle_score import Score, score_submission
from arcflow.scoring.submission import read_submission
from arcflow.tools.run import WHERE_HELP, load_solutions, run


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow score`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow score",
        description="Score submissions: a test input counts if one of its two attempts is exactly "
        "right. Kaggle's number is the share of all test inputs that are solved; ARC Prize's is "
        "the mean over tasks of each task's share.",
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
                print(f"  {printable(task.task_id)}  {task.score:6.1%}  {marks}")
            print()
    width = max(len("submission"), *(len(path) for path in options.submissions))
    print(f"{'submission':<{width}}  Kaggle  ARC Prize  tasks solved  test inputs solved")
    for path, score in scores:
        tasks = f"{score.tasks_solved}/{len(score.tasks)}"
        inputs = f"{score.inputs_solved}/{score.inputs}"
        numbers = f"{score.kaggle:6.2%}  {score.arc_prize:9.2%}"
        print(f"{path:<{width}}  {numbers}  {tasks:>12}  {inputs:>18}")


def _as_json(path: str, score: Score) -> dict[str, object]:
    return {
        "submission": path,
        "kaggle": score.kaggle,
        "arc_prize": score.arc_prize,
        "tasks": len(score.tasks),
        "tasks_solved": score.tasks_solved,
        "inputs": score.inputs,
        "inputs_solved": score.inputs_solved,
        "per_task": {
            task.task_id: {"score": task.score, "solved": list(task.solved)} for task in score.tasks
        },
    }
