"""examples/custom_engine.py: an engine by class path answers as the built-in one does."""

import json
from pathlib import Path

import pytest

from arcflow.core.errors import ConfigError
from arcflow.engines.base import Request, SamplingParams
from arcflow.engines.transformers import TransformersEngine
from arcflow.evaluation.engine_setup import check_engine
from examples.custom_engine import GreedyEngine
from tests.helpers.examples import tiny_run
from tests.helpers.runs import run_arcflow
from tests.helpers.tiny import tiny

PATH = "examples.custom_engine.GreedyEngine"


def test_it_answers_as_the_built_in_engine_does() -> None:
    model = tiny().eval()
    requests = [Request((3, 5, 7)), Request((8,), max_tokens=4)]
    sampling = SamplingParams(max_tokens=12, stop_ids=(2,))
    ours = GreedyEngine(model, None).generate(requests, sampling)
    theirs = TransformersEngine(model, pad_id=0).generate(requests, sampling)
    assert [[c.token_ids for c in of] for of in ours] == [
        [c.token_ids for c in of] for of in theirs
    ]
    for [mine], [other] in zip(ours, theirs, strict=True):
        assert mine.token_ids == other.token_ids
        assert (mine.n_tokens, mine.finished) == (other.n_tokens, other.finished)
        assert mine.log_prob == pytest.approx(other.log_prob, abs=1e-3)


@pytest.mark.slow
def test_the_command_line_evaluates_with_it(tmp_path: Path) -> None:
    words = ["--data.val.stop=1", "--pass_n.answer.views=1"]
    roots = {name: tmp_path / name for name in ("ours", "theirs")}
    options = {"ours": [f"--pass_n.engine={PATH}"], "theirs": []}
    for name, root in roots.items():
        assert run_arcflow(tiny_run("validate", root, *words, *options[name]), tmp_path) == 0
    entries = {}
    for name, root in roots.items():
        header, *lines = (root / "validate.journal.jsonl").read_text().splitlines()
        assert (PATH in header) == (name == "ours")
        found = [c for line in lines for c in json.loads(line)["entry"]["candidates"]]
        entries[name] = [(c["n_tokens"], c["text"]) for c in found]
    assert entries["ours"] == entries["theirs"] != []


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'transformers'.*or the class path"):
        check_engine("transformer", None, None)
    with pytest.raises(ConfigError, match="did you mean 'GreedyEngine'"):
        check_engine("examples.custom_engine.GreedyEngin", None, None)
    with pytest.raises(ConfigError, match="not a subclass of Engine"):
        check_engine("examples.custom_loss.FocalLoss", None, None)
    check_engine(PATH, None, None)
