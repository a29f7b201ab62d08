"""The checks of a GPU as far as a machine without one can run them: as processes, on the CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("jsonargparse", "vllm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def gpu_check(*words: str, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the script; modules in the folder ``path`` come first."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [sys.executable, "benchmarks/gpu_check.py", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def rows(table: Path) -> dict[str, list[str]]:
    """The table's rows by their first cell."""
    lines = [line for line in table.read_text().splitlines() if line.startswith("| ")][1:]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_a_machine_without_a_gpu_is_told_so_in_one_line(tmp_path: Path) -> None:
    done = gpu_check("--output", str(tmp_path / "table.md"))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "gpu-check: this machine has no CUDA device that torch can use; nothing was run."
    ]
    assert not (tmp_path / "table.md").exists()


def test_a_part_that_takes_too_long_fails_alone(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    words = ("--device", "cpu", "--small", "--only", "rate", "--seconds", "0.05")
    done = gpu_check(*words, "--output", str(table))
    assert done.returncode == 1
    [(name, row)] = rows(table).items()
    assert name == "share of the matrix rate of a training step"
    assert row[-1].rstrip(" |") == "failed: not done within 0.05 s"
    assert json.loads(done.stdout.splitlines()[-1])["failed"] == 1


@pytest.mark.slow
def test_every_part_runs_without_vllm_and_without_jsonargparse(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    table = tmp_path / "table.md"
    words = ("--device", "cpu", "--small", "--output", str(table))
    parts = ("attention", "precision", "batched", "rate", "vllm")
    done = gpu_check(*words, "--only", *parts, path=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(table)
    assert found.pop("vLLM's sleep, and the memory it shares with the trainer")[-1].rstrip(
        " |"
    ) == ("not run: No module named 'vllm'")
    assert len(found) >= 12
    for name, row in found.items():
        assert row[0], name
        assert row[-1].rstrip(" |") in ("ok", "measured"), name
    head = table.read_text().splitlines()[0]
    assert "CPU" in head
    assert "--device cpu --small" in head
