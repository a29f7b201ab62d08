"""Modules in the working directory are found, but never in another's place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

SHADOWS = ("queue", "attrs", "yaml", "difflib", "torch", "lightning")


def outcome(folder: Path, start: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, *start, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "start", [["-m", "arcflow"], ["-c", "from arcflow.cli.main import main; main()"]]
)
def test_a_module_of_the_user_shadows_nothing(tmp_path: Path, start: list[str]) -> None:
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    (tmp_path / "my_callbacks.py").write_text(
        "from lightning.pytorch import Callback\n\nclass Mine(Callback):\n    pass\n"
    )
    words = ["fit", "--trainer.callbacks+=my_callbacks.Mine", "--print_config"]
    done = outcome(tmp_path, start, *words)
    assert done.returncode == 0, done.stderr
    assert "class_path: my_callbacks.Mine" in done.stdout


def test_the_directory_stands_last(tmp_path: Path) -> None:
    (tmp_path / "look.py").write_text(
        "import sys\nfrom lightning.pytorch import Callback\n"
        "print('last:', sys.path[-1] in ('', sys.argv[-1]))\n"
        "class Look(Callback):\n    pass\n"
    )
    words = ["fit", "--print_config", "--trainer.callbacks+=look.Look"]
    done = outcome(tmp_path, ["-m", "arcflow"], *words)
    assert "last: True" in done.stdout, done.stderr
