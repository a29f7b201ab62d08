"""The proof that a tokenizer which transformers built is the one in its own tokenizer.json.

transformers builds the class that tokenizer_config.json names, and for some models this class
rebuilds the splitting of texts from scratch: it then differs from the file. DeepSeek V3's loses all
white space this way.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arcflow.core.errors import ConfigError

FILE = "tokenizer.json"

SAMPLES = (
    "Input:\n0120\n3345\n\nOutput:\n6\n78\n",
    "```grid shape: 2x10\n0 1 2 3 4 5 6 7 8 9\n9|8|7|6|5|4|3|2|1|0\n```",
    "def task(grid):\n    # 12 + 345 = 357; it's 1e-6\n\n\treturn grid[::-1, :]  \n",
    "  You're given 1000 puzzles.\r\nÑandú ąćďęĚĞ naïve 東京 привет 🙂\n\n",
)
"""Texts whose ids and whose decoded form must be those of the file."""

_MAX_SPECIAL = 10

Stamp = tuple[str, int, int, str]

_compared: dict[Stamp, str] = {}
"""What was found for a file, its time, its size and the class; nothing is compared twice."""


class TokenizerWarning(UserWarning):
    """A warning that transformers' class for a tokenizer is not used."""


def tokenizer_file(name: str) -> Path | None:
    """Return the tokenizer.json of a local folder or of a downloaded model.

    Args:
        name: A folder, or a name on the Hugging Face hub whose files were downloaded.

    Returns:
        The path of the file, or None if there is none.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder / FILE if (folder / FILE).is_file() else None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, FILE)
    return Path(found) if isinstance(found, str) else None


def known_difference(file: Path) -> bool:
    """Return whether a file is known to differ from the class that transformers builds for it."""
    stamp = _stamp(file, None)
    return any(found and stamp[:3] == key[:3] for key, found in _compared.items())


def difference(tokenizer: Any, file: Path) -> str:
    """Compare a tokenizer with its file on sample texts.

    Args:
        tokenizer: A fast tokenizer of transformers.
        file: Its tokenizer.json.

    Returns:
        The first difference, for a message; "" if there is none.
    """
    stamp = _stamp(file, tokenizer)
    if stamp not in _compared:
        _compared[stamp] = next(_differences(tokenizer, file), "")
    return _compared[stamp]


def warn_of(name: str, why: str) -> None:
    """Warn that the file is used in place of transformers' class.

    Args:
        name: The name of the tokenizer as the user gave it.
        why: What is wrong with the class.
    """
    warnings.warn(
        f"tokenizer {name!r}: {why}. Its own {FILE} is used as it is.",
        TokenizerWarning,
        stacklevel=4,
    )


def unlike_its_file(name: str, found: str) -> ConfigError:
    """Return the error for a tokenizer that transformers cannot build as its file says.

    Args:
        name: The name of the tokenizer as the user gave it.
        found: The difference.

    Returns:
        The error.
    """
    return ConfigError(
        f"tokenizer {name!r}: transformers does not do what its {FILE} says",
        value=found,
        expected="the ids and texts of the file",
        next_step="Save the tokenizer again with this version of transformers, or correct the"
        " options in its tokenizer_config.json.",
    )


def _stamp(file: Path, tokenizer: Any) -> Stamp:
    status = file.stat()
    return str(file.resolve()), status.st_mtime_ns, status.st_size, type(tokenizer).__name__


def _differences(tokenizer: Any, file: Path) -> Iterator[str]:
    from tokenizers import Tokenizer

    own = Tokenizer.from_file(str(file))
    own.no_truncation()
    own.no_padding()
    special = [t for t in tokenizer.all_special_tokens if own.token_to_id(t) is not None]
    around = [f"a{token}1\n" for token in special[:_MAX_SPECIAL]]
    for text in (*SAMPLES, *around):
        theirs = own.encode(text, add_special_tokens=False).ids
        written = own.decode(theirs, skip_special_tokens=False)
        try:
            ours = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            read = tokenizer.decode(ours, clean_up_tokenization_spaces=False)
        except Exception as error:  # noqa: BLE001 (tokenizers raises plain ones)
            yield f"{type(tokenizer).__name__} cannot encode {text!r} ({error})"
            return
        if ours != theirs or read != written:
            found = f"as {read!r}" if read != written else "with other tokens"
            yield f"{type(tokenizer).__name__} gives {text!r} back {found}"
