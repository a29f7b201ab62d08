"""The tests that need a CUDA device, run by pytest."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from gpu_parts.row import NotRunError, Place, Row, judged

ROOT = Path(__file__).resolve().parents[2]


def rows(place: Place) -> Iterator[Row]:
    """One row for each file that has such tests."""
    if importlib.util.find_spec("pytest") is None:
        raise NotRunError("No module named 'pytest'")
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "mark.gpu" in path.read_text():
            yield run_file(path)


def run_file(path: Path) -> Row:
    """The row of one file. Other versions of libraries than the pinned ones may warn."""
    name = path.relative_to(ROOT).as_posix()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    command += ["-o", "filterwarnings=default", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|skipped)", done.stdout)}
    lacks = re.search(r"No module named '[\w.]+'", done.stdout + done.stderr)
    if lacks and not counts.get("passed"):
        return Row(f"tests in {name}", "", "", f"not run: {lacks[0]}")
    figure = ", ".join(f"{n} {what}" for what, n in counts.items()) or done.stdout.strip()[-80:]
    if done.returncode == 0 and not counts.get("passed"):
        return Row(f"tests in {name}", figure, "", "not run: skipped, without a CUDA device")
    return judged(f"tests in {name}", figure, "all passed", done.returncode == 0)
