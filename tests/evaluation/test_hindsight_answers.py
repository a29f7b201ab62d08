"""Hindsight in an evaluation: tunes on the task's own programs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arcflow.callbacks.ttft import TestTimeFineTuning
from arcflow.core.errors import ConfigError
from arcflow.modules.lora.adapters import LoRAConfig
from tests.helpers.program_answers import CODE, HALF_TURNS, entries, evaluate
from tests.helpers.scripted import ScriptedEngine, by_seed
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]


@pytest.mark.parametrize(("compare", "background"), [(True, False), (True, True), (False, False)])
def test_hindsight_tunes_on_the_tasks_own_programs(
    tmp_path: Path, compare: bool, background: bool
) -> None:
    """Frozen programs are written before tuning, and are the frozen answers."""
    turn = "def task(grid):\n    return np.rot90(grid, {})\n"
    engine = ScriptedEngine(lambda prompt, seed, k: turn.format(k + 1), background)
    code = replace(CODE, hindsight=True, rounds=1)
    steps: list[str] = []

    class Tuner(TestTimeFineTuning):
        def tune(self, module: Any, encoder: Any, tasks: Any, **options: Any) -> Any:
            known = options["samples"].tasks
            steps.extend(f"{id_} {len(found)}" for id_, found in known.items())
            return super().tune(module, encoder, tasks, **options)

    tuner = Tuner(2, tokens_per_step=512, lora=LoRAConfig(rank=2))
    result = evaluate(
        tmp_path, engine, code, compare=compare, callbacks=[tuner], max_tokens=1024
    ).results
    assert steps == [f"{task_id} 8" for task_id in HALF_TURNS]
    assert len(engine.requests) == 16  # four views of two tasks, before and after tuning
    tuned = [request.adapter for request in engine.requests[8:]]
    assert all(adapter is not None and adapter.steps == 2 for adapter in tuned)
    assert {request.adapter for request in engine.requests[:8]} == {None}
    assert list(result) == ["baseline", "ttft"] if compare else ["ttft"]
    for variant in result.values():
        assert variant["code_solves"] == 0.5
        assert variant["vote_1"] == 1.0
    assert [e["steps"] for e in entries(tmp_path)] == ([0, 2] if compare else [2]) * 2
    assert {e["views"] for e in entries(tmp_path)} == {4}


def test_hindsight_without_programs_that_run_answers_as_trained(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda prompt, seed, k: "no program\n")
    tuner = TestTimeFineTuning(2, tokens_per_step=512, lora=LoRAConfig(rank=2))
    code = replace(CODE, hindsight=True)
    evaluate(tmp_path, engine, code, callbacks=[tuner])
    assert {request.adapter for request in engine.requests} == {None}
    assert [e["steps"] for e in entries(tmp_path)] == [0, 0] * 2


def test_hindsight_needs_test_time_fine_tuning(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no test-time fine-tuning that could learn from it"):
        evaluate(tmp_path, ScriptedEngine(by_seed), replace(CODE, hindsight=True))
