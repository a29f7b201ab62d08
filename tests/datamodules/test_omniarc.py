"""Tasks with programs as training samples: every kind, right pairs, attempts, resume."""

import hashlib
import multiprocessing
import re
import textwrap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.core.errors import ConfigError, DataError
from arcflow.datamodules.mixture import MixtureComponent, MixtureDataModule
from arcflow.datamodules.omniarc import KINDS, OmniARCDataModule
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.omniarc import dsl
from arcflow.omniarc.feedback import result_feedback
from arcflow.omniarc.in_process import run_in_process
from arcflow.omniarc.registry import programs
from arcflow.omniarc.source import OmniARC, TaskWeights
from arcflow.sandbox.results import Grids
from arcflow.sources.mixture import Mixed
from arcflow.sources.rearc.source import ReARC
from arcflow.sources.select import TaskSelection
from arcflow.text.kinds import KINDS as ALL_KINDS
from arcflow.text.kinds import needs_program
from tests.datamodules.test_mixture import digests, fit_arguments, read_metrics, recorder
from tests.helpers.paths import ROOT
from tests.helpers.runs import read_losses, run_arcflow, weights
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]

CONFIG = f"--config={ROOT}/configs/omniarc.yaml"
VAL = TaskSelection("arc-agi-1/evaluation", max_side=5)
IDS = ("00d62c1b", "3c9b0459", "67a3c6ac", "a79310a0", "b1948b0a", "d511f180", "68b16354")
TASKS = TaskWeights(1.0, 1.0, 0.2, 0.2)
WILD = AugmentConfig(keep_colors=0.0, move_background=1.0, compose=0.5)


def module(**options: Any) -> OmniARCDataModule:
    options = {"max_tokens": 900, "tokens_per_batch": 1024, "val": VAL} | options
    data = OmniARCDataModule(OmniARC(IDS, tasks=TASKS), **options)
    data.setup("fit")
    return data


def streams(data: MixtureDataModule) -> Iterator[tuple[str, TaskStream]]:
    stream: Any = data._stream
    for name, part in zip(stream._names, stream._parts, strict=True):
        yield name.partition(", ")[2], part


def test_every_kind_is_learned() -> None:
    assert set(KINDS) == {name for name, kind in ALL_KINDS.items() if not kind.words}
    assert {name for name, _ in streams(module())} == set(KINDS)
    assert {name for name, _ in streams(module(kinds={"output-from-code": 1}))} == {
        "output-from-code"
    }


def test_whatever_is_augmented_programs_fit_their_pairs() -> None:
    changed = 0
    for kind, stream in streams(module(augment=WILD)):
        for index in range(40):
            view = stream.view(index)
            if view is None:
                continue
            task, test_index = view
            if task.code is None and not needs_program(kind):
                changed += 1  # grids alone are turned and recoloured: then no program is theirs
                continue
            assert task.code is not None
            right = []
            for pair in (*task.train, task.test[test_index]):
                assert pair.output is not None
                result = run_in_process(task.code, pair.input)
                right.append(
                    isinstance(result, Grids) and np.array_equal(result.outputs[0], pair.output)
                )
            assert all(right)
    assert changed > 60


def test_attempts_fail_the_pairs_of_their_view() -> None:
    stream = dict(streams(module(max_tokens=4096, tokens_per_batch=4096)))["code-from-feedback"]
    orders, codes = set(), set()
    for index in range(60):
        view = stream.view(index)
        assert view is not None
        task, _ = view
        assert task.code is not None
        assert task.attempt is not None
        assert task.attempt.code != task.code
        told = []
        for pair in task.train:
            assert pair.output is not None
            result = run_in_process(task.attempt.code, pair.input)
            told.append(result_feedback(result, [pair.output]))
        # The first that is wrong, as an evaluation tells it.
        assert task.attempt.feedback == next(filter(None, told))
        orders.add(task.id)
        codes.add(task.attempt.code)
    assert len(codes) > 30


def test_evaluated_tasks_are_held_out_with_all_that_is_made_of_them() -> None:
    held_out = ("3c9b0459", "a79310a0")
    data = module(
        val=TaskSelection("arc-agi-1/training", ids=held_out),
        max_tokens=2048,
        tokens_per_batch=2048,
    )
    assert len(data.tasks("train")) == len(IDS) - 2
    for _, stream in streams(data):
        for index in range(60):
            task = stream.task(index)
            assert not any(task_id in task.id for task_id in held_out)


def test_an_evaluation_of_what_was_learned_says_so(caplog: pytest.LogCaptureFixture) -> None:
    val = TaskSelection("arc-agi-1/training", ids=("3c9b0459", "a79310a0"))
    for trainable, found in ((("3c9b0459",), "1 of 2"), (("arc-agi-1/training",), "2 of 2")):
        data = OmniARCDataModule(OmniARC(IDS), val=val, allow_contaminated=trainable)
        caplog.clear()
        data.setup("validate")
        assert f"{found} val tasks may have been learned" in caplog.text
    caplog.clear()
    OmniARCDataModule(OmniARC(IDS), val=val).setup("validate")
    assert not caplog.text


def test_sources_without_programs_are_refused_by_name() -> None:
    for kind, what in (("code-from-examples", "no program"), ("output-from-code", "no program")):
        data = MixtureDataModule(
            {"a": MixtureComponent(source=ReARC(["25ff71a9"]), kinds={kind: 1})}, val=VAL
        )
        with pytest.raises(DataError, match=what):
            data.setup("fit")
    # Programs of unknown origin are not run outside the sandbox: their attempts come with them.
    mixed = Mixed({"a": OmniARC(IDS)})
    data = MixtureDataModule(
        {"a": MixtureComponent(source=mixed, kinds={"code-from-feedback": 1})}, val=VAL
    )
    with pytest.raises(DataError, match="no attempt to correct"):
        data.setup("fit")


