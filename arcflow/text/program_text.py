"""Programs and feedback in prompts, in a form that cannot act beyond its place.

Such a text may come from a model or a user, so it may hold anything. Values are put between the
pieces of a rendered template, never into it, so a text's characters are never placeholders. What
could still act beyond its place is broken up by a space behind its first character: the text of a
tokenizer's special tokens, which would become those tokens, and the three backticks that would end
a code block. In Python this changes nothing but strings and comments: ``a<s>b`` becomes
``a< s>b``.

If the compact format has no marker tokens, its markers are letters on lines of their own. A text
may hold such a line too: no token acts then, but the prompt may be misleading.
"""

import re
from dataclasses import dataclass
from typing import Any

from arcflow.core.errors import DataError
from arcflow.text.recent import Recent

_FENCE = "```"
_BLOCK = re.compile(r"```python[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)
_BLANK_LINES = re.compile(r"\A(?:[ \t\f\v]*\n)+")
_TAG = re.compile(r"<[^\s<>]+>")
_KEPT = 4096


def normal_text(text: str) -> str:
    r"""Return a text with plain newlines, one of them at its end, and no blank lines around it.

    Tokenizers join newlines with the punctuation in front of them: a text that ends with its own
    newline can be split from what follows. Lone surrogates become question marks.

    Args:
        text: Any text.

    Returns:
        The text in its normal form.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")
    return _BLANK_LINES.sub("", text).rstrip() + "\n"


def read_program(text: str) -> str | None:
    """Read the program in what a model wrote.

    It is in the first block "```python", closed or not, or else the whole text. Whether it is a
    valid program is not checked.

    Args:
        text: The text that the model wrote.

    Returns:
        The program in its normal form, or None if there is no text.
    """
    block = _BLOCK.search(text)
    program = normal_text(text if block is None else block[1])
    return program if program.strip() else None


@dataclass(frozen=True, slots=True)
class SafeText:
    """A text in the form that prompts and answers hold.

    Attributes:
        text: The text in its normal form, broken up where needed.
        unknown: The first part that the tokenizer has no token for; "" if it has all.
    """

    text: str
    unknown: str


class SafeTexts:
    """A function that makes texts safe for one tokenizer and caches the last 4,096 of them.

    Args:
        tokenizer: A fast tokenizer of transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self._unknown = tokenizer.unk_token_id
        self._special = {i for i, t in added.items() if t.special} - {self._unknown}
        # Tags such as <think> steer models whether or not they are declared special.
        names = {str(t) for t in added.values() if t.special or _TAG.fullmatch(str(t))}
        acting = [_FENCE, *sorted(s for s in names if len(s) > 1 and not s.isspace())]
        first = re.escape("".join(sorted({s[0] for s in acting})))
        whole = "|".join(map(re.escape, acting))
        # The first lookahead is quick and rules out most characters.
        self._acting = re.compile(f"(?=[{first}])(?=(?:{whole}))(?s:.)")
        self._known: Recent[str, SafeText] = Recent(_KEPT)

    def __call__(self, text: str) -> SafeText:
        """Return the safe form of a text.

        Args:
            text: Any text.

        Returns:
            The safe form.

        Raises:
            DataError: If the tokenizer makes a special token even of the safe form.
        """
        return self._known.get(text, self._make)

    def _make(self, text: str) -> SafeText:
        safe = self._acting.sub(r"\g<0> ", normal_text(text))
        ids = self._tokenizer(safe, add_special_tokens=False, verbose=False)["input_ids"]
        special = self._special.intersection(ids)
        if special:
            raise DataError(
                "text: a part of it becomes a special token",
                value=self._tokenizer.convert_ids_to_tokens(min(special)),
                expected="a text of ordinary tokens",
                next_step="Remove that part from the program or the feedback.",
            )
        return SafeText(safe, self._first(safe, self._unknown) if self._unknown in ids else "")

    def _first(self, text: str, token: int | None) -> str:
        """Return the characters that a token stands for at its first occurrence."""
        encoded = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        start, end = encoded["offset_mapping"][encoded["input_ids"].index(token)]
        return text[start:end]
