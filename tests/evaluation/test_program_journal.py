"""The journal of an evaluation by programs: it goes on, or is refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from arcflow.core.code_fingerprint import code_fingerprint
from arcflow.core.errors import CheckpointError
from arcflow.scoring.journal import read_journal
from tests.helpers.program_answers import CODE, evaluate
from tests.helpers.scripted import ScriptedEngine, by_seed
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]


@pytest.mark.parametrize("background", [False, True])
def test_a_finished_evaluation_asks_nothing_and_another_one_is_refused(
    tmp_path: Path, background: bool
) -> None:
    code = replace(CODE, rounds=1)
    first = evaluate(tmp_path, ScriptedEngine(by_seed, background), code, max_tokens=1024)
    before = (tmp_path / "validate.journal.jsonl").read_bytes()
    silent = ScriptedEngine(by_seed)
    again = evaluate(tmp_path, silent, replace(code, workers=2), max_tokens=1024)
    assert silent.requests == []
    assert again.results == first.results
    assert (tmp_path / "validate.journal.jsonl").read_bytes() == before
    for changed, name in (
        (replace(code, rounds=2), "pass_n.code.rounds"),
        (replace(code, seconds=0.4), "pass_n.code.seconds"),
    ):
        with pytest.raises(CheckpointError, match=f"{name} differs"):
            evaluate(tmp_path, silent, changed, max_tokens=1024)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("arcflow.omniarc.dsl", "the DSL's code"),
        ("arcflow.sandbox.ast_policy", "the sandbox's policy"),
        ("arcflow.omniarc.feedback", "the feedback's code"),
    ],
)
def test_a_journal_is_refused_once_programs_mean_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    evaluate(tmp_path, ScriptedEngine(by_seed))
    before = (tmp_path / "validate.journal.jsonl").read_bytes()

    def changed(*names: str) -> str:
        return code_fingerprint(*names) + "changed" * (module in names)

    monkeypatch.setattr("arcflow.evaluation.program_runtime.code_fingerprint", changed)
    silent = ScriptedEngine(by_seed)
    with pytest.raises(CheckpointError, match=f"the journal of another run, {name} differs: got"):
        evaluate(tmp_path, silent)
    assert silent.requests == []
    assert (tmp_path / "validate.journal.jsonl").read_bytes() == before


def test_a_task_batch_of_which_a_part_is_known_is_asked_again_whole(tmp_path: Path) -> None:
    from arcflow.scoring.journal import write_journal

    code = replace(CODE, rounds=1)
    evaluate(tmp_path, ScriptedEngine(by_seed), code, max_tokens=1024)
    path = tmp_path / "validate.journal.jsonl"
    whole = path.read_bytes()
    header, found = read_journal(path)
    write_journal(path, header["run"], found[:1])
    evaluate(tmp_path, ScriptedEngine(by_seed), code, max_tokens=1024)
    assert path.read_bytes() == whole
