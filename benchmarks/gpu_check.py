"""Everything that only a GPU shows, as one Markdown table.

    python benchmarks/gpu_check.py [--output FILE] [--only PART ...]      (or: make gpu-check)
    python benchmarks/gpu_check.py --device cpu --small                   (to try the script itself)

Every part is a process of its own with a time limit, so that neither an error of the device nor a
lack of memory reaches the next part. A part whose packages are missing becomes a row "not run", a
part that fails a row "failed" with the reason. The table goes to the screen and into a file, for
docs/benchmarks.md. Exit codes: 0 if nothing failed, 1 if something did, 2 without a GPU.

Nothing but torch, transformers, peft and Lightning is needed; vLLM, pytest and jsonargparse are
used where they are installed.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import traceback
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from gpu_parts.row import NotRunError, Place, Row

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    "tests": "the tests marked gpu",
    "attention": "attention within samples against a float64 reference",
    "precision": "training in each number type",
    "batched": "tasks tuned together, padded batched products",
    "rate": "share of the matrix rate of a training step",
    "vllm": "vLLM's sleep, and the memory it shares with the trainer",
}
"""Modules of the folder gpu_parts, in the order in which they run."""
MARK = "gpu-check row: "
SECONDS = 1200.0


def run_part(name: str, place: Place) -> None:
    """Run one part in this process, and print each row as soon as it is known."""
    part = import_module(f"gpu_parts.{name}")
    try:
        for row in part.rows(place):
            print(MARK + json.dumps(asdict(row)), flush=True)
    except (ImportError, NotRunError) as error:
        row = Row(PARTS[name], "", "", f"not run: {first_line(error)}")
        print(MARK + json.dumps(asdict(row)), flush=True)


def first_line(error: BaseException) -> str:
    """One line that says what happened."""
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__


def part_rows(name: str, place: Place, seconds: float) -> list[Row]:
    """Run one part in a process of its own; its rows, and one that says how it failed."""
    command = [sys.executable, __file__, "--part", name, "--device", place.device]
    command += ["--small"] if place.small else []
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # vLLM's processes end with it
    )
    why = ""
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        said, _ = process.communicate()
        why = f"failed: not done within {seconds:g} s"
    lines = said.splitlines()
    rows = [Row(**json.loads(x.removeprefix(MARK))) for x in lines if x.startswith(MARK)]
    rest = [line for line in lines if line.strip() and not line.startswith(MARK)]
    if process.returncode and not why:
        last = rest[-1].strip()[:160] if rest else ""
        why = f"failed: {last or f'exit code {process.returncode}'}"
    if why:
        print("\n".join(rest[-30:]), file=sys.stderr)
        rows.append(Row(PARTS[name], "", "", why))
    return rows


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    lines = ["| check | measured | wanted | result |", "|---|---|---|---|"]
    for row in rows:
        cells = (row.check, row.measured, row.wanted, row.result)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def device_name(place: Place) -> str:
    """The GPU with its memory, or the processor."""
    import torch

    if place.device == "cpu":
        return f"{platform.machine()} CPU, {os.cpu_count()} cores"
    found = torch.cuda.get_device_properties(0)
    capability = ".".join(map(str, torch.cuda.get_device_capability(0)))
    return f"{found.name}, {found.total_memory / 2**30:.0f} GiB, capability {capability}"


def versions() -> str:
    """The installed libraries that the figures depend on."""
    found = []
    for name in ("torch", "transformers", "peft", "lightning", "vllm"):
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join([f"Python {platform.python_version()}", *found])


def no_device(device: str) -> str | None:
    """Why the checks cannot run here; None if they can."""
    try:
        import torch
    except ImportError as error:
        return f"gpu-check: torch does not load ({first_line(error)}); install it and try again."
    if device == "cuda" and not torch.cuda.is_available():
        return "gpu-check: this machine has no CUDA device that torch can use; nothing was run."
    return None


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the script")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="these parts alone")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="the limit of each part")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "gpu-check.md")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Run the parts; the exit code."""
    words = options().parse_args()
    place = Place(words.device, words.small)
    if words.part:
        run_part(words.part, place)
        return 0
    why = no_device(words.device)
    if why is not None:
        print(why, file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in words.only or PARTS:
        print(f"gpu-check: {PARTS[name]}", file=sys.stderr, flush=True)
        rows += part_rows(name, place, words.seconds)
    command = " ".join(["python benchmarks/gpu_check.py", *sys.argv[1:]])
    head = f"{device_name(place)}; {versions()}; {datetime.date.today()}; `{command}`"
    text = f"{head}\n\n{table(rows)}\n"
    words.output.parent.mkdir(parents=True, exist_ok=True)
    words.output.write_text(text)
    print(text)
    failed = [row for row in rows if row.result.startswith("failed")]
    print(
        json.dumps(
            {
                "name": "gpu-check",
                "value": sum(row.result == "ok" for row in rows),
                "unit": "checks passed",
                "failed": len(failed),
                "not_run": sum(row.result.startswith("not run") for row in rows),
            }
        )
    )
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # noqa: BLE001 (a part's process says what went wrong, last line last)
        traceback.print_exc()
        code = 1
    sys.exit(code)
