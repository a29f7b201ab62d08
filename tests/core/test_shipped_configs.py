"""The shipped configs are found by name, and ``arcflow init`` copies them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arcflow.core import shipped_configs
from arcflow.core.errors import ConfigError
from arcflow.core.shipped_configs import config_folder, config_names, find_config
from arcflow.tools import init

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
FILES = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copied(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# ---- the names


def test_a_clone_has_them_at_the_top() -> None:
    assert config_folder() == CONFIGS
    assert sorted(f"{name}.yaml" for name in config_names()) == FILES
    assert {"quickstart", "qwen2.5", "engine/vllm", "studies/ttft"} <= set(config_names())


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("quickstart", "quickstart.yaml"),
        ("quickstart.yaml", "quickstart.yaml"),
        ("configs/quickstart.yaml", "quickstart.yaml"),
        ("./configs/quickstart.yaml", "quickstart.yaml"),
        ("qwen2.5", "qwen2.5.yaml"),
        ("engine/vllm", "engine/vllm.yaml"),
    ],
)
def test_a_name_finds_the_shipped_file(here: Path, name: str, file: str) -> None:
    assert find_config(name) == CONFIGS / file


@pytest.mark.parametrize(
    "name",
    ["", ".", "engine", "vllm", "Quickstart", "no-such", "../pyproject.toml", "../quickstart"],
)
def test_other_names_find_nothing(here: Path, name: str) -> None:
    assert find_config(name) is None


@pytest.mark.parametrize("name", ["quickstart", "quickstart.yaml", "configs/quickstart.yaml"])
def test_a_local_file_wins(here: Path, name: str) -> None:
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).write_text("mine")
    assert find_config(name) == Path(name)


def test_a_local_folder_of_the_same_name_is_no_config(here: Path) -> None:
    (here / "quickstart").mkdir()
    assert find_config("quickstart") == CONFIGS / "quickstart.yaml"


def test_a_file_of_the_home_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    (here / "mine.yaml").write_text("mine")
    assert find_config("~/mine.yaml") == here / "mine.yaml"


def test_a_package_has_them_inside(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another package's folder of the same name beside it is not taken for them.
    (here / "configs").mkdir()
    (here / "configs" / "quickstart.yaml").write_text("another's")
    inside = here / "arcflow" / "configs"
    inside.mkdir(parents=True)
    (inside / "quickstart.yaml").write_text("ours")
    monkeypatch.setattr(shipped_configs, "_PACKAGE", here / "arcflow")
    assert config_folder() == inside
    assert config_names() == ["quickstart"]


def test_an_installation_without_them_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shipped_configs, "_PACKAGE", here / "arcflow")
    (here / "configs").mkdir()
    with pytest.raises(ConfigError, match=r"are missing: got .*Expected .*Install arcflow again"):
        config_folder()
    assert init.main(["new"]) == 2
    assert "are missing" in capsys.readouterr().err


def test_only_light_modules_are_imported() -> None:
    code = (
        "import sys, arcflow.core.shipped_configs, arcflow.tools.init\n"
        "print(*sorted({'torch', 'lightning', 'transformers', 'yaml'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout == "\n"


# ---- arcflow init


def test_init_copies_all_of_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.main(["new/project"]) == 0
    assert copied(here / "new") == {
        f"project/configs/{name}": (CONFIGS / name).read_bytes() for name in FILES
    }
    assert capsys.readouterr().out == (
        f"new/project/configs: {len(FILES)} configs. "
        "Try `arcflow fit -c new/project/configs/quickstart.yaml`.\n"
    )


def test_init_refuses_to_overwrite(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = here / "configs" / "engine" / "vllm.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert init.main(["."]) == 2
    error = capsys.readouterr().err
    assert error == (
        "arcflow init: configs: files would be overwritten: got ['engine/vllm.yaml']. Expected a "
        "folder without files of these names. Name another folder, or add --overwrite to replace "
        "them.\n"
    )
    # Nothing was copied before the refusal.
    assert copied(here) == {"configs/engine/vllm.yaml": b"mine"}


def test_init_refuses_a_link_that_leads_nowhere(here: Path) -> None:
    (here / "configs").mkdir()
    (here / "configs" / "quickstart.yaml").symlink_to(here / "nowhere")
    assert init.main(["."]) == 2
    assert not (here / "nowhere").exists()


def test_init_overwrites_when_told(here: Path) -> None:
    (here / "configs").mkdir()
    (here / "configs" / "quickstart.yaml").write_text("mine")
    (here / "configs" / "my.yaml").write_text("mine")
    assert init.main([".", "--overwrite"]) == 0
    files = copied(here / "configs")
    assert files.pop("my.yaml") == b"mine"
    assert files == {name: (CONFIGS / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_init_says_what_cannot_be_written(
    here: Path, capsys: pytest.CaptureFixture[str], overwrite: list[str]
) -> None:
    (here / "file").write_text("no folder")
    assert init.main(["file", *overwrite]) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        f"arcflow init: {os.path.join('file', 'configs', f'{config_names()[0]}.yaml')}: cannot be"
    )
    assert "Check the path and its permissions" in error


def test_init_without_a_folder_shows_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        init.main([])
    assert stop.value.code == 2
    assert "usage: arcflow init [-h] [--overwrite] DIR" in capsys.readouterr().err
