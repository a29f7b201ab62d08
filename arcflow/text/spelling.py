"""The check at the start that answers survive being written, tokenised and read back."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arcflow.core.errors import ConfigError
from arcflow.text import probe_grids
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import TaskKind, Value
from arcflow.text.program_text import SafeTexts
from arcflow.text.prompt_layout import Ids
from arcflow.text.reference_encoder import ReferenceEncoder

Decode = Callable[[Ids], tuple[str, Any]]
"""A function from the ids of an answer to its text and to what is read in it."""


def check_spelling(
    name: str,
    whole: ReferenceEncoder,
    decode: Decode,
    kind: TaskKind[Any],
    grid_text: GridText,
    safe: SafeTexts,
    n: int,
) -> None:
    """Check that the answers of a kind, and the programs it shows, are tokenised and read back.

    Args:
        name: The name of the tokenizer.
        whole: The encoder of whole texts.
        decode: The function that reads answers.
        kind: What is asked of a task.
        grid_text: The written form of grids.
        safe: The function that makes texts safe for the tokenizer.
        n: The number of values of a prompt.

    Raises:
        ConfigError: If something else or nothing is read back, or a character is unknown.
    """
    texts = kind.texts(n)
    prompt = probe_grids.fillings(n, texts)[0]
    if kind.words:
        check_words(name, whole, decode, prompt, kind.words)
    elif texts:
        check_program(name, whole, decode, prompt, safe, written=n in texts)
    if n not in texts:
        check_grids(name, whole, decode, prompt, grid_text)


def check_words(
    name: str,
    whole: ReferenceEncoder,
    decode: Decode,
    prompt: Sequence[Value],
    words: Sequence[str],
) -> None:
    """Check that words are read back from the ids of answers.

    Args:
        name: The name of the tokenizer.
        whole: The encoder of whole texts.
        decode: The function that reads answers.
        prompt: The values of a prompt.
        words: The words that may be the answer.

    Raises:
        ConfigError: If another word or none is read back.
    """
    start = whole.prompt_length(prompt)
    for word in words:
        ids, _ = whole.example([*prompt, word])
        text, read = decode(ids[start:])
        if read != word:
            raise ConfigError(
                "text: a word does not survive being written, tokenised and read back"
                f" (tokenizer {name!r})",
                value=text[:60],
                expected=f"{word!r}",
                next_step=("Choose another tokenizer; a template's answer must be the word alone."),
            )


def check_grids(
    name: str,
    whole: ReferenceEncoder,
    decode: Decode,
    prompt: Sequence[Value],
    grid_text: GridText,
) -> None:
    """Check that grids are read back from the ids of answers.

    Args:
        name: The name of the tokenizer.
        whole: The encoder of whole texts.
        decode: The function that reads answers.
        prompt: The values of a prompt.
        grid_text: The written form of grids.

    Raises:
        ConfigError: If another grid or none is read back.
    """
    start = whole.prompt_length(prompt)
    for grid in probe_grids.spelling_grids():
        ids, _ = whole.example([*prompt, grid])
        text, read = decode(ids[start:])
        if read is None or not np.array_equal(read, grid):
            raise ConfigError(
                "text: a grid does not survive being written, tokenised and read back"
                f" (tokenizer {name!r})",
                value=text[:60],
                expected=f"{grid_text.encode(grid)[:60]!r}",
                next_step=(
                    "Choose other symbols, a separator or another tokenizer; a template that"
                    " adds words to the answer needs a frame around the grid."
                ),
            )


def check_program(
    name: str,
    whole: ReferenceEncoder,
    decode: Decode,
    prompt: Sequence[Value],
    safe: SafeTexts,
    *,
    written: bool,
) -> None:
    """Check that the tokenizer knows a program's characters, and that a program is read back.

    Args:
        name: The name of the tokenizer.
        whole: The encoder of whole texts.
        decode: The function that reads answers.
        prompt: The values of a prompt.
        safe: The function that makes texts safe for the tokenizer.
        written: Whether answers are programs.

    Raises:
        ConfigError: If a character is unknown, or if another program is read back.
    """
    program = safe(probe_grids.SPELLING_PROGRAM)
    text = program.unknown
    read: object = None if text else program.text
    if not text and written:
        ids, _ = whole.example([*prompt, program.text])
        text, read = decode(ids[whole.prompt_length(prompt) :])
    if read != program.text:
        raise ConfigError(
            "text: a program does not survive being written, tokenised and read back"
            f" (tokenizer {name!r})",
            value=text[:60],
            expected="every visible ASCII character, indentation and newlines",
            next_step=(
                "Choose another tokenizer; a template that adds words to the answer needs a"
                " block ```python around the program."
            ),
        )
