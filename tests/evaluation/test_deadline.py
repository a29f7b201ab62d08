"""A deadline on a clock of the test's own: what shrinks, what is written, and when."""

import json
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer

from arcflow.callbacks.pass_n import PassN
from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.cli import main as main_module
from arcflow.core import run_start
from arcflow.core.errors import ConfigError
from arcflow.datamodules.arc import ARCDataModule
from arcflow.evaluation.grid_requests import AnswerConfig
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.scoring.journal import read_journal
from arcflow.scoring.submission import read_submission
from arcflow.scoring.submission_writer import SubmissionWriter
from arcflow.sources.select import TaskSelection
from tests.helpers.tiny import LIGHTNING_WARNINGS, SIZES

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]

STEPS, VIEWS, TASKS = 10, 8, 6


class TickingClock:
    """Every look at it takes a hundredth of a second: work is what asks for the time."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


class WatchedWriter(SubmissionWriter):
    """Notes on the clock when the file was written last."""

    clock: TickingClock

    def add(self, found: Any) -> None:
        super().add(found)
        self.written = self.clock.now


def evaluate(folder: Path, seconds: float | None, **options: Any) -> tuple[PassN, WatchedWriter]:
    clock, writer = TickingClock(), WatchedWriter()
    deadline = "" if seconds is None else "2001-09-09T01:46:40+00:00"
    pass_n = PassN(AnswerConfig(views=VIEWS), compare=False, deadline=deadline, **options)
    # That date is a thousand million seconds: the clock starts where the test wants it.
    if seconds is not None:
        clock.now = 1_000_000_000.0 - seconds
    pass_n.clock = writer.clock = clock
    pass_n.writer = writer
    tuner = TestTimeFineTuning(STEPS, tokens_per_step=300, lora=LoRAConfig(rank=2))
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        inference_mode=False,
        default_root_dir=str(folder),
        callbacks=[pass_n, tuner],
    )
    selection = TaskSelection("arc-agi-1/evaluation", max_side=5)
    data = ARCDataModule(val=selection, max_tokens=512, tokens_per_batch=512)
    trainer.validate(LoRAModule(BackboneConfig(config=SIZES)), data, verbose=False)
    return pass_n, writer


def entries(folder: Path) -> list[dict[str, Any]]:
    return read_journal(folder / "validate.journal.jsonl")[1]


def test_without_a_deadline_everything_is_done(tmp_path: Path) -> None:
    evaluate(tmp_path, None)
    assert [(e["steps"], e["views"]) for e in entries(tmp_path)] == [(STEPS, VIEWS)] * TASKS


def test_steps_and_views_shrink_until_all_tasks_fit(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    pass_n, _ = evaluate(whole, 1e6)
    assert all((e["steps"], e["views"]) == (STEPS, VIEWS) for e in entries(whole))
    assert isinstance(pass_n.clock, TickingClock)
    needed = pass_n.clock.now - (1_000_000_000.0 - 1e6)

    half = tmp_path / "half"
    _, writer = evaluate(half, 1 + needed / 2)
    found = entries(half)
    assert len(found) == TASKS
    assert all(e["views"] >= 1 and e["candidates"] for e in found)
    assert (
        sum(e["steps"] for e in found) < TASKS * STEPS
        or sum(e["views"] for e in found) < TASKS * VIEWS
    )
    assert writer.written < 1_000_000_000.0
    assert len(read_submission(half / "submission.json")) == TASKS
    assert all(any(c["n_tokens"] for c in e["candidates"]) for e in found)


def test_a_deadline_nearly_at_once_leaves_a_valid_submission_in_time(tmp_path: Path) -> None:
    _, writer = evaluate(tmp_path, 1.5)
    assert writer.written < 1_000_000_000.0
    assert len(read_submission(tmp_path / "submission.json")) == TASKS
    late = TASKS - len(entries(tmp_path))
    assert late > 0  # and the same command goes on with them:
    evaluate(tmp_path, 1e6)
    assert len(entries(tmp_path)) == TASKS
    assert json.loads((tmp_path / "validate.results.json").read_text())["tasks"] == TASKS


def test_a_limit_for_each_task(tmp_path: Path) -> None:
    evaluate(tmp_path, None, task_seconds=0.4)
    found = entries(tmp_path)
    assert len(found) == TASKS
    # The first task is answered with what tuning left of its time, the later ones by what it took.
    assert all(e["steps"] < STEPS or e["views"] < VIEWS for e in found[1:])


def test_a_deadline_that_has_passed_is_told_and_the_submission_is_valid(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        evaluate(tmp_path, -1.0)
    assert "pass_n.deadline has passed" in str(caught.value)
    assert "submission.json is valid, with 0 of 6 tasks answered." in str(caught.value)
    assert len(read_submission(tmp_path / "submission.json")) == TASKS


def test_a_duration_counts_from_the_start_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from the import, which in a notebook may be hours ago."""
    began = 1_700_000_000.0
    monkeypatch.setattr(run_start.time, "time", lambda: began)
    pass_n = PassN(deadline="30s")
    clock = TickingClock()
    pass_n.clock = clock
    trainer = Trainer(callbacks=[pass_n], logger=False, enable_progress_bar=False)
    module = LoRAModule(BackboneConfig(config=SIZES))
    for start in (began, began + 7200):
        with run_start.run_begins():
            monkeypatch.setattr(run_start.time, "time", lambda start=start: start + 5)
            clock.now = start + 5
            started = run_start.run_started()
            pass_n.setup(trainer, module, "validate")
        end = pass_n._open_budget(1).end
        assert end is not None
        assert 28 <= end - started <= 30
        monkeypatch.setattr(run_start.time, "time", lambda: began + 7200)
    # Without the command line, a run begins when its trainer sets it up.
    pass_n.setup(trainer, module, "validate")
    assert pass_n._started == began + 7200


def test_the_command_line_lets_a_run_begin_before_it_loads_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    monkeypatch.setattr(main_module, "_run_model", lambda *_: seen.append(list(run_start._started)))
    main_module.main(["validate"])
    main_module.main(["predict"])
    assert [len(started) for started in seen] == [1, 1]
    assert run_start._started == []