def test_any_mixture_may_hold_programs() -> None:
    kinds = {"code-from-feedback": 1.0, "code-from-examples": 1.0}
    data = MixtureDataModule({"a": MixtureComponent(source=OmniARC(IDS), kinds=kinds)}, val=VAL)
    data.setup("fit")
    assert {name for name, _ in streams(data)} == set(kinds)


def test_other_parts_come_beside() -> None:
    data = module(
        parts={"re": MixtureComponent(source=ReARC(["25ff71a9"]), weight=3.0)}, weight=1.0
    )
    stream: Any = data._stream
    shares = dict(zip(stream._names, stream._interleave.shares, strict=True))
    assert shares["re, output-from-examples"] == pytest.approx(0.75, abs=0.01)
    with pytest.raises(ConfigError, match=r"a name that is taken: got 'omni-arc'"):
        module(parts={"omni-arc": MixtureComponent(source=ReARC())})


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"poetry": 1.0}, "data.kinds: unknown task kind: got 'poetry'"),
        ({}, "data.kinds: weights that cannot be drawn by: got {}"),
        ({"code-from-examples": -1.0}, "data.kinds: weights that cannot be drawn by"),
    ],
)
def test_kinds_that_are_refused(kinds: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OmniARCDataModule(OmniARC(IDS), kinds)
    assert message in str(caught.value)


def test_prompts_list_the_primitives() -> None:
    assert module().text.primitives == tuple(dsl.__all__)


def test_a_checkpoint_of_other_attempts_is_refused_by_name() -> None:
    data = module()
    identity = data.train_dataloader().state_dict()["identity"]
    assert any(name.endswith("code-from-feedback attempts") for name in identity)
    assert not any(name.endswith("code-from-examples attempts") for name in identity)


def fresh(seed: int, workers: int = 0) -> OmniARCDataModule:
    return module(seed=seed, workers=workers)


def _elsewhere(seed: int, n: int, queue: Any) -> None:
    queue.put(digests(fresh(seed), n))


@pytest.mark.slow
def test_batches_are_the_same_for_any_workers_processes_and_restarts() -> None:
    whole = digests(fresh(3), 24)
    assert len(set(whole)) == 24
    assert digests(fresh(3, 2), 24) == whole
    loader = fresh(3, 2).train_dataloader()
    for _ in islice(loader, 7):
        pass
    assert digests(fresh(3), 17, loader.state_dict()) == whole[7:]
    spawn = multiprocessing.get_context("spawn")  # nothing is inherited
    queue = spawn.Queue()
    other = spawn.Process(target=_elsewhere, args=(3, 24, queue))
    other.start()
    assert queue.get(timeout=120) == whole
    other.join()
    assert digests(fresh(4), 24) != whole


def shipped(root: Path, workers: int) -> list[str]:
    arguments = fit_arguments(root, workers)
    arguments[2] = CONFIG  # beside the quickstart, in the mixture's place
    return arguments


@pytest.mark.slow
def test_a_fit_that_is_killed_and_resumed_equals_one_that_is_not(tmp_path: Path) -> None:
    whole, ours = tmp_path / "whole", tmp_path / "ours"
    assert run_arcflow([*shipped(whole, 2), *recorder(whole / "losses")], tmp_path) == 0
    log = ours / "losses"
    assert run_arcflow([*shipped(ours, 0), *recorder(log, 5)], tmp_path) == -9
    resume = [*shipped(ours, 2), "--ckpt_path=last"]
    assert run_arcflow([*resume, *recorder(log)], tmp_path) == 0
    assert read_losses(log) == read_losses(whole / "losses")
    last = [folder / "checkpoints" / "last.ckpt" for folder in (ours, whole)]
    found, wanted = (weights(path) for path in last)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


@pytest.mark.slow
def test_the_shipped_config_draws_every_kind(tmp_path: Path) -> None:
    assert run_arcflow([*shipped(tmp_path, 0), "--trainer.max_steps=20"], tmp_path) == 0
    names = read_metrics(tmp_path)[-1].keys()
    for kind in KINDS:
        assert any(name.startswith(f"drawn_samples/omni-arc, {kind}: ") for name in names)


def test_the_guide_names_every_kind_and_every_word() -> None:
    guide = (ROOT / "docs" / "omniarc.md").read_text()
    kinds = guide[guide.index("| kind | from | to |") : guide.index("- **Programs stay right.**")]
    assert set(re.findall(r"`([a-z-]+)`", kinds)) == set(KINDS)
    language = guide[guide.index("## The language") : guide.index("## Tasks without end")]
    types = {"Direction", "DslError", "Grid", "Mask"}
    assert set(dsl.__all__) - set(re.findall(r"\w+", language)) == types
    assert programs()["b27ca6d3"].source.strip() in textwrap.dedent(
        language[language.index("    def task") : language.index("| | |")]
    )


def test_streams_depend_on_the_seed() -> None:
    found = {
        hashlib.sha256(data._stream.sample(0).input_ids.tobytes()).hexdigest()  # type: ignore[union-attr]
        for data in (fresh(0), fresh(0), fresh(1))
    }
    assert len(found) == 2
