"""Every way a file of tasks can be wrong: told with the file, the value and the next step."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.errors import DataError
from arcflow.core.json_file import read_json
from arcflow.sources.files.by_name import named
from arcflow.sources.files.pair_dump import PairDump
from arcflow.sources.files.read import read_folder
from tests.helpers.task_files import toy, write


def bad_grid(grid: object) -> dict[str, Any]:
    return {"t1": {"train": [{"input": [[0]], "output": grid}], "test": [{"input": [[0]]}]}}


@pytest.mark.parametrize("depth", [10, 300, 900, 980, 985, 988, 991, 2000, 200_000])
def test_deep_nesting_is_told(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + '"1"' + "]" * depth
    grid = f'{{"input": {deep}, "output": [[1]]}}'
    for number, text in enumerate(
        (
            deep,
            '{"a": ' * depth + "1" + "}" * depth,
            f'{{"train": [{grid}], "test": [{grid}]}}',
            f'{{"train": [], "test": {deep}}}',
            f'{{"x": {{"examples": {deep}}}}}',
            f"[[{deep}, {deep}]]",
            f'[{{"id": {deep}, "input": [[1]], "output": {deep}}}]',
        )
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        for read in (named, PairDump):
            with pytest.raises(DataError) as told:
                read(str(path))
            assert len(str(told.value)) < 1000


CORRECT = "Correct the grid in its file or generator."
CHECK = "Check that the file holds ARC tasks."


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            bad_grid([[1, 2], [3]]),
            "task t1, train pair 0, output: ragged rows, row 1 has another length than row 0: "
            f"got 1. Expected 2 cells, as in row 0. {CORRECT}",
        ),
        (
            bad_grid([[1, 10]]),
            "task t1, train pair 0, output: bad cell at row 0, column 1: got 10. "
            f"Expected an integer 0..9. {CORRECT}",
        ),
        (
            bad_grid([[-1]]),
            "task t1, train pair 0, output: bad cell at row 0, column 0: got -1. "
            f"Expected an integer 0..9. {CORRECT}",
        ),
        (
            bad_grid([[1.0]]),
            "task t1, train pair 0, output: bad cell at row 0, column 0: got 1.0. "
            f"Expected an integer 0..9. {CORRECT}",
        ),
        (
            bad_grid([[True]]),
            "task t1, train pair 0, output: bad cell at row 0, column 0: got True. "
            f"Expected an integer 0..9. {CORRECT}",
        ),
        (
            bad_grid([]),
            f"task t1, train pair 0, output: not a grid: got []. Expected a list of 1 to 30 rows. "
            f"{CORRECT}",
        ),
        (
            bad_grid([[]]),
            "task t1, train pair 0, output: bad row 0: got 0. Expected a list of 1 to 30 cells. "
            f"{CORRECT}",
        ),
        (
            bad_grid([[0]] * 31),
            "task t1, train pair 0, output: too many rows: got 31. Expected 1 to 30 rows. "
            f"{CORRECT}",
        ),
        (
            bad_grid([[0] * 31]),
            "task t1, train pair 0, output: bad row 0: got 31. Expected a list of 1 to 30 cells. "
            f"{CORRECT}",
        ),
        (
            bad_grid("grid"),
            "task t1, train pair 0, output: not a grid: got 'grid'. "
            f"Expected a list of 1 to 30 rows. {CORRECT}",
        ),
        (
            {"t1": {"train": [{"input": [[0]], "output": [[0]]}]}},
            "task t1: missing key 'test': got ['train']. "
            f"Expected keys 'train' and 'test'. {CHECK}",
        ),
        (
            {"t1": {"train": [{"input": [[0]]}], "test": [{"input": [[0]]}]}},
            "task t1, train pair 0: incomplete pair: got ['input']. "
            "Expected an object with 'input' and 'output'. Check the task in its file.",
        ),
        (
            {"t1": [[[0]]]},
            "task t1: wrong type: got 'list'. Expected an object with keys 'train' and 'test'. "
            f"{CHECK}",
        ),
        (
            {"t1": {"train": [], "test": [{"input": [[0]]}]}},
            "task t1: bad list of train pairs: got []. Expected a list of at least one pair. "
            "Check the task in its file.",
        ),
        (
            [1, 2],
            "no tasks: got 'list'. "
            'Expected an object {"task id": {"train": [...], "test": [...]}}. ' + CHECK,
        ),
        (
            {},
            "no tasks: got {}. "
            'Expected an object {"task id": {"train": [...], "test": [...]}}. ' + CHECK,
        ),
    ],
)
def test_bad_tasks(tmp_path: Path, obj: object, message: str) -> None:
    path = write(tmp_path / "x_challenges.json", obj)
    with pytest.raises(DataError) as error:
        named(str(path))
    assert str(error.value) == f"{path}: {message}"


def test_a_bad_file_of_a_folder_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.json", toy())
    bad = write(tmp_path / "b.json", {"train": 3, "test": []})
    said = (
        f"{bad}: task b: bad list of train pairs: got 3. "
        "Expected a list of at least one pair. Check the task in its file."
    )
    with pytest.raises(DataError) as error:
        read_folder(tmp_path, strict=True)
    assert str(error.value) == said
    assert [task.id for task in read_folder(tmp_path)] == ["a"]
    assert caplog.messages == [
        f"Left out, because they cannot be read: 1 of 2 files in {tmp_path}. The others are used. "
        + said
    ]
    (tmp_path / "a.json").unlink()
    with pytest.raises(DataError) as error:  # nothing else is there
        read_folder(tmp_path)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b"{'a': 1}",
            "not JSON, at line 1, column 2: got \"'a': 1}\". Expected valid JSON (Expecting "
            "property name enclosed in double quotes). Correct the file, or fetch it again if it "
            "was cut short.",
        ),
        (
            b"",
            "not JSON, at line 1, column 1: got ''. Expected valid JSON (Expecting value). "
            "Correct the file, or fetch it again if it was cut short.",
        ),
        (
            b'{"a": "\xff\xfe"}',
            "not UTF-8 text, at byte 7: got b'\\xff\\xfe\"}'. Expected a JSON file in UTF-8. "
            "Save the file as UTF-8, or unpack it if it is an archive.",
        ),
        (
            b'{"a": 1, "b": 2, "a": 3}',
            "a key occurs twice in one object: got 'a'. Expected every task id, and every other "
            "key, once. Rename or remove one of the two.",
        ),
    ],
)
def test_bad_files(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(raw)
    with pytest.raises(DataError) as error:
        read_json(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize("raw", [b"[" * 200_000, b"[" + b"9" * 5_000 + b"]"])
def test_json_beyond_the_parser_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(raw)
    with pytest.raises(DataError, match="cannot be read as JSON"):
        read_json(path)


@settings(deadline=None, max_examples=50)
@given(raw=st.binary(max_size=60))
def test_no_bytes_are_an_unexpected_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("raw") / "x_challenges.json"
    path.write_bytes(raw)
    with pytest.raises(DataError):
        named(str(path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 11) | st.just(1.5) | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["train", "test", "input", "output", "t"]), inner)
    ),
)


@settings(deadline=None, max_examples=80)
@given(obj=JSON)
def test_no_json_is_an_unexpected_error(
    tmp_path_factory: pytest.TempPathFactory, obj: object
) -> None:
    path = write(tmp_path_factory.mktemp("json") / "x.json", obj)
    try:
        tasks = named(str(path))
    except DataError as error:
        message = str(error)
    else:
        message = str(path)
        assert all(task.train and task.test for task in tasks)
    assert str(path) in message


def test_unreadable_paths(tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    with pytest.raises(DataError) as error:
        read_json(missing)
    assert str(error.value).startswith(f"{missing}: no such file: got '{missing}'")
    with pytest.raises(DataError, match="cannot be read: got 'Is a directory'"):
        read_json(tmp_path)


USE_ONE_RELEASE = "Use the two files of one release, or leave the solutions out."


@pytest.mark.parametrize(
    ("solved", "message"),
    [
        (
            {"a": [[[0]]]},
            "{s}: lacks 1 of the tasks in {c}: got ['b']. "
            f"Expected challenges and solutions of the same tasks. {USE_ONE_RELEASE}",
        ),
        (
            {"a": [[[0]]], "b": [[[0]]], "z": [[[0]]]},
            "{c}: lacks 1 of the tasks in {s}: got ['z']. "
            f"Expected challenges and solutions of the same tasks. {USE_ONE_RELEASE}",
        ),
        (
            {"a": [[[0]]], "b": [[[0]], [[1]]]},
            "{s}: task b: another number of outputs than test inputs: got 2. "
            f"Expected a list of 1, as {{c}} has test inputs. {USE_ONE_RELEASE}",
        ),
        (
            {"a": [[[0]]], "b": {}},
            "{s}: task b: another number of outputs than test inputs: got {{}}. "
            f"Expected a list of 1, as {{c}} has test inputs. {USE_ONE_RELEASE}",
        ),
        (
            {"a": [[[0]]], "b": [[[11]]]},
            "{s}: task b, test output 0: bad cell at row 0, column 0: got 11. "
            f"Expected an integer 0..9. {CORRECT}",
        ),
        (
            [1],
            "{s}: no solutions: got 'list'. "
            'Expected an object {{"task id": [output, ...]}}. '
            "Check that the file holds ARC solutions.",
        ),
    ],
)
def test_solutions_that_disagree(tmp_path: Path, solved: object, message: str) -> None:
    c = write(tmp_path / "x_challenges.json", {"a": toy(1, False), "b": toy(2, False)})
    s = write(tmp_path / "x_solutions.json", solved)
    with pytest.raises(DataError) as error:
        named(str(c))
    assert str(error.value) == message.format(c=c, s=s)


def test_folders_without_tasks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no tasks: got \[\].*Check the path\."):
        read_folder(tmp_path)
    for inner in ("training", "evaluation"):
        (tmp_path / inner).mkdir()
        write(tmp_path / inner / "a.json", toy())
    with pytest.raises(DataError, match=r"Name a folder inside it: evaluation, training\."):
        read_folder(tmp_path)
    deeper = tmp_path / "clone" / "data"
    deeper.mkdir(parents=True)
    for inner in ("training", "evaluation"):
        (tmp_path / inner).rename(deeper / inner)
    with pytest.raises(DataError, match=r"several splits: .*: clone/data/evaluation, clone/data/t"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="a folder with one JSON file a task"):
        read_folder(tmp_path / "none")


def test_files_of_kaggle_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "x_challenges.json", {"a": toy(), "b": toy(1)})
    with pytest.raises(DataError) as error:
        read_folder(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: Kaggle's files, each a set of tasks or of solutions: got "
        "'x_challenges.json'. Expected a folder whose files can all be used. Name the challenges "
        "file by its own path."
    )
