"""One token a cell: its ids, its round trips, when it is chosen, and what is refused."""

import copy
import functools
import json
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from arcflow.core.errors import ConfigError
from arcflow.core.grid import make_grid
from arcflow.core.task import FailedProgram, Pair, Task
from arcflow.text.encode import Encoder, FastPathWarning, TextConfig
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import KINDS
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.tokenizers import llama3_like, qwen_like, sentencepiece_like, word_level

PLAIN, CODE = GridText(), GridText(frame="code")
LARGE = make_grid(np.arange(900).reshape(30, 30) % 10)
SMALL = make_grid([[0, 1, 2, 0], [3, 3, 4, 5]])


def task_of(target: Any) -> Task:
    return Task("t", (Pair(SMALL, SMALL),), (Pair(SMALL, target),))


@functools.cache
def encoder_of(cells: str, fast: bool = True, form: str = "compact") -> Encoder:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastPathWarning)
        return Encoder(llama3_like(), TextConfig(format=form, fast=fast, cells=cells))  # type: ignore[arg-type]


def pairs_of_digits(*, singles: bool) -> Any:
    """A tokenizer whose words are pairs of digits, with or without the digits themselves."""
    digits = "0123456789"
    words = ["<unk>", "</s>", *(a + b for a in digits for b in digits), *"IO\n"]
    words += digits if singles else ()
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\d\d?|\n|."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken("</s>", special=True, normalized=False)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", name_or_path="pairs"
    )


@pytest.mark.parametrize("make", [llama3_like, functools.partial(pairs_of_digits, singles=True)])
def test_a_grid_takes_one_token_a_cell_and_one_a_line_break(make: Any) -> None:
    encoder = Encoder(make())
    task = task_of(LARGE)
    answer = encoder.example(task).input_ids[len(encoder.prompt(task)) :]
    assert encoder.fast
    # 900 cells, 29 line breaks between the rows, and what ends the answer.
    assert 930 <= len(answer) == encoder.max_answer_tokens(30, 30) <= 931
    joined = Encoder(make(), TextConfig(cells="tokenizer", fast=False)).example(task)
    assert len(joined.input_ids) < 600


def test_every_cell_is_its_digits_own_token() -> None:
    encoder, tokenizer = encoder_of("auto"), llama3_like()
    digits = tokenizer.convert_tokens_to_ids(list("0123456789"))
    task = task_of(SMALL)
    ids = encoder.example(task).input_ids.tolist()
    cells = [token for token in ids if token in digits]
    assert cells == [digits[c] for _ in range(4) for c in SMALL.ravel()]
    assert tokenizer.decode(ids).startswith(encoder.text(task))


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
    colors=st.integers(1, 10),
)
def test_answers_make_the_round_trip(height: int, width: int, seed: int, colors: int) -> None:
    grid = make_grid(np.random.default_rng(seed).integers(0, colors, (height, width)))
    task = task_of(grid)
    fast, slow = encoder_of("single"), encoder_of("single", fast=False)
    example, reference = fast.example(task), slow.example(task)
    assert fast.fast
    assert not slow.fast
    assert np.array_equal(example.input_ids, reference.input_ids)
    assert np.array_equal(example.labels, reference.labels)
    answer = example.input_ids[len(fast.prompt(task)) :]
    # From ids to the grid: nothing is tokenised again on the way.
    assert np.array_equal(fast.decode(answer)[1], grid)
    assert len(answer) <= slow.max_answer_tokens(height, width)


def test_an_answer_with_joined_cells_is_read_too() -> None:
    task, single, joined = task_of(LARGE), encoder_of("single"), encoder_of("tokenizer")
    ids = joined.example(task).input_ids[len(joined.prompt(task)) :]
    assert np.array_equal(single.decode(ids)[1], LARGE)


@pytest.mark.parametrize(
    ("make", "grid"),
    [
        (lambda: load_tokenizer("characters"), PLAIN),
        (qwen_like, PLAIN),
        (sentencepiece_like, PLAIN),
        (llama3_like, GridText(separator="|")),
        (llama3_like, GridText(repeat=3)),
        (functools.partial(word_level, keeps_space=True), GridText(separator=" ")),
    ],
)
def test_nothing_changes_where_no_token_holds_two_cells(make: Any, grid: GridText) -> None:
    auto, plain = (Encoder(make(), TextConfig(grid, cells=c)) for c in ("auto", "tokenizer"))  # type: ignore[arg-type]
    task = task_of(LARGE)
    assert np.array_equal(auto.example(task).input_ids, plain.example(task).input_ids)
    assert auto.fingerprint() == plain.fingerprint()
    assert "cells" not in auto.fingerprint()


