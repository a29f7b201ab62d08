"""Versions of code: equal for equal sources, other for every change, and nothing is imported."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcflow.core.code_fingerprint import code_fingerprint


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package ``made_up`` whose modules must not be imported."""
    folder = tmp_path / "made_up"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("1 / 0\n")
    (folder / "inner" / "two.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop("made_up", None)


def digest(*names: str) -> str:
    code_fingerprint.cache_clear()
    return code_fingerprint(*names)


@pytest.mark.parametrize("changed", ["__init__.py", "one.py", "inner/two.py", "new.py"])
def test_every_change_in_a_package_tells(package: Path, changed: str) -> None:
    before = digest("made_up")
    assert digest("made_up") == before
    assert "made_up" not in sys.modules
    (package / changed).write_text("2 / 0\n")
    assert digest("made_up") != before


def test_a_module_is_its_own_file(package: Path) -> None:
    before = digest("made_up.one")
    (package / "inner" / "two.py").write_text("")
    assert digest("made_up.one") == before
    (package / "one.py").write_text("")
    assert digest("made_up.one") != before


def test_where_it_is_installed_plays_no_part(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest("made_up")
    package.parent.joinpath("elsewhere").mkdir()
    package.rename(tmp_path / "elsewhere" / "made_up")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    assert digest("made_up") == before


def test_moved_code_tells(package: Path) -> None:
    before = digest("made_up")
    (package / "one.py").rename(package / "three.py")
    assert digest("made_up") != before


def test_no_such_module() -> None:
    with pytest.raises(ModuleNotFoundError, match="no module no_such_module"):
        digest("no_such_module")
