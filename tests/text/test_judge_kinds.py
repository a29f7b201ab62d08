"""Kinds that judge proposed outputs: what they show, look-up, words, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.augment import Dihedral
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import make_grid
from arcflow.core.problem_augmentation import Composition, Upscale
from arcflow.core.task import Pair, Task
from arcflow.text.encode import IGNORED_LABEL, Encoder, TextConfig
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import KINDS, JudgeKind, get_kind
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.tokenizers import llama3_like, qwen_like, sentencepiece_like
from tests.text.test_encode import tasks, whole_text
from tests.text.test_kinds import SMALL, VERSIONS, encoder, proposed, tokenizer

JUDGES = [name for name, kind in KINDS.items() if isinstance(kind, JudgeKind)]
FORMS = [
    ("characters", "compact", ""),
    ("qwen", "compact", ""),
    *(("qwen", "chat", version) for version in VERSIONS),
]


def judge(name: str) -> JudgeKind:
    kind = KINDS[name]
    assert isinstance(kind, JudgeKind)
    return kind


@pytest.mark.parametrize("kind", JUDGES)
@pytest.mark.parametrize(("name", "form", "template"), FORMS)
@settings(deadline=None, max_examples=5)
@given(task=tasks(largest=12), seed=st.integers(0, 99))
def test_look_up_equals_the_whole_text(
    name: str, form: str, template: str, kind: str, task: Task, seed: int
) -> None:
    task = proposed(task, seed)
    fast = encoder(name, form, template, kind)
    slow = encoder(name, form, template, kind, fast=False)
    assert fast.fast
    a, b = fast.example(task), slow.example(task)
    assert np.array_equal(a.input_ids, b.input_ids)
    assert np.array_equal(a.labels, b.labels)
    assert a.input_ids.tolist() == whole_text(fast, tokenizer(name), task, 0)
    prompt = fast.prompt(task)
    assert np.array_equal(prompt, slow.prompt(task))
    assert np.array_equal(prompt, a.input_ids[: len(prompt)])
    assert fast.length(task) == slow.length(task) == len(a.input_ids)
    text, word = fast.decode(a.input_ids[len(prompt) :])
    assert text == word == KINDS[kind].target(task, 0)
    assert tuple(a.input_ids[len(prompt) :].tolist()) == fast.word_ids[word]
    right = np.array_equal(task.proposals[0].output, task.test[0].output)  # type: ignore[arg-type]
    assert word == judge(kind).words[0 if right else 1]


@pytest.mark.parametrize("kind", JUDGES)
def test_other_tokenizers_write_the_words(kind: str) -> None:
    for made in (
        Encoder(sentencepiece_like(), TextConfig(), get_kind(kind)),
        Encoder(llama3_like(), TextConfig(format="chat"), get_kind(kind)),
        Encoder(qwen_like(), TextConfig(GridText(frame="shape"), "chat"), get_kind(kind)),
    ):
        for task in (SMALL, replace(SMALL, proposals=SMALL.proposals[::-1])):
            ids = made.example(task).input_ids[len(made.prompt(task)) :]
            assert made.decode(ids)[1] == KINDS[kind].target(task, 0)


def test_compact_texts() -> None:
    def text(kind: str, scored: bool = False) -> str:
        example = encoder("characters", "compact", "", kind).example(SMALL)
        kept = example.labels != IGNORED_LABEL
        return str(tokenizer("characters").decode(example.input_ids[kept if scored else ...]))

    pairs = "<|bos|><|input|>12<|output|>21<|eos|><|input|>34<|output|>43<|eos|><|input|>56"
    assert text("verify-output") == f"{pairs}<|output|>75<|eos|><|output|>wrong<|eos|>"
    assert text("select-output") == (
        f"{pairs}<|output|>75<|eos|><|output|>65<|eos|><|output|>second<|eos|>"
    )
    # The loss "outputs" scores the examples' outputs, and never a proposal.
    assert text("verify-output", scored=True) == "21<|eos|>43<|eos|>wrong<|eos|>"
    assert text("select-output", scored=True) == "21<|eos|>43<|eos|>second<|eos|>"


@pytest.mark.parametrize("kind", JUDGES)
@pytest.mark.parametrize(("name", "form", "template"), FORMS)
def test_the_prompt_does_not_depend_on_the_answer(
    name: str, form: str, template: str, kind: str
) -> None:
    """Candidates of an evaluated task are shown, and nothing says which is right."""
    made = encoder(name, form, template, kind)
    hidden = SMALL.without_answers()
    assert hidden.proposals == ()
    with pytest.raises(DataError, match="task small, test pair 0: too few outputs are proposed"):
        made.prompt(hidden)
    candidates = replace(hidden, proposals=SMALL.proposals)
    assert np.array_equal(made.prompt(candidates), made.prompt(SMALL))
    assert KINDS[kind].target(candidates, 0) is None
    with pytest.raises(DataError, match="task small, test pair 0: the answer is not known"):
        made.example(candidates)


def test_proposals_belong_to_their_test_input() -> None:
    other = Pair(make_grid([[8, 9]]), make_grid([[9, 8]]))
    two = replace(SMALL, test=(*SMALL.test, other))
    for kind in JUDGES:
        made = encoder("characters", "compact", "", kind)
        assert np.array_equal(made.prompt(two, 0), made.prompt(SMALL))
        with pytest.raises(DataError, match="test pair 1: too few outputs are proposed: got 0"):
            made.prompt(two, 1)


def test_a_choice_needs_one_right_and_one_wrong_output() -> None:
    made = encoder("characters", "compact", "", "select-output")
    for pair, what in zip(SMALL.proposals, ("both are wrong", "both are right"), strict=True):
        with pytest.raises(DataError, match=f"nothing to choose between .*got '{what}'"):
            made.example(replace(SMALL, proposals=(pair, pair)))


@pytest.mark.parametrize("kind", JUDGES)
def test_only_one_of_the_words_is_an_answer(kind: str) -> None:
    made = encoder("qwen", "chat", "", kind)

    def read(text: str) -> object:
        return made.decode(tokenizer("qwen")(text, add_special_tokens=False)["input_ids"])[1]

    first, second = judge(kind).words
    assert read(f"{second}<|im_end|>{first}") == second
    assert read(f" {first}\n") == first
    assert read("") is read(f"{first} {second}") is read("12\n34") is read(first[:2]) is None


@pytest.mark.parametrize("kind", JUDGES)
def test_an_answer_has_the_room_of_a_word_and_no_grammar(kind: str) -> None:
    made = encoder("characters", "compact", "", kind)
    longest = max(map(len, judge(kind).words))
    assert made.max_answer_tokens() == made.max_answer_tokens(3, 4) == longest + 1
    with pytest.raises(ConfigError, match="answers of this task kind are no grids"):
        made.grammar()
    assert "primitives" not in made.fingerprint()


def test_a_template_whose_answer_is_more_than_the_word_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "own.jinja"
    shown = "{{ test.input }}>{{ proposal }};"
    path.write_text(
        f"{{% block prompt %}}{shown}{{% endblock %}}"
        "{% block answer %}It is {{ output }}{% endblock %}"
    )
    config = TextConfig(template=str(path))
    with pytest.raises(ConfigError, match="a word does not survive being written, tokenised and"):
        Encoder(load_tokenizer("characters"), config, get_kind("verify-output"))


def test_views_change_proposals_as_they_change_outputs() -> None:
    turned = Dihedral(True, 1).apply(SMALL)
    for before, after in zip(SMALL.proposals, turned.proposals, strict=True):
        assert before.output is not None
        assert np.array_equal(Dihedral(True, 1).apply_grid(before.output), after.output)  # type: ignore[arg-type]
    for kind in JUDGES:
        assert KINDS[kind].target(turned, 0) == KINDS[kind].target(SMALL, 0)
    large = Pair(SMALL.test[0].input, make_grid(np.zeros((20, 2), np.int8)))
    double = Composition("outputs", Upscale((2, 2)))
    assert double.apply(SMALL) is not None
    assert double.apply(replace(SMALL, proposals=(large,))) is None
