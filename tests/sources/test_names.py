"""Names of tasks: unknown ones are told with what exists; ids of two sources are refused."""

from pathlib import Path

import pytest

from arcflow.core.errors import DataError
from arcflow.sources.files.by_name import join, named
from tests.helpers.task_files import toy, write


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
