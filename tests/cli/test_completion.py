"""The completion script, read by bash itself."""

import subprocess
from pathlib import Path

import pytest

from arcflow.cli.completion import script
from arcflow.cli.main import RUNS, TOOLS, main


def complete(tmp_path: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    file = tmp_path / "completion.bash"
    file.write_text(script("bash"))
    code = (
        f'source {file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _arcflow; '
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "-uc", code, "bash", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands(tmp_path: Path) -> None:
    assert complete(tmp_path, "arcflow", "s") == ["sandbox", "score", "show", "solve", "study"]
    assert {*RUNS, *TOOLS} < set(complete(tmp_path, "arcflow", ""))


def test_options(tmp_path: Path) -> None:
    assert complete(tmp_path, "arcflow", "fit", "--trainer.max_s") == ["--trainer.max_steps"]
    assert "--model.lora.rank" in complete(tmp_path, "arcflow", "fit", "--model.lora.")
    assert "--data.max_tokens" in complete(tmp_path, "arcflow", "fit", "-c", "a", "--data.")
    assert complete(tmp_path, "arcflow", "predict", "--generate.") == []
    assert "--generate.n" in complete(tmp_path, "arcflow", "generate", "inputs", "--generate.")
    assert complete(tmp_path, "arcflow", "study", "--dr") == ["--dry-run"]
    assert complete(tmp_path, "arcflow", "predict", "--dr") == ["--dry-run"]
    assert complete(tmp_path, "arcflow", "init", "--o") == ["--overwrite"]


def test_configs_and_files(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text("")
    both = ["quickstart", "quick.yaml"]
    assert complete(tmp_path, "arcflow", "fit", "-c", "qui") == both
    assert complete(tmp_path, "arcflow", "fit", "--threads=1", "--config", "qui") == both
    # As readline cuts -c=qui.
    assert complete(tmp_path, "arcflow", "fit", "-c", "=", "qui") == both
    assert complete(tmp_path, "arcflow", "fit", "-c", "engine/") == ["engine/vllm"]
    assert complete(tmp_path, "arcflow", "score", "qui") == ["quick.yaml"]


def test_words_of_commands(tmp_path: Path) -> None:
    assert complete(tmp_path, "arcflow", "completion", "") == ["bash", "zsh"]
    assert complete(tmp_path, "arcflow", "generate", "") == ["inputs"]


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh"):
        with pytest.raises(SystemExit) as stop:
            main(["completion", shell])
        assert stop.value.code == 0
        assert capsys.readouterr().out == script(shell)
    assert script("zsh").endswith(script("bash"))
    assert "bashcompinit" in script("zsh")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["completion", "fish"])
    assert stop.value.code == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err
