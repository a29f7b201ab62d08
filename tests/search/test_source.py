"""SearchPrograms: what `arcflow solve` finds becomes training tasks, right and resumable."""

import pickle
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcflow.cli.main import main
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.task import Task
from arcflow.datamodules.omniarc import KINDS, OmniARCDataModule
from arcflow.evaluation.program_runtime import CodeConfig, Programs
from arcflow.omniarc.inputs import InputWeights
from arcflow.omniarc.source import TaskWeights
from arcflow.sandbox.pool import Sandbox
from arcflow.sandbox.results import Grids
from arcflow.scoring.journal import read_journal, write_journal
from arcflow.search.programs import API
from arcflow.search.source import SearchPrograms
from arcflow.search.words import __all__ as WORDS
from arcflow.sources.select import TaskSelection
from tests.datamodules.test_mixture import digests
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [
    pytest.mark.slow,  # the first run compiles the functions
    *(pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS),
]

IDS = ("0dfd9992", "28bf18c6", "3618c87e", "d511f180", "f25ffba3")
VAL = TaskSelection("arc-agi-1/evaluation", max_side=5)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("solve") / "s.json"
    command = ["solve", *IDS, "-o", str(output), "--solvers", "search", "--no-draw"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--jobs", "1", "--seconds", "8"])
    assert ended.value.code == 0
    return str(output.with_suffix(".journal.jsonl"))


def source(journal: str, **options: Any) -> SearchPrograms:
    weights = TaskWeights(1.0, 1.0, 0.5, 0.0)
    return SearchPrograms([journal], **{"tasks": weights, **options})


def module(journal: str, **options: Any) -> OmniARCDataModule:
    options = {"max_tokens": 1500, "tokens_per_batch": 2048, "val": VAL, "workers": 0} | options
    data = OmniARCDataModule(source(journal), **options)
    data.setup("fit")
    return data


def test_every_solved_task_gives_a_program(journal: str) -> None:
    assert set(source(journal).programs()) == set(IDS)


def test_outputs_are_what_the_sandbox_makes_of_the_programs(journal: str) -> None:
    made = source(journal, inputs=InputWeights(1.0, 1.0))
    tasks = [made.task(7, index) for index in range(40)]
    kinds = {made.origin(7, index) for index in range(40)}
    assert kinds == {"search task", "search variation", "search composition"}
    pairs = [(task, pair) for task in tasks for pair in (*task.train, *task.test)]
    with Sandbox(1, api=API) as sandbox:
        results = sandbox.run([str(t.code) for t, _ in pairs], [[p.input] for _, p in pairs])
    for (task, pair), result in zip(pairs, results, strict=True):
        assert isinstance(result, Grids), (task.code, result)
        assert np.array_equal(result.outputs[0], pair.output), task.code


def test_variations_and_compositions_are_other_rules(journal: str) -> None:
    made = source(journal)
    own = {program.source for program in made.programs().values()}
    for index in range(60):
        task, kind = made.task(3, index), made.origin(3, index).rpartition(" ")[2]
        if f"-{kind}-" in task.id:
            assert task.code not in own
        if "+" in task.id:
            assert str(task.code).count("def rule_of_") == 2


def test_batches_resume_and_travel(journal: str) -> None:
    whole = digests(module(journal), 16)
    assert len(set(whole)) == 16
    loader = module(journal).train_dataloader()
    for _ in islice(loader, 5):
        pass
    assert digests(module(journal), 11, loader.state_dict()) == whole[5:]
    copy: SearchPrograms = pickle.loads(pickle.dumps(source(journal)))
    for index in range(8):
        one, other = copy.task(1, index), source(journal).task(1, index)
        assert (one.id, one.code) == (other.id, other.code)
        assert [g.tobytes() for g in one.grids()] == [g.tobytes() for g in other.grids()]


def test_all_kinds_are_learned_and_prompts_list_the_words(journal: str) -> None:
    data = module(journal)
    stream: Any = data._stream
    assert {name.partition(", ")[2] for name in stream._names} == set(KINDS)
    assert data.text.primitives == tuple(WORDS)
    assert Programs("characters", data.text, CodeConfig()).words == API


def test_evaluated_tasks_are_held_out(journal: str) -> None:
    data = module(journal, val=TaskSelection("arc-agi-1/training", ids=IDS[:3]))
    stream: Any = data._stream
    tasks: set[Task] = set()
    for part in stream._parts:
        assert not {task.id for task in part.source.base_tasks()} & set(IDS[:3])
        tasks |= {part.task(index).id for index in range(20)}
    assert not any(task_id in name for name in tasks for task_id in IDS[:3])


def test_the_command_line_takes_a_journal(journal: str, tmp_path: Path) -> None:
    arguments = [
        "fit",
        f"--config={ROOT}/configs/quickstart.yaml",
        "--data=OmniARCDataModule",
        "--data.omniarc=arcflow.search.source.SearchPrograms",
        f"--data.omniarc.journals=['{journal}']",
        "--data.max_tokens=1500",
        "--data.tokens_per_batch=1500",
        "--data.workers=0",
        "--data.val.tasks=arc-agi-1/evaluation",
        "--data.val.max_side=5",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.max_steps=2",
        "--trainer.enable_progress_bar=false",
    ]
    assert run_arcflow(arguments, tmp_path) == 0


def test_programs_that_do_not_fit_are_left_out(journal: str, tmp_path: Path, caplog: Any) -> None:
    header, entries = read_journal(journal)
    for entry in entries:
        for candidate in entry["candidates"]:
            if entry["task"] == IDS[0]:
                candidate["text"] = candidate["text"].replace("return stack", "return shown")
            elif entry["task"] == IDS[1]:  # another task's rule
                candidate["text"] = entries[0]["candidates"][0]["text"]
    changed = tmp_path / "changed.journal.jsonl"
    write_journal(changed, header["run"], entries)
    assert set(source(str(changed)).programs()) == set(IDS[2:])
    assert "do not make the train outputs" in caplog.text


def test_what_is_no_journal_of_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="where are the programs"):
        SearchPrograms([])
    empty = tmp_path / "empty.journal.jsonl"
    write_journal(empty, {}, [])
    with pytest.raises(DataError, match="no program that fits"):
        SearchPrograms([str(empty)])
    with pytest.raises(DataError, match="missing"):
        SearchPrograms([str(tmp_path / "missing.jsonl")])
