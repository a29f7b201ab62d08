"""A pool's file: one that is damaged, cut short or of something else is refused by name."""

import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcflow.core.errors import DataError
from arcflow.sources.pool.build import build_pool
from arcflow.sources.pool.file import BLOCK, VERSION, PoolFile
from arcflow.sources.pool.source import PoolSource
from arcflow.tools.pool import main
from tests.helpers.pools import Noise, noise_pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noise_pool(tmp_path_factory.mktemp("pool"))


def _at(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def _version(path: Path) -> None:
    _at(path, 8, struct.pack("<I", VERSION + 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "no pool can be opened: got 'No such file"),
        (lambda p: p.write_bytes(b""), "not a pool"),
        (lambda p: p.write_bytes(b"{}" * 99), "not a pool"),
        (_version, rf"a pool of another version: got {VERSION + 1}. Expected version {VERSION}"),
        (lambda p: p.write_bytes(p.read_bytes()[:30]), "cut short: got '30 bytes'"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "cut short"),
        (lambda p: p.write_bytes(p.read_bytes()[:5000]), "cut short"),
        (lambda p: p.write_bytes(p.read_bytes() + b"x"), "too long"),
        (lambda p: _at(p, 20, b"\xff"), "damaged, its start"),
        (lambda p: _at(p, p.stat().st_size - 9, b"\0"), "damaged, its description"),
        (lambda p: _at(p, _part(p, "offsets"), b"\xff"), "damaged, its offsets"),
        (lambda p: _at(p, _part(p, "families"), b"\xff"), "damaged, its families"),
        (lambda p: _at(p, _part(p, "checksums"), b"\xff"), "damaged, its checksums"),
    ],
)
def test_a_bad_file_is_refused_when_opened(
    pool: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "some.pool"
    path.write_bytes(pool.read_bytes())
    damage(path)
    with pytest.raises(DataError, match=rf"some.pool: {message}"):
        PoolSource(str(path))


def _part(path: Path, name: str) -> int:
    return PoolFile(path)._parts[name][0]


def test_damaged_records_are_refused_when_they_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p"
    build_pool(path, Noise(side=30), 400)
    assert main(["check", str(path)]) == 0
    place = 64 + BLOCK + 1000
    cell = path.read_bytes()[place]
    _at(path, place, bytes((cell ^ 1,)))
    source = PoolSource(str(path))
    told = set()
    for index in range(400):
        try:
            source.task(0, index)
            told.add("served")
        except DataError as error:
            told.add(error.what)
    assert told == {"served", f"{path}: damaged, block 1, bytes {64 + BLOCK} to {64 + 2 * BLOCK}"}
    capsys.readouterr()
    assert main(["check", str(path)]) == 2
    assert "p: damaged, block 1, bytes" in capsys.readouterr().err


def test_damaged_originals_are_refused(pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(pool.read_bytes())
    _at(path, _part(path, "originals") + 7, b"\xff")
    with pytest.raises(DataError, match="p: damaged, its originals"):
        PoolSource(str(path)).base_tasks()


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_no_changed_bit_goes_unseen(
    pool: Path, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    data = bytearray(pool.read_bytes())
    at = int(place * len(data))
    data[at] ^= 1 << bit
    path = tmp_path_factory.mktemp("bit") / "p"
    path.write_bytes(data)
    if struct.calcsize("<8sIIQQII") <= at < 64:  # room that holds nothing
        return
    with pytest.raises(DataError):
        PoolFile(path).check()
    assert zlib.crc32(data) != zlib.crc32(pool.read_bytes())


def test_a_pool_that_was_replaced_is_not_taken_for_the_first(tmp_path: Path) -> None:
    build_pool(tmp_path / "p", Noise(), 20)
    sent = pickle.dumps(PoolSource(str(tmp_path / "p")))
    build_pool(tmp_path / "p", Noise(), 21, overwrite=True)
    with pytest.raises(DataError, match="p: another pool lies there now"):
        pickle.loads(sent)
