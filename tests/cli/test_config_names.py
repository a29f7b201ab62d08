"""``-c`` takes files, and the names of shipped configs from any folder."""

import re
from pathlib import Path

import pytest

from arcflow.cli.config_names import read_config, resolve_configs, run_configs
from arcflow.cli.main import main
from arcflow.core.errors import ConfigError
from arcflow.core.shipped_configs import config_folder
from tests.helpers.tiny import LIGHTNING_WARNINGS


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("name", ["quickstart", "engine/vllm", "configs/devices/t4.yaml"])
def test_names_in_every_form(name: str) -> None:
    short = name.removeprefix("configs/").removesuffix(".yaml")
    path = str(config_folder() / f"{short}.yaml")
    assert resolve_configs(["-c", name, "--threads", "2"]) == ["-c", path, "--threads", "2"]
    assert resolve_configs(["--config", name]) == ["--config", path]
    assert resolve_configs([f"-c={name}"]) == [f"-c={path}"]
    assert resolve_configs([f"--config={name}", f"-c={name}"]) == [
        f"--config={path}",
        f"-c={path}",
    ]


def test_a_local_path_always_wins(elsewhere: Path) -> None:
    (elsewhere / "engine").mkdir()
    (elsewhere / "quickstart").write_text("")
    assert resolve_configs(["-c", "quickstart", "-c", "engine"]) == [
        "-c",
        "quickstart",
        "-c",
        "engine",
    ]


def test_what_is_no_name_stays() -> None:
    words = ["-c", "{trainer: null}", "-c=https://a.org/x.yaml", "--threads=quickstart", "-c"]
    assert resolve_configs(words) == words


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("quickstrat", "Did you mean quickstart? "),
        ("configs/quickstrat.yaml", "Did you mean quickstart? "),
        ("vllm", "Did you mean engine/vllm? "),
        ("my_confg.yaml", "Did you mean my_config.yaml? "),
        ("xyz", ""),
    ],
)
def test_an_unknown_name(elsewhere: Path, name: str, near: str) -> None:
    (elsewhere / "my_config.yaml").write_text("")
    with pytest.raises(ConfigError) as error:
        resolve_configs(["-c", name])
    assert str(error.value) == (
        f"-c: no such config: got '{name}'. Expected a YAML file, or a config that comes with "
        f"arcflow ({', '.join(run_configs())}). {near}`arcflow init DIR` copies the shipped ones."
    )


@pytest.mark.filterwarnings(*LIGHTNING_WARNINGS)
@pytest.mark.usefixtures("elsewhere")
def test_a_command_takes_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["predict", "-c", "quickstart", "-c=engine/vllm", "--print_config"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "engine: vllm" in out
    assert "default_root_dir: runs/quickstart" in out


def test_init_is_a_command(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["init", "mine"])
    assert stop.value.code == 0
    assert (elsewhere / "mine" / "configs" / "engine" / "vllm.yaml").is_file()
    assert "fit -c mine/configs/quickstart.yaml" in capsys.readouterr().out


def test_a_study_comes_with_an_installed_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], elsewhere: Path
) -> None:
    from arcflow.studies import command

    def nowhere(name: str) -> Path:
        raise ConfigError("no such study", value=name, expected="one", next_step="Look.")

    monkeypatch.setattr(command, "find_study", nowhere)
    with pytest.raises(SystemExit) as stop:
        main(["study", "counting", "--dry-run"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("arcflow fit ")
    with pytest.raises(SystemExit) as stop:
        main(["study", "nothing", "--dry-run"])
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "trainer: {max_steps: 1}\ntrainer: {max_steps: 2}",
            "line 2, column 1: a key that occurs twice",
        ),
        ("a: " + "[" * 10**5, "values nested too deep: got 51"),
        ("data: &d\n  val: *d\n", "a value that contains itself: got '*d'"),
    ],
)
def test_a_hostile_config_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as told:
        read_config(str(path))
    assert str(told.value).startswith(f"{path}, line ")
