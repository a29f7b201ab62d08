"""Files that are replaced whole or not at all."""

import os
from pathlib import Path

import pytest

from arcflow.core.files import replacing, write_whole


def test_a_write_that_fails_names_the_file_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "file"
    write_whole(path, b"old")
    full = OSError(28, "No space left on device")

    def write(handle: int, data: bytes) -> int:
        raise full

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space left on device") as error:
        write_whole(path, b"new")
    assert error.value.filename == str(path)
    assert [p.read_bytes() for p in path.parent.iterdir()] == [b"old"]


def test_an_error_of_the_disk_that_a_library_hides_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(handle: int, data: bytes) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "write", write)

    def hidden() -> None:
        with replacing(tmp_path / "file") as file:
            try:
                file.write(b"new")
            except OSError:
                raise RuntimeError("the library failed") from None

    with pytest.raises(OSError, match="Input/output error"):
        hidden()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_ends_a_write_leaves_nothing_beside_the_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def ended() -> None:
        with replacing(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        ended()
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    write_whole(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_folder_that_cannot_be_is_told_by_the_files_own_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="File exists") as error:
        write_whole(tmp_path / "file" / "inner", b"")
    assert error.value.filename == str(tmp_path / "file" / "inner")
