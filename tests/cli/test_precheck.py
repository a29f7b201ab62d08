"""Misspelt options and values are refused with the one that was meant; all others pass."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from arcflow.cli.main import main
from arcflow.cli.precheck import check
from arcflow.core.errors import CheckpointError, ConfigError
from tests.helpers.paths import ROOT
from tests.helpers.tiny import LIGHTNING_WARNINGS

CONFIGS = [p for p in sorted((ROOT / "configs").rglob("*.yaml")) if p.parent.name != "studies"]


def refusal(command: str, *words: str) -> str:
    with pytest.raises(ConfigError) as error:
        check(command, words, known=True)
    return str(error.value)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--trainer.max_step", "--trainer.max_steps"),  # a prefix
        ("--trainer.max_s", "--trainer.max_steps"),
        ("--model.lora.rnk", "--model.lora.rank"),
        ("--data.max_token", "--data.max_tokens"),
        ("--data.init_args.max_token", "--data.init_args.max_tokens"),
        ("--modle.lora.rank", "--model.lora.rank"),
        ("--test_time.optimiser.lr", "--test_time.optimizer.lr"),
        ("--max_steps", "--trainer.max_steps"),
        ("--lr", "--model.optimizer.lr or --test_time.optimizer.lr"),
        ("--trainer.callback+", "--trainer.callbacks"),
    ],
)
def test_a_misspelt_option(word: str, meant: str) -> None:
    for words in ([f"{word}=3"], [word, "3"]):
        assert refusal("fit", *words) == (
            f"no such option: got '{word}'. Expected an option of `arcflow fit`. "
            f"Did you mean {meant}? See `arcflow fit --help`."
        )


def test_options_of_one_command_only() -> None:
    assert "got '--generate.n'" in refusal("predict", "--generate.n=3")
    check("generate", ["--generate.n=3"], known=True)
    assert refusal("generate", "--generate.m=3").endswith("See `arcflow generate inputs --help`.")


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("trainer: {max_step: 3}", "trainer.max_step", "trainer.max_steps"),
        ("trainer.max_step: 3", "trainer.max_step", "trainer.max_steps"),
        ("trainr: {max_steps: 3}", "trainr", "trainer"),
        (
            "model: {class_path: LoRAModule, init_args: {lora: {rnk: 4}}}",
            "model.init_args.lora.rnk",
            "model.init_args.lora.rank",
        ),
        (
            "data: {init_args: {train: {max_sides: 4}}}",
            "data.init_args.train.max_sides",
            "data.init_args.train.max_side",
        ),
        ("max_tokens: 3", "max_tokens", "data.init_args.max_tokens"),
    ],
)
def test_an_unknown_key_of_a_file(tmp_path: Path, text: str, key: str, meant: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert refusal("fit", "-c", str(file)) == (
        f"{file}: no such option: got '{key}'. Expected an option of `arcflow fit`. "
        f"Did you mean {meant}? See `arcflow fit --help`."
    )


def test_keys_of_a_value_that_is_a_mapping() -> None:
    said = refusal("fit", "--data.train={tasks: arc-agi-1/training, max_sid: 3}")
    assert "got 'data.train.max_sid'" in said


def test_values_that_cannot_be(tmp_path: Path) -> None:
    assert refusal("fit", "--trainer.barebones=perhaps") == (
        "option trainer.barebones: got 'perhaps'. Expected true or false. See `arcflow fit --help`."
    )
    assert "Expected a number" in refusal("fit", "--test_time.optimizer.lr", "fast")
    file = tmp_path / "mine.yaml"
    file.write_text("data: {packing: paked}")
    assert refusal("fit", "-c", str(file)) == (
        f"{file}: option data.packing: got 'paked'. Expected one of packed, padded. "
        "Did you mean packed? See `arcflow fit --help`."
    )


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("ckpt_path: nowhere.ckpt")
    for words in (["--ckpt_path=nowhere.ckpt"], ["-c", str(file)]):
        with pytest.raises(CheckpointError, match=r"--ckpt_path nowhere.ckpt: no checkpoint there"):
            check("fit", words, known=True)
    check("fit", ["-c", str(file), "--ckpt_path=null"], known=True)
    check("fit", ["--ckpt_path=last"], known=True)


def test_the_last_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = tmp_path / "mine.yaml"
    file.write_text(f"trainer: {{default_root_dir: {tmp_path}/file/below}}")
    good = f"--trainer.default_root_dir={tmp_path}/new"
    check("fit", ["-c", str(file), good], known=True)
    assert "cannot be used (Not a directory)" in refusal("fit", good, "-c", str(file))


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("- trainer")
    assert "a config file without options: got ['trainer']" in refusal("fit", f"--config={file}")


@pytest.mark.parametrize(
    "words",
    [
        ["--data=tests.MyData", "--data.my_option=3", "--model.backbone.config.layers=4"],
        ["--data.class_path=tests.MyData", "--data.init_args.my_option=3"],
        ["--data=MixtureDataModule", "--data.parts={a: {weight: 1}}"],
        ["--data={class_path: tests.MyData, init_args: {my_option: 3}}"],
        ["--trainer.callbacks+=tests.Mine", "--trainer.callbacks.my_option=3"],
        ["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=x"],
        ["--trainer.max_time.hours=3", "--trainer.devices=[0, 1]", "--trainer.devices+=1"],
        ["--trainer.strategy.help=DDPStrategy", "--data.help"],
        ["--test_time.optimizer.lr=1e-3", "--test_time.optimizer.eps", ".1"],
        ["--data.test=null", "--model.lora=null", "--data.train.max_side=null"],
        ["--print_config=skip_null", "--seed_everything=true"],
        ["--model=LoRAModule", "--model.dict_kwargs.x=3"],
        ["-c", "{trainer: {max_steps: 3}}"],
        ["--", "--not_an_option"],
    ],
)
def test_what_the_real_parser_must_judge_passes(words: list[str]) -> None:
    check("fit", words, known=True)


def test_classes_of_a_file_open_the_words_for_their_options(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: {class_path: tests.MyData, init_args: {mine: 3}}")
    check("fit", ["-c", str(file), "--data.other=3"], known=True)
    file.write_text("data: {class_path: arcflow.datamodules.mixture.MixtureDataModule}")
    check("fit", ["-c", str(file), "--data.parts={}"], known=True)
    # A file that says what the option is; only the real parser reads it.
    file.write_text("data: data.yaml\ntrainer: trainer.yaml")
    check("fit", ["-c", str(file), "--data.other=3"], known=True)


@pytest.mark.filterwarnings(*LIGHTNING_WARNINGS)
@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_what_print_config_says_passes(
    config: Path, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "-c", str(config), "--print_config"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    whole: Any = yaml.safe_load(printed)
    assert whole["trainer"]
    (tmp_path / "whole.yaml").write_text(printed)
    check(command, ["-c", str(tmp_path / "whole.yaml"), "--print_config"], known=True)


def test_without_knowledge_of_the_options_only_files_are_checked(tmp_path: Path) -> None:
    check("fit", ["--trainer.new_option=3"], known=False)
    with pytest.raises(ConfigError, match="Is a directory"):
        check("fit", ["-c", str(tmp_path)], known=False)


@pytest.mark.filterwarnings(*LIGHTNING_WARNINGS)
def test_the_real_parser_takes_no_abbreviation_either(capsys: pytest.CaptureFixture[str]) -> None:
    from jsonargparse import ArgumentError

    from arcflow.cli.lightning import run

    with pytest.raises(ArgumentError, match=r"trainer\.max_step=3"):
        run(["fit", "--trainer.max_step=3"])
