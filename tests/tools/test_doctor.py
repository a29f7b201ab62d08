"""What the doctor finds on this machine, and on one that lacks things."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arcflow.cli.main import main
from arcflow.tools import machine


def test_a_whole_examination(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--json"])
    assert end.value.code == 0
    found = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    torch = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found["torch"]["found"] == torch.stdout.strip()
    assert found["import lightning"]["ok"]
    assert found["cores"]["found"] == str(len(os.sched_getaffinity(0)))
    assert "sandbox: seccomp" in found
    # What is lacking has a price; what is not has a name only.
    assert all(check["cost"] for check in found.values() if not check["ok"])


def test_a_broken_import_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lightning").mkdir()
    (tmp_path / "lightning" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    checks = {check.name: check for check in machine._imports()}
    broken = checks["import lightning"]
    assert not broken.ok
    assert "torchvision::nms" in broken.found
    assert broken.remedy == "pip uninstall -y torchvision torchaudio torchcodec"


def test_a_missing_package_costs_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_version", lambda *names: None)
    checks = {check.name: check for check in machine._packages()}
    assert checks["numba"].found == "not installed"
    assert checks["numba"].cost == (
        "Without it: search computes the same answers many times slower."
    )
    assert checks["vllm"].remedy == 'pip install "arcflow[vllm]"'


def test_a_full_or_closed_folder_is_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine.os, "access", lambda folder, how: False)
    rooms = {check.name: check for check in machine._room()}
    assert not rooms["working directory"].ok
    assert "not writable" in rooms["working directory"].found
