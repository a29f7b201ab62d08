"""RE-ARC: how Python compiled the generators must not change a task."""

import os
import subprocess
import sys
from pathlib import Path


def test_code_without_columns_is_refused_rather_than_read_otherwise(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            f"pycache_prefix={tmp_path}",
            "-c",
            "from arcflow.sources.rearc import ReARC; ReARC().task(0, 0)",
        ],
        env={**os.environ, "PYTHONNODEBUGRANGES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "generators are compiled without columns" in done.stderr
    assert "PYTHONNODEBUGRANGES" in done.stderr
