"""The grammar of grids against writing and reading them."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2Config, Qwen2ForCausalLM

from arcflow.core.errors import ConfigError
from arcflow.core.grid import Grid, make_grid
from arcflow.core.task import Pair, Task
from arcflow.engines.base import Request, SamplingParams, SearchParams
from arcflow.engines.transformers import TransformersEngine
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.grid_grammar import GridLanguage
from arcflow.text.grid_text import GridText, GridTextError
from arcflow.text.kinds import get_kind
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.tokenizers import llama3_like, qwen_like, sentencepiece_like
from tests.text.test_grid_text import FORMS

LANGUAGES = {form: GridLanguage(form, form.head, form.tail) for form in FORMS}


def is_written(form: GridText, text: str) -> bool:
    """Whether a text is exactly what some grid is written as."""
    try:
        return form.encode(form.decode(text)) == text
    except GridTextError:
        return False


def random_grid(draw: random.Random, most: int = 30) -> Grid:
    height, width = draw.randint(1, most), draw.randint(1, most)
    return make_grid([[draw.randrange(10) for _ in range(width)] for _ in range(height)])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FORMS), st.integers(0, 2**32), st.sampled_from([3, 30]))
def test_every_beginning_of_a_grid_goes_on_and_only_grids_end(
    form: GridText, seed: int, most: int
) -> None:
    language, draw = LANGUAGES[form], random.Random(seed)
    text = form.encode(random_grid(draw, most))
    ways = language.start
    for end in range(1, len(text) + 1):
        ways = language.feed(ways, text[end - 1])
        assert ways, text[:end]
        assert language.ended(ways) == is_written(form, text[:end]), text[:end]
    assert language.ended(ways)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(FORMS), st.integers(0, 2**32))
def test_a_changed_text_ends_only_if_it_is_a_grid(form: GridText, seed: int) -> None:
    language, draw = LANGUAGES[form], random.Random(seed)
    text = form.encode(random_grid(draw, draw.choice([3, 30])))
    at = draw.randrange(len(text))
    new = draw.choice(["", text[at] * 2, draw.choice(form.symbols + "\n x|`0123456789")])
    changed = text[:at] + new + text[at + 1 :]
    ended = language.ended(language.feed(language.start, changed))
    assert ended == is_written(form, changed), changed


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FORMS), st.integers(0, 2**32))
def test_any_way_leads_to_a_grid(form: GridText, seed: int) -> None:
    language, draw = LANGUAGES[form], random.Random(seed)
    hasty = draw.random()
    ways, text = language.start, ""
    while not (language.ended(ways) and (len(text) > 3000 or draw.random() < hasty)):
        characters = sorted({rest[0] for rest, _ in ways if rest})
        if not characters:
            break
        character = draw.choice(characters)
        ways, text = language.feed(ways, character), text + character
    assert is_written(form, text), text


GRID = make_grid([[0, 1, 2, 0, 7], [3, 3, 4, 5, 5], [9, 9, 9, 9, 9]])
TASK = Task("t", (Pair(make_grid([[1, 0]]), make_grid([[0, 1]])),), (Pair(make_grid([[5]]), GRID),))
BLOCK = GridText(frame="code", row_numbers=True, separator=" ")
TWO_TOKENS = GridText(symbols="ñò÷ûąćďęĚĞ", separator="|")
TEXTS = {
    "characters": (lambda: load_tokenizer("characters"), TextConfig()),
    "characters, shape": (
        lambda: load_tokenizer("characters"),
        TextConfig(GridText(frame="shape")),
    ),
    "qwen": (qwen_like, TextConfig(format="chat")),
    "qwen, block": (qwen_like, TextConfig(BLOCK, format="chat")),
    "qwen, symbols of several tokens": (qwen_like, TextConfig(TWO_TOKENS, format="chat")),
    "llama3, joined": (llama3_like, TextConfig(format="chat", cells="tokenizer", fast=False)),
    "llama3, single": (llama3_like, TextConfig(format="chat")),
    "sentencepiece": (sentencepiece_like, TextConfig(format="chat", fast=False)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_answers_are_allowed_token_by_token(name: str) -> None:
    tokenizer, config = TEXTS[name]
    encoder: Encoder = Encoder(tokenizer(), config)
    grammar = encoder.grammar()
    ids = encoder.example(TASK).input_ids[len(encoder.prompt(TASK)) :].tolist()
    assert ids[-1] in encoder.stop_ids
    state, draw = grammar.start, random.Random(0)
    for n, token in enumerate(ids[:-1]):
        for stop in encoder.stop_ids:
            assert grammar.step(state, stop) is None
        if grammar.may_stop(state):
            assert encoder.decode(ids[:n])[1] is not None
        # A token at random is allowed only if what is written can still become a grid.
        for other in draw.sample(range(len(tokenizer())), 40):
            after = grammar.step(state, other)
            if after is not None and grammar.may_stop(after):
                assert encoder.decode([*ids[:n], other])[1] is not None
        state = grammar.step(state, token)
        assert state is not None, (n, ids)
    assert grammar.may_stop(state)
    assert grammar.step(state, -1) is None
    assert grammar.step(state, 10**9) is None


def test_what_a_model_without_knowledge_writes_is_a_grid() -> None:
    encoder: Encoder = Encoder(load_tokenizer("characters"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=len(load_tokenizer("characters")),
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            initializer_range=0.6,
        )
        model = Qwen2ForCausalLM._from_config(config, attn_implementation="sdpa")
    request = Request(tuple(encoder.prompt(TASK.without_answers()).tolist()))

    def search(grammar: Any) -> list[Any]:
        params = SearchParams(1e-9, 400, best_guess=False, grammar=grammar)
        sampling = SamplingParams(max_tokens=3, stop_ids=encoder.stop_ids, search=params)
        return TransformersEngine(model, 0).generate([request], sampling)[0]

    free, grids = search(None), search(encoder.grammar())
    written = {c.token_ids: encoder.decode(c.token_ids)[0] for c in (*free, *grids)}
    assert grids[0].finished
    assert all(is_written(GridText(), written[c.token_ids]) for c in grids)
    # Without a grammar most of what is found is no grid, and nothing that is one is missing.
    found = [c.token_ids for c in free if is_written(GridText(), written[c.token_ids])]
    assert set(found) <= {c.token_ids for c in grids}
    assert 0 < len(found) < len(free) / 2


def test_programs_have_no_grammar() -> None:
    encoder = Encoder(load_tokenizer("characters"), None, get_kind("code-from-examples"))
    with pytest.raises(ConfigError, match="no grids: got 'code-from-examples'"):
        encoder.grammar()


def test_grids_that_are_read_are_the_ones_that_are_allowed() -> None:
    """Thirty cells a side are allowed, and no more."""
    language = GridLanguage(GridText())
    whole = "\n".join(["1" * 30] * 30)
    assert language.ended(language.feed(language.start, whole))
    assert not language.feed(language.start, whole + "\n")
    assert not language.feed(language.start, "1" * 31)
    assert not language.feed(language.start, "11\n1\n")
    assert np.array_equal(GridText().decode(whole), np.ones((30, 30)))
