"""Task kinds and prompt versions: what each asks, and that look-up equals the whole text."""

import functools
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.grid import make_grid
from arcflow.core.seeds import rng
from arcflow.core.task import FailedProgram, Pair, Task
from arcflow.core.wrong_answers import wrong_answer
from arcflow.text.context import fit_context
from arcflow.text.encode import IGNORED_LABEL, Encoder, FastPathWarning, TextConfig
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import KINDS, get_kind
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.tokenizers import llama3_like, qwen_like
from tests.text.test_encode import tasks, whole_text

VERSIONS = ("chat-short", "chat-v1", "chat-long", "chat-priors")
FORMS = [("characters", "compact", ""), *(("qwen", "chat", version) for version in VERSIONS)]
LISTS = ("input-from-inputs", "output-from-outputs")
GRIDS_ALONE = ("output-from-examples", *LISTS)
SMALL = Task(
    "small",
    (
        Pair(make_grid([[1, 2]]), make_grid([[2, 1]])),
        Pair(make_grid([[3, 4]]), make_grid([[4, 3]])),
    ),
    (Pair(make_grid([[5, 6]]), make_grid([[6, 5]])),),
    code="def task(grid):\n    return grid[:, ::-1]\n",
    attempt=FailedProgram(
        "def task(grid):\n    return grid[::-1]\n", "Pair 1: 2 of 2 cells differ.\n"
    ),
    proposals=(
        Pair(make_grid([[5, 6]]), make_grid([[7, 5]])),
        Pair(make_grid([[5, 6]]), make_grid([[6, 5]])),
    ),
)


def proposed(task: Task, seed: int = 0) -> Task:
    """The task with the right and a wrong output of its first test pair, in either order."""
    asked, draw = task.test[0], rng(seed, "test")
    pairs = (asked, Pair(asked.input, wrong_answer(task, 0, draw).grid))
    return replace(task, proposals=pairs[:: 1 if draw.random() < 0.5 else -1])


@functools.cache
def tokenizer(name: str) -> Any:
    return {
        "characters": lambda: load_tokenizer("characters"),
        "qwen": qwen_like,
        "llama3": llama3_like,
    }[name]()


@functools.cache
def encoder(name: str, form: str, template: str, kind: str, fast: bool = True) -> Encoder[Any]:
    config = TextConfig(GridText(), form, template, "outputs", fast)  # type: ignore[arg-type]
    return Encoder(tokenizer(name), config, get_kind(kind))


@pytest.mark.parametrize("kind", GRIDS_ALONE)
@pytest.mark.parametrize(("name", "form", "template"), FORMS)
@settings(deadline=None, max_examples=5)
@given(task=tasks(largest=12))
def test_look_up_equals_the_whole_text(
    name: str, form: str, template: str, kind: str, task: Task
) -> None:
    fast = encoder(name, form, template, kind)
    slow = encoder(name, form, template, kind, fast=False)
    assert fast.fast
    for i in range(len(task.test)):
        a, b = fast.example(task, i), slow.example(task, i)
        assert np.array_equal(a.input_ids, b.input_ids)
        assert np.array_equal(a.labels, b.labels)
        assert a.input_ids.tolist() == whole_text(fast, tokenizer(name), task, i)
        assert fast.length(task, i) == len(a.input_ids)
        prompt = fast.prompt(task, i)
        assert np.array_equal(prompt, a.input_ids[: len(prompt)])
        _, grid = fast.decode(a.input_ids[len(prompt) :])
        assert grid is not None
        wanted = KINDS[kind].target(task, i)
        assert wanted is not None
        assert np.array_equal(grid, wanted)


def test_a_tokenizer_that_joins_digits_is_told_for_every_kind() -> None:
    for kind in KINDS:
        with pytest.warns(FastPathWarning):
            made = Encoder(tokenizer("llama3"), TextConfig(cells="tokenizer"), get_kind(kind))
        assert made.length(SMALL) == len(made.example(SMALL).input_ids)


