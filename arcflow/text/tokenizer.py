"""Loading of tokenizers: a character vocabulary built here, or any tokenizer of transformers."""

import json
import string
from pathlib import Path
from typing import Any

from arcflow.core.errors import ConfigError
from arcflow.text.hub import UNREACHABLE, is_local
from arcflow.text.tokenizer_file import (
    difference,
    known_difference,
    tokenizer_file,
    unlike_its_file,
    warn_of,
)

CHARACTERS = "characters"
"""The name of the character-level tokenizer."""

OTHER_SYMBOLS = "ñò÷ûąćďęĚĞ"
"""Ten letters outside ASCII that may stand for the colours in place of digits."""

INPUT_MARKER, OUTPUT_MARKER = "<|input|>", "<|output|>"

_SPECIAL = {"pad_token": "<|pad|>", "bos_token": "<|bos|>", "eos_token": "<|eos|>"}
_UNKNOWN = "<|unk|>"
_NO_CLASS = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""The names in transformers 5 and 4 of a tokenizer that consists of its tokenizer.json alone."""
_EXPECTED = f"{CHARACTERS!r}, a folder with tokenizer.json, or a name on the hub"


def load_tokenizer(name: str) -> Any:
    """Load a tokenizer.

    Args:
        name: ``"characters"`` for the small vocabulary built in code (printable ASCII, newline,
            ``OTHER_SYMBOLS`` and markers; no download, the same ids each time); a local folder that
            holds a tokenizer, such as an exported model's; or a name on the Hugging Face hub.

    If the tokenizer has a tokenizer.json, it encodes and decodes sample texts as this file says: if
    the class that transformers builds does not, the plain class that reads the file is taken, with
    a warning.

    Returns:
        A ``transformers.PreTrainedTokenizerBase``.

    Raises:
        ConfigError: If there is no such tokenizer, if it does not load, or if transformers cannot
            build what its file says.
    """
    if name == CHARACTERS:
        return character_tokenizer()
    path = Path(name).expanduser()
    if not path.is_dir() and _is_path(name):
        raise ConfigError(
            "tokenizer: no such folder",
            value=name,
            expected=_EXPECTED,
            next_step="Correct model.tokenizer; where it is empty, the tokenizer is looked for in "
            "model.backbone.model.",
        )
    folder, local = path.is_dir(), is_local(name)
    try:
        return _build(name, path if folder else None, local=local)
    except ConfigError:
        raise
    except Exception as error:  # a damaged tokenizer.json raises a plain Exception
        why = UNREACHABLE if local and not folder else _first_line(error)
        raise ConfigError(
            f"tokenizer: {'the folder holds none that loads' if folder else 'not found'} ({why})",
            value=name,
            expected=_EXPECTED,
            next_step=(
                "Save the tokenizer there with save_pretrained."
                if folder
                else "Check the spelling; without a network, give the folder of a downloaded model "
                "(model.backbone.model, or model.tokenizer)."
            ),
        ) from error


def _build(name: str, folder: Path | None, *, local: bool) -> Any:
    """Build the tokenizer that equals its tokenizer.json, if it has one.

    Args:
        name: The name as the user gave it.
        folder: The local folder; None for a name on the hub.
        local: Whether the hub is not to be asked.

    Returns:
        The tokenizer.

    Raises:
        ConfigError: If transformers cannot build what the file says.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    def build(auto: Any) -> Any:
        return auto.from_pretrained(
            name if folder is None else folder, trust_remote_code=False, local_files_only=local
        )

    file = tokenizer_file(name)
    known = file is not None and known_difference(file)
    if not known and not (folder is not None and _is_its_file(folder)):
        try:
            # AutoTokenizer builds the tokenizer that models of this architecture usually have.
            tokenizer = build(AutoTokenizer)
        except Exception as error:
            if file is None:
                raise
            why = f"the class that transformers builds for it fails ({_first_line(error)})"
        else:
            file = tokenizer_file(name)  # by now the hub's is there too
            if file is None or not tokenizer.is_fast:
                return tokenizer
            why = difference(tokenizer, file)
            if not why:
                return tokenizer
        plain = build(PreTrainedTokenizerFast)
        warn_of(name, why)
    else:
        plain = build(PreTrainedTokenizerFast)
    if file is not None and (found := difference(plain, file)):
        raise unlike_its_file(name, found)
    return plain


def _is_path(name: str) -> bool:
    """Return whether no model on the hub can have this name (``model`` or ``owner/model``)."""
    return name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name


def _is_its_file(folder: Path) -> bool:
    """Return whether a saved tokenizer declares that it is no more than its tokenizer.json."""
    try:
        options = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    except FileNotFoundError:
        return False
    named = options.get("tokenizer_class") if isinstance(options, dict) else None
    return named in _NO_CLASS and (folder / "tokenizer.json").is_file()


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else type(error).__name__


def character_tokenizer() -> Any:
    """Build a tokenizer with one token for each character.

    It also has tokens for padding, begin, end, unknown characters and two grid markers.

    Returns:
        A ``transformers.PreTrainedTokenizerFast``.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    special = [*_SPECIAL.values(), _UNKNOWN, INPUT_MARKER, OUTPUT_MARKER]
    visible = string.digits + string.ascii_letters + string.punctuation + " \n" + OTHER_SYMBOLS
    vocabulary = {token: i for i, token in enumerate([*special, *visible])}
    # Byte-pair encoding without a single merge is the library's way to split into characters.
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=_UNKNOWN))
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=_UNKNOWN,
        additional_special_tokens=[INPUT_MARKER, OUTPUT_MARKER],
        clean_up_tokenization_spaces=False,
        **_SPECIAL,
    )