@pytest.mark.parametrize(
    "make", [lambda: load_tokenizer("characters"), qwen_like, sentencepiece_like]
)
def test_asking_for_single_cells_changes_nothing_where_they_are_single(make: Any) -> None:
    single, plain = (Encoder(make(), TextConfig(cells=c)) for c in ("single", "tokenizer"))  # type: ignore[arg-type]
    task = task_of(LARGE)
    assert single.fast
    assert single.fingerprint() == plain.fingerprint()
    assert np.array_equal(single.example(task).input_ids, plain.example(task).input_ids)


def test_records_tell_single_cells_from_joined_ones() -> None:
    auto, joined = encoder_of("auto").fingerprint(), encoder_of("tokenizer").fingerprint()
    assert auto == encoder_of("single").fingerprint() == joined | {"cells": "single"}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("form", ["compact", "chat"])
def test_every_kind_has_single_cells_on_both_paths(kind: str, form: str) -> None:
    code = "def task(grid):\n    return grid[10:] + 123\n"
    attempt = FailedProgram("def task(grid):\n    return grid[10:]\n", "It fails.\n")
    pairs = (Pair(SMALL, LARGE),) * 2
    proposals = (Pair(LARGE, SMALL), Pair(LARGE, LARGE))
    task = Task("t", pairs, (Pair(LARGE, SMALL),), "", code, attempt, proposals)
    grid = GridText(frame="code" if form == "chat" else "none")
    made = [
        Encoder(llama3_like(), TextConfig(grid, form, fast=fast), KINDS[kind])  # type: ignore[arg-type]
        for fast in (True, False)
    ]
    fast, slow = (encoder.example(task).input_ids for encoder in made)
    assert made[0].fast
    assert np.array_equal(fast, slow)
    written = {llama3_like().decode([token]) for token in fast.tolist()}
    # Programs are tokenised as they are; cells are not.
    longer = {text for text in written if text.isdigit() and len(text) > 1}
    named = {"012", "345", "678"} if form == "chat" else set()  # the list of the symbols
    assert longer <= named | ({"10", "123"} if KINDS[kind].shows_program else set())


def test_an_encoder_with_single_cells_travels_to_a_worker() -> None:
    encoder, task = encoder_of("auto", False), task_of(SMALL)
    copy = pickle.loads(pickle.dumps(encoder))
    assert np.array_equal(copy.example(task).input_ids, encoder.example(task).input_ids)


@pytest.mark.parametrize("cells", ["auto", "single"])
def test_a_vocabulary_without_single_digits_is_refused_by_name(cells: str) -> None:
    config = TextConfig(cells=cells)  # type: ignore[arg-type]
    message = r"^tokenizer 'pairs': a cell is not one token: got '0'.*cells to 'tokenizer'"
    with pytest.raises(ConfigError, match=message):
        Encoder(pairs_of_digits(singles=False), config)


def test_symbols_of_several_tokens_cannot_be_single() -> None:
    config = TextConfig(GridText(symbols="ñò÷ûąćďęĚĞ"), cells="single")
    with pytest.raises(ConfigError, match=r"a cell is not one token: got 'ñ'"):
        Encoder(qwen_like(), config)


def test_a_tokenizer_that_puts_spaces_between_pieces_cannot_have_single_cells() -> None:
    state = json.loads(sentencepiece_like().backend_tokenizer.to_str())
    state["pre_tokenizer"] = state["pre_tokenizer"]["pretokenizers"][0]  # digits stay together
    state["model"]["vocab"]["11"] = len(state["model"]["vocab"])
    state["model"]["merges"].append(["1", "1"])
    tokenizer = copy.deepcopy(sentencepiece_like())
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state))
    with pytest.raises(ConfigError, match="grids of one token a cell are not read back: got '"):
        Encoder(tokenizer, TextConfig(cells="single"))
    with pytest.warns(FastPathWarning, match="the fast path is off"):
        encoder = Encoder(tokenizer)
    task = task_of(LARGE)
    answer = encoder.example(task).input_ids[len(encoder.prompt(task)) :]
    assert np.array_equal(encoder.decode(answer)[1], LARGE)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"text option cells: got 'one'. Expected 'auto' or"):
        Encoder(qwen_like(), TextConfig(cells="one"))  # type: ignore[arg-type]
