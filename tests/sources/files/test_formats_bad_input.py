"""What cannot be read in files of tasks: bad values, damaged files, unreadable lines."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import ArcflowError, DataError
from arcflow.sources.base import Source
from arcflow.sources.files.by_name import named
from arcflow.sources.files.json_lines import JsonLines
from arcflow.sources.files.pair_dump import PairDump
from arcflow.sources.load_source import load_source
from arcflow.sources.select import TaskSelection, load_tasks
from tests.helpers.formats import TASKS, write, write_barc

GRID = [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([{"input": GRID}] * 2, "task x, pair 0: not a pair"),
        ([{"input": GRID, "output": GRID}], "task x: too few pairs: got 1. Expected at least 2"),
        ({"examples": [[GRID, GRID]]}, "task x: too few pairs: got 1."),
        ({"examples": [[GRID, GRID], [GRID]]}, "task x, pair 1: not a pair"),
        ({"examples": [[GRID, GRID], [GRID, [[0] * 31]]]}, "task x, pair 1, output: bad row 0"),
        ([{"train": [], "test": []}], "task x/0: bad list of train pairs: got []"),
        ({"a": [{"input": GRID, "output": [[-1]]}] * 2}, "task a, pair 0, output: bad cell"),
        ({"train": {}, "test": []}, "task x: bad list of train pairs: got {}"),
        ([7], "no tasks: got 'list'"),
    ],
)
def test_bad_values(tmp_path: Path, obj: object, message: str) -> None:
    path = write(tmp_path / "x.json", obj)
    with pytest.raises(DataError) as error:
        named(str(path))
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_damaged_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json.gz"
    whole = gzip.compress(json.dumps(TASKS[0].to_json()).encode())
    for raw in (b"{}", whole[:-20], whole[:10] + b"\xff" * 20):
        path.write_bytes(raw)
        with pytest.raises(DataError, match=r"x\.json\.gz: cannot be unpacked"):
            named(str(path))
    with pytest.raises(DataError, match=r"Unpack it: gunzip --keep .*y\.jsonl\.gz"):
        JsonLines(str(tmp_path / "y.jsonl.gz"))


def test_one_unreadable_file_among_a_thousand(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.dumps({"train": [{"input": GRID, "output": GRID}], "test": [{"input": GRID}]})
    for i in range(1000):
        (tmp_path / f"t{i:03}.json").write_text(text)
    (tmp_path / "t500.json").write_text(text[:40])
    assert len(load_tasks(TaskSelection(tasks=str(tmp_path)))) == 999
    (said,) = caplog.messages
    assert said.startswith(
        f"Left out, because they cannot be read: 1 of 1000 files in {tmp_path}. The others are "
        f"used. {tmp_path}/t500.json: not JSON, at line 1, column "
    )
    with pytest.raises(DataError, match=r"t500\.json: not JSON"):
        load_tasks(TaskSelection(tasks=str(tmp_path), strict=True))


@pytest.mark.parametrize("lazy", [False, True])
def test_unreadable_lines(tmp_path: Path, lazy: bool, caplog: pytest.LogCaptureFixture) -> None:
    path = write_barc(tmp_path, list(TASKS))
    good = path.read_text().splitlines()
    good[2] = good[2][:50]
    good.insert(4, "  ")
    path.write_text("\r\n".join(good))
    if lazy:
        source: Source = load_source(TaskSelection(tasks=str(path)))
        assert len(source) == 6  # not known before it is read
        drawn = [source.task(3, i) for i in range(6)]
        assert len({task.id for task in drawn}) == 5
        assert len(source.base_tasks()) == 5
    else:
        assert len(named(str(path))) == 5
    assert f"1 of 6 lines of {path}. The others are used. {path}, line 3: not JSON" in caplog.text

    def read(strict: bool) -> None:
        if lazy:
            JsonLines(str(path), strict=strict).base_tasks()
        else:
            named(str(path), strict=strict)

    with pytest.raises(DataError, match=r"line 3: not JSON, at column 51: got"):
        read(strict=True)
    path.write_text('{"a": 1, "b": 2, "a": 3}\n' * 2)
    with pytest.raises(DataError, match=r"line 1: a key occurs twice in one object: got 'a'"):
        read(strict=True)
    path.write_text("[1]\n{}\n")
    with pytest.raises(DataError, match=r"line 1: .*neither a task nor examples"):
        read(strict=False)
    with pytest.raises(DataError, match=r"line [12]: .*neither a task nor examples"):
        JsonLines(str(path)).task(0, 0)
    path.write_text("\n \n")
    with pytest.raises(DataError, match="no lines"):
        read(strict=False)


@settings(deadline=None, max_examples=60)
@given(raw=st.binary(max_size=40) | st.sampled_from([b"[[[]]]\n{}", b"{}\n{}", b"\xef\xbb\xbf"]))
def test_no_bytes_are_an_unexpected_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("raw") / "x.jsonl"
    path.write_bytes(raw)
    for read in (named, lambda name: JsonLines(name).base_tasks(), PairDump):
        with pytest.raises(ArcflowError):
            read(str(path))
