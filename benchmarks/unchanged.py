"""Compare what two versions of arcflow compute, to the last bit: fit, resume, evaluation.

    python benchmarks/unchanged.py record before.json     # in one checkout
    python benchmarks/unchanged.py record after.json      # in the other
    python benchmarks/unchanged.py compare before.json after.json

A refactoring must leave every figure as it was. Recorded are the losses of 20 steps of ``fit`` on
the quickstart and on the mixture, their trained weights, the same of a run that was ended after 10
steps and resumed, and one evaluation with test-time fine-tuning: its journal without the header
(which names options and versions), its table and its submission.
"""

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
STEPS = 20
FIT = [
    "--trainer.log_every_n_steps=1",
    "--trainer.val_check_interval=10",
    "--checkpoint.every_n_steps=10",
    "--trainer.enable_progress_bar=false",
]
ANSWER = [
    "--pass_n.answer.views=4",
    "--data.val.stop=4",
    "--test_time.steps=6",
    "--trainer.enable_progress_bar=false",
]


def arcflow(*words: str) -> None:
    """Run one command of this checkout."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "arcflow", *words], env=environment, check=True)


def losses(folder: Path) -> list[list[str]]:
    """Step, training and validation loss of every logged line, as they were written."""
    rows = []
    for path in sorted(folder.glob("logs/version_*/metrics.csv")):
        with path.open() as lines:
            rows += [
                [row["step"], row.get("train_loss") or "", row.get("val_loss") or ""]
                for row in csv.DictReader(lines)
                if row.get("train_loss") or row.get("val_loss")
            ]
    return rows


def weights(folder: Path) -> str:
    """A digest of every trained tensor in the last checkpoint, by name."""
    import torch

    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(state.items()):
        digest.update(name.encode() + tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def fit(config: str, folder: Path) -> dict[str, Any]:
    """Losses and weights of a run of 20 steps, and of one that was ended in between."""
    once, halves = folder / f"{config}-once", folder / f"{config}-halves"
    configs = dict.fromkeys(("quickstart", config))
    words = ["fit", *(f"--config={CONFIGS / name}.yaml" for name in configs), *FIT]
    arcflow(*words, f"--trainer.max_steps={STEPS}", f"--trainer.default_root_dir={once}")
    words += [f"--trainer.default_root_dir={halves}", "--model.init_args.schedule.name=constant"]
    arcflow(*words, f"--trainer.max_steps={STEPS // 2}")
    arcflow(*words, f"--trainer.max_steps={STEPS}", "--ckpt_path=last")
    return {
        "losses": losses(once),
        "weights": weights(once),
        "resumed losses": losses(halves),
        "resumed weights": weights(halves),
    }


def evaluate(folder: Path, together: int) -> dict[str, Any]:
    """Entries of the journal, the table and the submission."""
    arcflow(
        *("validate", "-c", str(CONFIGS / "quickstart.yaml"), *ANSWER, "--ckpt_path=last"),
        f"--trainer.default_root_dir={folder}",
        f"--test_time.tasks_together={together}",
        f"--data.task_batch_size={together}",
        "--pass_n.overwrite=true",
    )
    lines = (folder / "validate.journal.jsonl").read_text().splitlines()[1:]
    return {
        "journal": [json.loads(line)["entry"] for line in lines],
        "table": json.loads((folder / "validate.results.json").read_text()),
        "submission": json.loads((folder / "submission.json").read_text()),
    }


def record() -> dict[str, Any]:
    """Everything that a refactoring must leave as it is."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = {f"fit {config}": fit(config, folder) for config in ("quickstart", "mixture")}
        for together in (1, 2):
            found[f"evaluation, {together} together"] = evaluate(
                folder / "quickstart-once", together
            )
    return found


def differences(before: Any, after: Any, where: str = "") -> list[str]:
    """Where two records differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for key in sorted({*before, *after}, key=str)
            for line in differences(before.get(key), after.get(key), f"{where}/{key}")
        ]
    return [] if before == after else [f"{where}: {str(before)[:200]} became {str(after)[:200]}"]


def main() -> None:
    """Record one version, or compare two records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("record").add_argument("output", type=Path)
    compare = actions.add_parser("compare")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    compare.add_argument(
        "--renamed", nargs="*", default=[], metavar="OLD=NEW", help="words renamed in between"
    )
    words = parser.parse_args()
    if words.action == "record":
        words.output.write_text(json.dumps(record(), indent=1))
        print(json.dumps({"recorded": str(words.output)}))
        return
    before, after = words.before.read_text(), words.after.read_text()
    for old, new in (pair.split("=") for pair in words.renamed):
        before = before.replace(f'"{old}"', f'"{new}"')
    before, after = json.loads(before), json.loads(after)
    found = differences(before, after)
    for line in found:
        print(line)
    parts = {
        f"{name}/{part}": not differences(of, after[name].get(part))
        for name, parts in before.items()
        for part, of in parts.items()
    }
    print(json.dumps({"parts": len(parts), "equal": sum(parts.values())}))
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
