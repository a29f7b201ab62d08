"""A whole evaluation with test-time fine-tuning: one run, against a process for each task.

    python benchmarks/evaluation.py [--tasks 16] [--steps 60] [--tokens_per_step 300] [--views 16]
                                    [--engine vllm] [--together 16] [--train_steps 600]

Both sides tune and answer the same small ARC-AGI-1 evaluation tasks with the embedded model,
trained a little first. The other way is how evaluations are commonly scripted: for each task a
process that loads the model, trains the task's adapter, loads the engine and answers. Here it is
written with arcflow's own functions and options, one task after the other, so that what differs
is the way alone: its one task goes through the pass of tasks tuned together, whose adapters do not
depend on who learns beside them, so that all candidates must be the same. Wall-clock time, from
the start of the first process to the end of the last.

The ratio depends on how much is tuned: one run saves the starts, and makes a step only somewhat
faster. The default is a light recipe, 60 steps of rows up to 300 tokens (or one longer sample),
which suits tasks with no side over 7; --steps 120 --tokens_per_step 640 is the quickstart's.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CONFIG = str(Path(__file__).parent.parent / "configs" / "quickstart.yaml")


def arcflow(arguments: Sequence[str], folder: Path) -> float:
    """Run a command to its end; its wall-clock seconds."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "arcflow", *arguments]
    run(command, folder)
    return time.perf_counter() - began


def run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")


def shared(options: argparse.Namespace) -> list[str]:
    """What both sides are told."""
    return [
        "-c",
        CONFIG,
        "--trainer.enable_progress_bar=false",
        "--data.val.max_side=7",
        "--data.val.max_tokens=512",
        f"--data.val.stop={options.tasks}",
        f"--test_time.steps={options.steps}",
        f"--test_time.tokens_per_step={options.tokens_per_step}",
        f"--test_time.tasks_together={options.together}",
        f"--pass_n.answer.views={options.views}",
        f"--pass_n.engine={options.engine}",
        "--pass_n.compare=false",
    ]


def one_run(options: argparse.Namespace, folder: Path, checkpoint: Path) -> float:
    return arcflow(
        [
            "validate",
            *shared(options),
            f"--data.task_batch_size={options.together}",
            f"--ckpt_path={checkpoint}",
            f"--trainer.default_root_dir={folder}",
        ],
        folder,
    )


def process_per_task(options: argparse.Namespace, folder: Path, checkpoint: Path) -> float:
    ids = task_ids(options.tasks)
    began = time.perf_counter()
    for task_id in ids:
        spec = [task_id, str(checkpoint), str(folder), *shared(options)]
        run([sys.executable, __file__, "--one", json.dumps(spec)], folder)
    return time.perf_counter() - began


def task_ids(count: int) -> list[str]:
    """The ids of the tasks that both sides evaluate."""
    from arcflow.datamodules.arc import ARCDataModule
    from arcflow.sources.select import TaskSelection

    selection = TaskSelection("arc-agi-1/evaluation", max_side=7, max_tokens=512, stop=count)
    return [task.id for task in ARCDataModule(val=selection).val_tasks()]


def one_task(task_id: str, checkpoint: str, folder: str, *arguments: str) -> None:
    """The other way's process: one adapter, and the answers with it."""
    import torch
    from lightning.pytorch import LightningDataModule, LightningModule

    from arcflow.callbacks.pass_n import PassN
    from arcflow.callbacks.ttft import TestTimeFineTuning
    from arcflow.cli import lightning as lightning_cli
    from arcflow.evaluation.engine_setup import open_engine
    from arcflow.evaluation.grid_requests import GridRequests
    from arcflow.scoring.voting import candidate_to_json

    class Parts(lightning_cli.ArcflowCLI):
        """What the options make, without a run."""

        def _run_subcommand(self, subcommand: str) -> None:
            pass

    cli = Parts(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=None,
        trainer_defaults={"default_root_dir": folder, "logger": False},
        seed_everything_default=0,
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        args=["validate", *arguments],
    )
    module, data = cli.model, cli.datamodule
    module.configure_model()
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    module.load_state_dict(state, strict=False)
    kinds = {type(callback): callback for callback in cli.trainer.callbacks}
    tuner, pass_n = kinds[TestTimeFineTuning], kinds[PassN]
    task = next(task for task in data.val_tasks() if task.id == task_id).without_answers()
    adapters = Path(folder) / "adapters"
    samples = tuner.leave_one_out(data.encoder, data.max_tokens)
    ref = tuner.tune(module, data.encoder, [task], folder=adapters, samples=samples)[0]
    room = open_engine(
        pass_n.engine, pass_n.vllm, module, data, tuner, pass_n.answer, folder, time.time
    )
    questions = GridRequests(data.encoder, pass_n.answer, data.max_tokens, pass_n.seed)
    questions.ask((task.id, "ttft"), task, ref)
    answers = room.engine.generate(questions.requests, questions.sampling)
    room.close()
    with (Path(folder) / "candidates.jsonl").open("a") as lines:
        for candidate in questions.candidates(answers)[task.id, "ttft"]:
            lines.write(candidate_to_json(candidate) + "\n")


def answers_of(path: Path) -> dict[tuple[str, int, str], tuple[Any, float]]:
    from arcflow.scoring.voting import read_candidates

    return {
        (c.task_id, c.test_index, c.view): (
            None if c.grid is None else c.grid.tolist(),
            c.log_prob,
        )
        for c in read_candidates(path)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--steps", type=int, default=60, help="of tuning a task")
    parser.add_argument("--tokens_per_step", type=int, default=300, help="of a step's row")
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="vllm")
    parser.add_argument("--together", type=int, default=16, help="tasks tuned in one pass")
    parser.add_argument("--train_steps", type=int, default=600)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_task(*json.loads(options.one))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    work = Path(tempfile.mkdtemp(prefix="evaluation-"))
    try:
        ours, theirs, trained = (work / name for name in ("one", "each", "trained"))
        for folder in (ours, theirs, trained):
            folder.mkdir()
        arcflow(
            [
                "fit",
                "-c",
                CONFIG,
                f"--trainer.max_steps={options.train_steps}",
                f"--trainer.default_root_dir={trained}",
                "--trainer.enable_progress_bar=false",
            ],
            trained,
        )
        checkpoint = next(iter(trained.rglob("last.ckpt")))
        print(
            f"{options.tasks} tasks, {options.steps} steps of {options.tokens_per_step} tokens, "
            f"{options.views} views"
        )
        one = one_run(options, ours, checkpoint)
        print(f"one run: {one:.0f} s", flush=True)
        each = process_per_task(options, theirs, checkpoint)
        found = answers_of(ours / "validate.journal.jsonl")
        wanted = answers_of(theirs / "candidates.jsonl")
        same = sum(found[key][0] == wanted[key][0] for key in wanted)
        print(f"one run:            {60 * options.tasks / one:8.2f} tasks/min ({one:.0f} s)")
        print(f"a process per task: {60 * options.tasks / each:8.2f} tasks/min ({each:.0f} s)")
        print(f"candidates: {len(found)} and {len(wanted)}, {same} of them the same grids")
        print(
            json.dumps(
                {
                    "name": f"evaluation with test-time fine-tuning, {options.engine}",
                    "value": round(60 * options.tasks / one, 2),
                    "unit": "tasks/min",
                    "against": "a process per task",
                    "against_value": round(60 * options.tasks / each, 2),
                    "ratio": round(each / one, 2),
                    "same_candidates": same / len(wanted),
                }
            )
        )
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