def test_compact_texts() -> None:
    def text(kind: str) -> str:
        made = encoder("characters", "compact", "", kind)
        ids = made.example(SMALL).input_ids.tolist()
        return str(tokenizer("characters").decode(ids))

    assert text("input-from-inputs") == (
        "<|bos|><|input|>12<|eos|><|input|>34<|eos|><|input|>56<|eos|>"
    )
    assert text("output-from-outputs") == (
        "<|bos|><|output|>21<|eos|><|output|>43<|eos|><|output|>65<|eos|>"
    )
    assert text("output-from-examples") == (
        "<|bos|><|input|>12<|output|>21<|eos|><|input|>34<|output|>43<|eos|>"
        "<|input|>56<|output|>65<|eos|>"
    )


@pytest.mark.parametrize("kind", LISTS)
def test_the_loss_on_outputs_scores_every_grid_but_the_first(kind: str) -> None:
    made = encoder("characters", "compact", "", kind)
    example = made.example(SMALL)
    scored = tokenizer("characters").decode(
        [
            i
            for i, label in zip(example.input_ids, example.labels, strict=True)
            if label != IGNORED_LABEL
        ]
    )
    wanted = {
        "input-from-inputs": "34<|eos|>56<|eos|>",
        "output-from-outputs": "43<|eos|>65<|eos|>",
    }
    assert scored == wanted[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("template", VERSIONS)
def test_versions_say_what_they_should(template: str, kind: str) -> None:
    text = encoder("qwen", "chat", template, kind).text(SMALL)
    shown = ["12", "34"] if kind.endswith("from-inputs") else ["21", "43"]
    if kind not in ("output-from-code", "input-from-code"):
        assert all(f"\n{grid}\n" in text for grid in shown)
    judged = ("verify-output", "select-output")
    assert ("\n75\n" in text) == (kind in judged)
    assert ("\n65\n" in text) == (kind == "select-output")
    asked = ("output-from-examples", "output-from-code", "code-from-examples-and-test", *judged)
    assert ("\n56\n" in text) == (kind in asked)
    other = {"input-from-inputs": "21", "output-from-outputs": "12", "code-from-inputs": "21"}
    assert f"\n{other.get(kind)}\n" not in text
    assert ("[:, ::-1]" in text) == (kind in ("output-from-code", "input-from-code"))
    assert ("[::-1]" in text) == ("2 of 2 cells" in text) == (kind == "code-from-feedback")
    assert ("Objects" in text) == (template == "chat-priors")
    assert "{" not in text
    assert "\n\n\n" not in text


def test_versions_grow() -> None:
    for kind in KINDS:
        lengths = [len(encoder("qwen", "chat", version, kind).text(SMALL)) for version in VERSIONS]
        assert lengths == sorted(lengths)
        assert len(set(lengths)) == len(lengths)


def test_a_hidden_answer_has_a_prompt_for_every_kind() -> None:
    shown = {"code": SMALL.code, "attempt": SMALL.attempt, "proposals": SMALL.proposals}
    hidden = replace(SMALL.without_answers(), **shown)
    for kind in KINDS:
        made = encoder("characters", "compact", "", kind)
        assert np.array_equal(made.prompt(hidden), made.prompt(SMALL))


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=10)
@given(task=tasks(largest=8), share=st.floats(0.2, 1.0))
def test_pairs_are_dropped_until_it_fits(kind: str, task: Task, share: float) -> None:
    made = encoder("characters", "compact", "", kind)
    task = proposed(replace(task, code=SMALL.code, attempt=SMALL.attempt))
    most = int(made.length(task) * share)
    fitted = fit_context(made, task, most)
    if fitted is not None:
        assert made.length(fitted) <= most
        assert set(fitted.train) <= set(task.train)
    else:
        # The pair that stays longest has the fewest cells.
        last = min(task.train, key=lambda pair: sum(g.size for g in (pair.input, pair.output)))
        assert made.length(replace(task, train=(last,))) > most


def test_identity_tells_kinds_apart() -> None:
    found = {kind: encoder("characters", "compact", "", kind).fingerprint() for kind in KINDS}
    assert len({tuple(sorted(each.items())) for each in found.values()}) == len(KINDS)


def test_no_kind_warns_with_plain_grids() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in KINDS:
            Encoder(tokenizer("qwen"), TextConfig(format="chat"), get_kind(kind))
