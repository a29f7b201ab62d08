"""Ids on the command line: every published one that looks like a number reaches its option."""

from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser, get_loader, set_loader

from arcflow.core.yaml_text import prepare_yaml
from arcflow.sources.select import TaskSelection
from arcflow.studies.plan import parse_settings
from arcflow.tools import pool
from arcflow.tools.id_words import keep_ids
from tests.core.test_yaml_text import NUMERIC


@pytest.fixture
def parser() -> Any:
    """As the command line's: jsonargparse takes more for numbers than YAML does."""
    load = get_loader("yaml")
    set_loader("yaml", lambda text: load(prepare_yaml(text)), (yaml.YAMLError,))
    made = ArgumentParser(exit_on_error=False)
    made.add_argument("--val", type=TaskSelection)
    yield made
    set_loader("yaml", load, (yaml.YAMLError,))


@pytest.mark.parametrize("task_id", NUMERIC)
def test_an_id_reaches_its_option(parser: Any, task_id: str) -> None:
    for words in (
        ["--val.ids", f"[{task_id}]"],
        [f"--val.ids=[ {task_id} ]"],
        [f'--val.ids=["{task_id}"]'],
        ["--val", f"{{ids: [{task_id}]}}"],
    ):
        assert parser.parse_args(keep_ids(words)).val.ids == (task_id,)
    both = [f"--val.exclude=[{task_id}, abc]", f"--val.tasks=[{task_id}]"]
    found = parser.parse_args(keep_ids(both)).val
    assert (found.exclude, found.tasks) == ((task_id, "abc"), [task_id])
    assert parser.parse_args(keep_ids(["--val.tasks", task_id])).val.tasks == task_id


def test_other_options_keep_their_numbers(parser: Any) -> None:
    words = ["--val.seed=12345678", "--val.start", "10000000", "--", "--val.ids=[1]"]
    assert keep_ids(words)[:3] == words[:3]
    found = parser.parse_args(keep_ids(words[:3])).val
    assert (found.seed, found.start) == (12345678, 10000000)


def test_a_study_takes_ids_too() -> None:
    class NoStages:
        stages = ()

    (one, two) = parse_settings(
        NoStages(),  # type: ignore[arg-type]
        ["data.val.ids=[00576224, 13e47133]", "data.train={exclude: [00576224], stop: 7}"],
    )
    assert one.value == ["00576224", "13e47133"]
    assert two.value == {"exclude": ["00576224"], "stop": 7}


def test_pool_build_takes_ids_too(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["build", "x.pool", "--source", "ReARC", "--source.ids", "[00576224]"]
    assert pool.main(words) == 2
    assert "1 unknown in ids: got ['00576224']" in capsys.readouterr().err
